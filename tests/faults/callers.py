"""Callers that record what they sent, what they received, and when."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc

from dialgateway import DialGatewayClient, DialRequest, DialResult
from tests.history.history import Recorder, StreamRecorder

CHUNK = 500


def dial_request(token: str, expires_in_s: float = 600.0, phone_number: str = "+12025550123") -> DialRequest:
    """Make a dial request of the usual size."""
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    return DialRequest(token, phone_number, expires_at, {"first_name": "Ada", "language": "en"})


def dial_requests(count: int, prefix: str, expires_in_s: float = 600.0) -> list[DialRequest]:
    """Make dial requests with distinct tokens."""
    return [dial_request(f"{prefix}-{number}", expires_in_s) for number in range(count)]


def sent(stream: StreamRecorder, campaign: str, request: DialRequest) -> DialRequest:
    """Record that a request is sent."""
    expires_at = request.expires_at.timestamp()
    stream.sent(
        campaign,
        request.client_token,
        expires_at,
        request.phone_number,
        request.attributes,
        in_doubt=request.in_doubt,
    )
    return request


def heard(stream: StreamRecorder, index: int, result: DialResult) -> None:
    """Record an answer."""
    reason = result.reason.removeprefix("UNSPECIFIED")
    stream.heard(
        index, result.client_token, result.outcome, reason, result.dial_request_id, replayed=result.replayed
    )


class ReturningCaller:
    """The Python client: it reconnects as often as necessary, and answers each request once."""

    def __init__(
        self,
        target: str,
        recorder: Recorder,
        window: int = 2000,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._target = target
        self._recorder = recorder
        self._window = window
        self._credentials = credentials

    async def dial(
        self,
        campaign: str,
        requests: Sequence[DialRequest],
        on_answer: Callable[[DialResult], None] = lambda _: None,
    ) -> None:
        """Send requests on one logical stream until each has its answer."""
        record = self._recorder.stream("returning")
        source = (sent(record, campaign, request) for request in requests)
        async with DialGatewayClient(
            self._target, credentials=self._credentials, window=self._window, chunk=CHUNK
        ) as client:
            async for result in client.dial(campaign, source):
                heard(record, result.index, result)
                on_answer(result)


class SteadyCaller:
    """The Python client under constant load: a number of requests a second, on one logical stream."""

    def __init__(
        self,
        target: str,
        recorder: Recorder,
        *,
        per_s: float = 100.0,
        credentials: grpc.ChannelCredentials | None = None,
        keepalive_s: float = 30.0,
        expires_in_s: float = 600.0,
    ) -> None:
        self.answered_at: list[float] = []
        self.client = DialGatewayClient(target, credentials=credentials, keepalive=keepalive_s)
        self._recorder = recorder
        self._per_s = per_s
        self._expires_in_s = expires_in_s
        self._record: StreamRecorder | None = None
        self._enough = asyncio.Event()
        self._news = asyncio.Condition()

    async def dial(self, campaign: str, prefix: str) -> None:
        """Send until `enough` is called, and read the answers to their end."""
        record = self._record = self._recorder.stream("steady")
        async with self.client as client:
            async for result in client.dial(campaign, self._requests(record, campaign, prefix)):
                heard(record, result.index, result)
                self.answered_at.append(time.monotonic())
                async with self._news:
                    self._news.notify_all()

    def enough(self) -> None:
        """Stop sending."""
        self._enough.set()

    async def more_answers(self, count: int, within_s: float) -> float:
        """Wait for `count` more answers; return how long that took. Raises `TimeoutError`."""
        began, wanted = time.monotonic(), len(self.answered_at) + count
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.answered_at) >= wanted)
        return time.monotonic() - began

    def gone(self) -> None:
        """Record that the caller need not receive all answers: an error told it that some are missing."""
        if self._record is not None:
            self._record.left()

    @property
    def sent_count(self) -> int:
        """How many requests the caller has sent."""
        return 0 if self._record is None else self._record.sent_count

    def pauses(self, longer_than_s: float) -> int:
        """Return how often no answer came for longer than `longer_than_s`."""
        return sum(later - one > longer_than_s for one, later in itertools.pairwise(self.answered_at))

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two consecutive answers."""
        return max((later - one for one, later in itertools.pairwise(self.answered_at)), default=0.0)

    async def _requests(
        self, record: StreamRecorder, campaign: str, prefix: str
    ) -> AsyncIterator[DialRequest]:
        began = time.monotonic()
        for number in itertools.count():
            pause_s = began + number / self._per_s - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            if self._enough.is_set():
                return
            yield sent(record, campaign, dial_request(f"{prefix}-{number}", self._expires_in_s))


@asynccontextmanager
async def steady_callers(
    target: str,
    recorder: Recorder,
    count: int = 1,
    *,
    per_s: float = 100.0,
    credentials: grpc.ChannelCredentials | None = None,
) -> AsyncIterator[Sequence[SteadyCaller]]:
    """Let callers dial throughout the block, each on one logical stream, and read every answer after it."""
    callers = [SteadyCaller(target, recorder, per_s=per_s, credentials=credentials) for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        for number, caller in enumerate(callers):
            group.create_task(caller.dial(f"campaign-{number % 2}", f"t{number}"))
        yield callers
        for caller in callers:
            caller.enough()
