"""Three times the quota offered for 20 seconds: how much of the quota is accepted, and how many 429s."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc

from benchmarks.load import message
from benchmarks.stub import async_stub
from benchmarks.world import world
from dialgateway.v1 import dial_request_service_pb2 as pb

RATE, BURST, OFFERED_PER_S, SECONDS = 10.0, 10.0, 750, 20.0
LIST = 25


def run() -> None:
    """Measure and print."""
    asyncio.run(_run())


async def _run() -> None:
    async with world(call_rate=RATE, simulator_rate=RATE, latency_s=0.05) as (simulator, channel):
        await _offer(channel)
        stats = simulator.connect.stats()
    calls = stats.calls["PutDialRequestBatch"]
    allowed = 25 * (BURST + RATE * SECONDS)
    throttled = calls.get("ThrottlingException", 0)
    accepted = stats.items.get("accepted", 0)
    print(f"accepted {accepted:,} of {allowed:,.0f} that the quota allows: {accepted / allowed:.1%}")
    print(f"calls: {sum(calls.values())}, of them 429: {throttled} ({throttled / sum(calls.values()):.1%})")


async def _offer(channel: grpc.aio.Channel) -> None:
    """Offer for the time, read answers, and leave when it is over."""
    began = time.monotonic()

    async def requests() -> AsyncIterator[pb.StreamDialRequestsRequest]:
        for first in range(0, int(OFFERED_PER_S * SECONDS), LIST):
            await asyncio.sleep(max(0.0, began + first / OFFERED_PER_S - time.monotonic()))
            yield message(first, LIST, 4, int(time.time()) + 600)

    call = async_stub(channel).StreamDialRequests(requests())
    try:
        async with asyncio.timeout(SECONDS):
            async for _ in call:
                pass
    except TimeoutError:
        call.cancel()
