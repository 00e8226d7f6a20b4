"""The longest stall of the event loop while 180,000 dial requests are answered or dropped at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc.aio

from benchmarks.load import message
from benchmarks.stub import async_stub
from benchmarks.world import collector_as_served
from dialgateway import DialGatewayClient, HeldRequests
from gateway.app import Gateway
from gateway.connect.fake import FakeConnect
from gateway.settings import Settings
from gateway.telemetry import telemetry_with

BAR_MS = 50.0
STREAMS, EACH = 36, 5_000
CAMPAIGN = "campaign-0"


class LagProbe:
    """Measures the longest gap between two turns of the event loop; `longest_s` is in seconds."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._running = True

    async def run(self) -> None:
        """Measure until `stop`."""
        before = time.perf_counter()
        while self._running:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - before)
            before = now

    def stop(self) -> None:
        """Measure no more."""
        self._running = False


async def longest_gap_ms(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time without a turn of the loop during an operation, in milliseconds."""
    probe = LagProbe()
    probing = asyncio.create_task(probe.run())
    await asyncio.sleep(0)
    try:
        await work()
    finally:
        probe.stop()
        await probing
    return probe.longest_s * 1000


def run() -> bool:
    """Measure and print; return whether every stall is within the limit."""
    return asyncio.run(measure(STREAMS, EACH))


async def measure(streams: int, each: int) -> bool:
    """Measure every scenario with a number of streams, each with a number of requests."""
    worst = 0.0
    for name, scenario in SCENARIOS.items():
        async with _backlog(streams, each) as (gateway, client, calls):
            with collector_as_served():
                worst = max(worst, gap := await longest_gap_ms(partial(scenario, gateway, client, calls)))
        print(f"  {name:44} {gap:6.1f} ms")
    print(f"  the bar is {BAR_MS:g} ms: {'kept' if worst <= BAR_MS else 'MISSED'}")
    return worst <= BAR_MS


Calls = list[Any]


@asynccontextmanager
async def _backlog(streams: int, each: int) -> AsyncIterator[tuple[Gateway, DialGatewayClient, Calls]]:
    """Yield a gateway that has a backlog and sends next to nothing."""
    settings = Settings(
        listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
        call_rate=0.001,
        call_burst=1,
        caller_window=streams * each,
        would_expire=False,
    )
    gateway = Gateway(settings, FakeConnect(), telemetry_with())
    target = f"127.0.0.1:{await gateway.start()}"
    async with grpc.aio.insecure_channel(target) as channel, DialGatewayClient(target) as client:
        calls = [async_stub(channel).StreamDialRequests() for _ in range(streams)]
        for number, call in enumerate(calls):
            for first in range(0, each, 100):
                await call.write(message(number * each + first, 100, 1, int(time.time()) + 900))
        while gateway.engine.held < streams * each - 25:  # noqa: ASYNC110 - it need not tell
            await asyncio.sleep(0.05)
        yield gateway, client, calls
        for call in calls:
            call.cancel()
    await gateway.stop(0.1)


async def _empty(gateway: Gateway) -> None:
    while gateway.engine.held:  # noqa: ASYNC110 - it need not tell
        await asyncio.sleep(0.01)


async def _hold(gateway: Gateway, client: DialGatewayClient, calls: Calls) -> None:
    await client.hold_campaign(CAMPAIGN, "benchmark", held_requests=HeldRequests.ANSWER)
    await _empty(gateway)


async def _purge(gateway: Gateway, client: DialGatewayClient, calls: Calls) -> None:
    await client.purge_campaign(CAMPAIGN, "benchmark")
    await _empty(gateway)


async def _leave(gateway: Gateway, client: DialGatewayClient, calls: Calls) -> None:
    for call in calls:
        call.cancel()
    await _empty(gateway)


async def _give_up(gateway: Gateway, client: DialGatewayClient, calls: Calls) -> None:
    gateway.abandon()
    await _empty(gateway)


SCENARIOS = {
    "a hold answers what waits": _hold,
    "a campaign is purged": _purge,
    "callers with a backlog disconnect": _leave,
    "the gateway gives up and answers everything": _give_up,
}
