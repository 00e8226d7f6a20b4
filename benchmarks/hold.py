"""Measures how soon a hold stops a campaign's calls: a backlog at 10 calls a second, repeatedly held.

The gateway runs in its own process. The time starts when the hold is requested and ends when the last
call arrives at Connect. It is measured once with a healthy Connect, and once with a Connect that fails a
third of all calls, so that attempts are repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from benchmarks.load import message
from benchmarks.processes import gateway
from benchmarks.stub import async_stub
from dialgateway import DialGatewayClient
from gateway.simulator import Fault, FaultKind, Simulator, SimulatorSettings

HOLDS = 20
BAR_S = 1.0
CAMPAIGN = "campaign-0"
QUIET_S = 1.3
"""Seconds after a hold in which calls are counted: longer than the bar."""


def run() -> bool:
    """Measure and print; return whether the bar is met."""
    return asyncio.run(_run())


async def _run() -> bool:
    worst_s = 0.0
    for name, faults in (("a Connect that is well", []), ("a Connect that fails", [_FAILING])):
        async with Simulator(SimulatorSettings(call_rate=0, latency_s=0.05)) as simulator:
            for fault in faults:
                simulator.connect.add_fault(fault)
            latest = await _latest_calls(simulator)
        worst_s = max(worst_s, *latest)
        middle = sorted(latest)[len(latest) // 2]
        print(f"{name:24} last call {middle:+.3f} s (median), {max(latest):+.3f} s (worst of {HOLDS} holds)")
    print(f"the bar is {BAR_S:g} s: {'met' if worst_s <= BAR_S else 'MISSED'}")
    return worst_s <= BAR_S


_FAILING = Fault(kind=FaultKind.EXCEPTION, code="InternalServerException", probability=0.3)


async def _latest_calls(simulator: Simulator) -> list[float]:
    """Return when the last call of each hold arrived, in seconds after the hold was requested."""
    latest = []
    async with _gateway_with_backlog(simulator.url) as client:
        for number in range(HOLDS):
            await asyncio.sleep(0.5 + 0.1 * number / HOLDS)  # covers every phase between two calls
            asked_at = time.time()
            await client.hold_campaign(CAMPAIGN, "benchmark")
            await asyncio.sleep(QUIET_S)
            latest.append(max(call.at for call in simulator.connect.journal) - asked_at)
            await client.release_campaign(CAMPAIGN)
    return latest


@asynccontextmanager
async def _gateway_with_backlog(connect_url: str) -> AsyncIterator[DialGatewayClient]:
    with gateway(connect_url, call_rate="10", would_expire="off") as (address, _):
        async with grpc.aio.insecure_channel(address) as channel, DialGatewayClient(address) as client:
            call = async_stub(channel).StreamDialRequests()
            for number in range(40):
                await call.write(message(number * 100, 100, 1, int(time.time()) + 900))
            yield client
            call.cancel()
