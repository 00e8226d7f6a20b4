"""The load of a soak: callers of every kind that come and go, with one total rate."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import grpc
import grpc.aio

from dialgateway import CallFailed, DialGatewayClient, DialRequest
from tests.faults.callers import ReturningCaller, dial_request, dial_requests, heard, sent
from tests.faults.wire import WireStream, streams_to
from tests.history.history import Recorder

CALLERS = 10
CAMPAIGNS = [f"campaign-{name}" for name in "abcdef"]
PUT_TIMEOUT_S = 10.0
USUAL_RATE = 400.0
"""Dial requests a second from which on lists have their full size."""
NEW_CAMPAIGNS = 0.02
"""Share of the calls that name a campaign which nobody has named before."""

Identity = Callable[[], grpc.ChannelCredentials | None]
"""Returns the credentials of the next caller; None for connections without TLS."""


class Pace:
    """Limits the dial requests of all callers together to a rate a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = time.monotonic()

    async def take(self, count: int) -> None:
        """Wait until `count` requests may be sent."""
        now = time.monotonic()
        turn = max(self._next, now)
        self._next = turn + count / self._rate
        await asyncio.sleep(turn - now)


class Load:
    """Callers of gateways: `steady` keeps running, and the `others` are stopped or killed at times."""

    def __init__(
        self,
        steady: str,
        others: Sequence[str],
        recorder: Recorder,
        rate: float,
        seed: int,
        identity: Identity = lambda: None,
    ) -> None:
        self._steady = steady
        self._targets = [steady, *others]
        self._recorder = recorder
        self._pace = Pace(rate)
        self._rng = random.Random(seed)
        self._names = itertools.count()
        self._identity = identity
        self._scale = min(1.0, rate / USUAL_RATE)

    async def run(self, until: float) -> None:
        """Start calls until an instant of the monotonic clock, and finish each call."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._caller(until))

    async def _caller(self, until: float) -> None:
        kinds: dict[Callable[[], Awaitable[None]], int] = {
            self._returning: 50,
            self._unary: 20,
            self._quitting: 15,
            self._slow_reader: 5,
            self._trickling: 10,
            self._odd: 5,
        }
        while time.monotonic() < until:
            (kind,) = self._rng.choices(list(kinds), list(kinds.values()))
            await kind()

    async def _returning(self) -> None:
        """Send the requests of a campaign and reconnect until all are answered."""
        requests = await self._some(50, 1000)
        caller = ReturningCaller(self._target(), self._recorder, credentials=self._identity())
        await caller.dial(self._campaign(), requests)

    async def _unary(self) -> None:
        """Send a short list with a deadline; do not retry a failed call."""
        requests, campaign = await self._some(1, 50), self._campaign()
        record = self._recorder.stream("unary")
        async with DialGatewayClient(self._target(), credentials=self._identity()) as client:
            listed = [sent(record, campaign, request) for request in requests]
            try:
                results = await client.put(campaign, listed, timeout=PUT_TIMEOUT_S)
            except CallFailed:
                record.left()
                return
            for index, result in enumerate(results):
                heard(record, index, result)

    async def _quitting(self) -> None:
        """Send, and leave before the answers, by a cancel or a lost connection."""
        requests = await self._some(50, 500)
        async with self._stream(self._target()) as (stream,):
            stream.gone()
            sending = asyncio.create_task(stream.send_all(requests))
            reading = asyncio.create_task(stream.read())
            await asyncio.sleep(self._rng.uniform(0, 1))
            sending.cancel()
            reading.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def _slow_reader(self) -> None:
        """Send, read nothing for some seconds, then read for a second, and leave."""
        requests = await self._some(50, 500)
        async with self._stream(self._target()) as (stream,):
            stream.gone()
            sending = asyncio.create_task(stream.send_all(requests))
            await asyncio.sleep(self._rng.uniform(1, 10))
            reading = asyncio.create_task(stream.read())
            await asyncio.sleep(1.0)
            sending.cancel()
            reading.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def _trickling(self) -> None:
        """Send a few requests now and then, on one long stream.

        The gateway may end the stream because of its age, without having read the last requests.
        """
        async with self._stream(self._steady) as (stream,):
            reading = asyncio.create_task(stream.read())
            try:
                for _ in range(self._rng.randrange(20, 100)):
                    await stream.send(await self._some(1, 5))
                    await asyncio.sleep(0.1)
                await stream.finish()
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                pass  # the stream has ended
            await reading
            if stream.status is not grpc.StatusCode.OK:
                stream.gone()

    async def _odd(self) -> None:
        """Send invalid, late, duplicate, replayed and conflicting requests."""
        await self._pace.take(100)
        name = f"odd-{next(self._names)}"
        twice = dial_requests(20, f"{name}-twice")
        requests = [
            *twice,
            *twice,
            *dial_requests(20, f"{name}-hurry", expires_in_s=self._rng.uniform(4, 8)),
            *(dial_request(f"{name}-wrong-{n}", phone_number="12") for n in range(10)),
            *(dial_request(f"{name}-twice-{n}", phone_number="+12025550199") for n in range(10)),
            dial_request("no token"),
        ]
        async with self._stream(self._steady) as (stream,):
            await stream.ask(requests)
        async with self._stream(self._steady) as (stream,):
            await stream.ask(twice)

    async def _some(self, least: int, most: int) -> list[DialRequest]:
        count = max(1, int(self._scale * self._rng.randint(least, most)))
        await self._pace.take(count)
        return dial_requests(count, f"t-{next(self._names)}")

    def _campaign(self) -> str:
        if self._rng.random() < NEW_CAMPAIGNS:
            return f"campaign-new-{next(self._names)}"
        return self._rng.choice(CAMPAIGNS)

    def _stream(self, target: str) -> AbstractAsyncContextManager[list[WireStream]]:
        return streams_to(target, self._campaign(), self._recorder, credentials=self._identity())

    def _target(self) -> str:
        return self._rng.choice(self._targets)
