"""Memory while Connect is down and 20 streams send 500-byte attributes for 15 s, and a minute later."""

import asyncio
import contextlib
import itertools
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from benchmarks.processes import IMAGE, gateway, high_water_mb, resident_mb
from benchmarks.quota.bars import Check, Result, show
from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb

NOBODY = "http://127.0.0.1:9"
"""An address without a server: every call is refused."""
STREAMS, FLOOD_S, LATER_S, LIST = 20, 15.0, 60.0, 100
QUEUE_LIMIT = 50_000
EXPIRES_S = 900
PEAK_MB, LATER_SHARE = 350.0, 1.2
FLOODERS = {"readers": STREAMS, "half never read": STREAMS // 2}
"""The number of streams that read their answers, by scenario; the others never read."""

if TYPE_CHECKING:
    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

_numbers = itertools.count()
_run = secrets.token_hex(4)


@dataclass(slots=True)
class Counts:
    """Counts of sent requests and received answers of a flood."""

    sent: int = 0
    answered: int = 0


def run() -> bool:
    """Measure all scenarios and print them; return whether every bar is met."""
    results = [_measure(name, readers) for name, readers in FLOODERS.items()]
    return not any(result.failed for result in results)


def _measure(name: str, readers: int) -> Result:
    with gateway(NOBODY, IMAGE, queue_limit=str(QUEUE_LIMIT), drain_grace="1") as (address, pid):
        asyncio.run(_warm(address))
        idle = resident_mb(pid)
        counts = asyncio.run(_flood(address, readers))
        at_end = resident_mb(pid)
        time.sleep(LATER_S)
        later, peak = resident_mb(pid), high_water_mb(pid)
    result = Result(
        f"{name}: {readers} of {STREAMS} streams read their answers; Connect is down, {FLOOD_S:.0f} s",
        [
            Check("MB idle", idle, "{:.0f}"),
            Check("MB at the peak", peak, "{:.0f}", at_most=PEAK_MB),
            Check("MB as the callers leave", at_end, "{:.0f}"),
            Check("MB one minute later", later, "{:.0f}", at_most=LATER_SHARE * idle),
            Check("dial requests sent", counts.sent, "{:,.0f}"),
            Check("dial requests answered", counts.answered, "{:,.0f}"),
        ],
    )
    print(f"  {result.title}")
    show(result)
    return result


async def _warm(address: str) -> None:
    """Send one request first, so that the memory for the first answer is not counted for the flood."""
    async with grpc.aio.insecure_channel(address) as channel:
        request = pb.PutDialRequestsRequest(campaign_id="warm", dial_requests=_message().dial_requests[:1])
        with contextlib.suppress(grpc.aio.AioRpcError):
            await async_stub(channel).PutDialRequests(request, timeout=1.0)


async def _flood(address: str, readers: int) -> Counts:
    counts, end = Counts(), time.monotonic() + FLOOD_S
    async with grpc.aio.insecure_channel(address) as channel:
        calls = [async_stub(channel).StreamDialRequests() for _ in range(STREAMS)]
        work = [_send(call, counts, end) for call in calls]
        work += [_read(call, counts) for call in calls[:readers]]
        tasks = [asyncio.create_task(one) for one in work]
        await asyncio.sleep(FLOOD_S)
        for call in calls:
            call.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return counts


async def _send(call: "StreamCall", counts: Counts, end: float) -> None:
    while time.monotonic() < end:
        await call.write(_message())
        counts.sent += LIST


async def _read(call: "StreamCall", counts: Counts) -> None:
    while isinstance(response := await call.read(), pb.StreamDialRequestsResponse):
        counts.answered += len(response.results)


def _message() -> pb.StreamDialRequestsRequest:
    message = pb.StreamDialRequestsRequest(campaign_id="flooded")
    expiration_s = int(time.time()) + EXPIRES_S
    for number in itertools.islice(_numbers, LIST):
        item = message.dial_requests.add(client_token=f"{_run}-{number:09d}", phone_number="+12025550123")
        item.expiration_time.seconds = expiration_s
        item.attributes["note"] = "x" * 500
    return message
