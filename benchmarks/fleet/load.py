"""Callers that keep gateways busy, and callers that send a list and wait for its answers."""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from benchmarks.stub import async_stub
from dialgateway.v1 import dial_request_service_pb2 as pb
from tests.faults.world import World

if TYPE_CHECKING:
    StreamCall = grpc.aio.StreamStreamCall[pb.StreamDialRequestsRequest, pb.StreamDialRequestsResponse]

LIST = 100
UNANSWERED = 500
"""Dial requests that each busy stream keeps unanswered: 20 full calls."""
EXPIRES_IN_S = 900
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@asynccontextmanager
async def channels(world: World) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Connect to each gateway of a fleet."""
    opened = [grpc.aio.insecure_channel(target, OWN_CONNECTION) for target in world.targets]
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*(channel.channel_ready() for channel in opened))
        yield opened
    finally:
        await asyncio.gather(*(channel.close() for channel in opened))


class Busy:
    """A stream that always has unanswered dial requests at a gateway, for one campaign.

    `outcomes` counts its answers. `numbers` is how many phone numbers it dials in turn. It ends when it is
    cancelled or when its gateway ends.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        campaign: str,
        name: str,
        priority: "pb.Priority.ValueType" = pb.PRIORITY_NORMAL,
        numbers: int = 1,
    ) -> None:
        self._numbers = numbers
        self.outcomes: Counter[str] = Counter()
        self._channel = channel
        self._campaign = campaign
        self._name = name
        self._priority = priority
        self._unanswered = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Send and read until the stream ends."""
        call = async_stub(self._channel).StreamDialRequests()
        sending = asyncio.create_task(self._send(call))
        try:
            with contextlib.suppress(grpc.aio.AioRpcError):  # the gateway has ended
                await self._read(call)
        finally:
            sending.cancel()
            call.cancel()
            await asyncio.wait([sending])

    async def _read(self, call: "StreamCall") -> None:
        while isinstance(response := await call.read(), pb.StreamDialRequestsResponse):
            self._unanswered -= len(response.results)
            self._room.set()
            for result in response.results:
                self.outcomes[pb.Outcome.Name(result.outcome)] += 1

    async def _send(self, call: "StreamCall") -> None:
        for first in itertools.count(step=LIST):
            while self._unanswered > UNANSWERED - LIST:
                self._room.clear()
                await self._room.wait()
            self._unanswered += LIST
            tokens = (f"{self._name}-{number}" for number in range(first, first + LIST))
            await call.write(message(self._campaign, tokens, self._priority, self._numbers))


@asynccontextmanager
async def kept_busy(streams: Iterable[Busy]) -> AsyncIterator[None]:
    """Run streams during a block, and cancel them at its end."""
    tasks = [asyncio.create_task(stream.run()) for stream in streams]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception):
                raise error


async def sent(
    channel: grpc.aio.Channel,
    campaign: str,
    tokens: Sequence[str],
    priority: "pb.Priority.ValueType" = pb.PRIORITY_NORMAL,
) -> list[pb.DialResult]:
    """Send dial requests on a stream of their own; return the answers in the order of the requests."""
    lists = (
        message(campaign, tokens[first : first + LIST], priority) for first in range(0, len(tokens), LIST)
    )
    results: dict[int, pb.DialResult] = {}
    async for response in async_stub(channel).StreamDialRequests(lists):
        results.update((result.index, result) for result in response.results)
    return [results[index] for index in range(len(tokens))]


def place_of(token: str) -> int:
    """Return the place of a token in its stream, with which it ends."""
    return int(token.rpartition("-")[2])


def phone(which: int) -> str:
    """Return one of ten thousand phone numbers."""
    return f"+1206555{which:04d}"


def message(
    campaign: str,
    tokens: Iterable[str],
    priority: "pb.Priority.ValueType" = pb.PRIORITY_NORMAL,
    numbers: int = 1,
) -> pb.StreamDialRequestsRequest:
    """Return one list of dial requests, to one number or to `numbers` in turn."""
    request = pb.StreamDialRequestsRequest(campaign_id=campaign, priority=priority)
    expires_at = int(time.time()) + EXPIRES_IN_S
    for token in tokens:
        item = request.dial_requests.add()
        item.client_token = token
        item.phone_number = "+12025550123" if numbers == 1 else phone(place_of(token) % numbers)
        item.expiration_time.seconds = expires_at
        item.attributes["first_name"] = "Ada"
    return request
