"""Memory of one gateway: idle, with 200,000 dial requests queued, and after they are dropped."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc

from benchmarks.load import message
from benchmarks.processes import gateway, resident_mb, sink
from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb

STREAMS, EACH = 40, 5000


def run() -> None:
    """Measure and print."""
    with sink() as url, gateway(url, call_rate="0.001", call_burst="1", would_expire="off") as (address, pid):
        idle = resident_mb(pid)
        queued = asyncio.run(_queue(address, pid))
        time.sleep(3)  # the callers have disconnected; the gateway drops their queued requests
        after = resident_mb(pid)
    print(f"idle {idle:.0f} MB; {STREAMS * EACH:,} queued {queued:.0f} MB; gone {after:.0f} MB")
    print(f"each queued dial request: {(queued - idle) * 1e6 / (STREAMS * EACH):,.0f} bytes")


async def _queue(address: str, pid: int) -> float:
    """Fill the gateway from many streams; return its memory once it stops growing."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = async_stub(channel)
        calls = [stub.StreamDialRequests(_requests(number)) for number in range(STREAMS)]
        before, now = 0.0, resident_mb(pid)
        while now > before + 1:
            await asyncio.sleep(2)
            before, now = now, resident_mb(pid)
        for call in calls:
            call.cancel()
    return now


async def _requests(stream: int) -> AsyncIterator[pb.StreamDialRequestsRequest]:
    for first in range(0, EACH, 100):
        yield message(stream * EACH + first, 100, 10, int(time.time()) + 900)
    await asyncio.Event().wait()
