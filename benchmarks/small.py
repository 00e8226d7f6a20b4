"""1,000 dial requests over four campaigns in lists of 10, no call limit: how full the calls are."""

import asyncio

import grpc

from benchmarks.load import message
from benchmarks.stub import async_stub
from benchmarks.world import world
from dialgateway.v1 import dial_request_service_pb2 as pb


def run() -> None:
    """Measure and print."""
    asyncio.run(_run())


async def _run() -> None:
    async with world(call_rate=0.0, simulator_rate=0.0) as (simulator, channel):
        accepted = await _accepted(channel)
        stats = simulator.connect.stats()
    calls = sum(stats.fill.values())
    print(f"accepted {accepted} of 1,000 in {calls} calls, {stats.fill.get(25, 0)} of them full")


async def _accepted(channel: grpc.aio.Channel) -> int:
    call = async_stub(channel).StreamDialRequests(
        message(first, 10, 4, 4_000_000_000) for first in range(0, 1000, 10)
    )
    return sum(
        [result.outcome == pb.OUTCOME_ACCEPTED async for response in call for result in response.results]
    )
