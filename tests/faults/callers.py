"""Callers whose every word is written down: what they sent, what they heard, and when."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dialgateway import CallFailed, DialGatewayClient, DialRequest, DialResult, Outcome, RetryAdvice
from tests.history.history import Recorder, StreamRecorder

CHUNK = 500
LONGEST_PAUSE_S = 1.0
DENIALS = frozenset({Outcome.REJECTED, Outcome.EXPIRED, Outcome.NOT_ACCEPTED})


def dial_request(token: str, expires_in_s: float = 600.0, phone_number: str = "+12025550123") -> DialRequest:
    """Make a dial request of the usual size."""
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    return DialRequest(token, phone_number, expires_at, {"first_name": "Ada", "language": "en"})


def dial_requests(count: int, prefix: str, expires_in_s: float = 600.0) -> list[DialRequest]:
    """Make dial requests under tokens of their own."""
    return [dial_request(f"{prefix}-{number}", expires_in_s) for number in range(count)]


def sent(stream: StreamRecorder, campaign: str, request: DialRequest) -> DialRequest:
    """Write down that a request leaves."""
    expires_at = request.expires_at.timestamp()
    stream.sent(campaign, request.client_token, expires_at, request.phone_number, request.attributes)
    return request


def heard(stream: StreamRecorder, index: int, result: DialResult) -> None:
    """Write an answer down."""
    reason = result.reason.removeprefix("UNSPECIFIED")
    stream.heard(
        index, result.client_token, result.outcome, reason, result.dial_request_id, replayed=result.replayed
    )


class ReturningCaller:
    """A caller that comes back: until all is answered it sends what is not, again and under the same tokens.

    NOT_ACCEPTED and UNKNOWN are sent again as the gateway advises, until the request expires.
    """

    def __init__(self, target: str, recorder: Recorder, window: int = 2000) -> None:
        self._target = target
        self._recorder = recorder
        self._window = window
        self.connections = 0

    async def dial(
        self,
        campaign: str,
        requests: Sequence[DialRequest],
        on_answer: Callable[[DialResult], None] = lambda _: None,
    ) -> None:
        """Send requests on one logical stream until each has its answer."""
        stream = _Stream(self._recorder.stream("returning"), campaign, requests, on_answer)
        while stream.waiting:
            order = list(stream.waiting)
            self.connections += 1
            async with DialGatewayClient(self._target, window=self._window, chunk=CHUNK) as client:
                try:
                    async for result in client.dial(campaign, stream.source(order)):
                        stream.take(order[result.index], result)
                except CallFailed as broken:
                    stream.broken(broken.unanswered)
            if stream.waiting:
                await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))


class _Stream:
    """The state of one logical stream over its connections."""

    def __init__(
        self,
        record: StreamRecorder,
        campaign: str,
        requests: Sequence[DialRequest],
        on_answer: Callable[[DialResult], None],
    ) -> None:
        self.waiting = dict(enumerate(requests))
        self._record = record
        self._campaign = campaign
        self._on_answer = on_answer
        self._in_doubt: set[str] = set()

    def source(self, order: Sequence[int]) -> list[DialRequest]:
        """Return what is to be sent on the next connection."""
        if not self._record.sent_count:
            for request in self.waiting.values():
                sent(self._record, self._campaign, request)
        return [self.waiting[index] for index in order]

    def broken(self, tokens: Sequence[str]) -> None:
        """Note that a connection ended without answers to these."""
        self._in_doubt.update(tokens)

    def take(self, index: int, result: DialResult) -> None:
        """Take an answer: it is told, or its request is sent again."""
        request = self.waiting[index]
        again = result.retry_advice is RetryAdvice.SAME_TOKEN and result.outcome is not Outcome.EXPIRED
        if again and request.expires_at.timestamp() > time.time():
            return
        if request.client_token in self._in_doubt and result.outcome in DENIALS:
            # A gateway that is new knows nothing of what the one before it did.
            result = replace(result, outcome=Outcome.UNKNOWN)
        del self.waiting[index]
        heard(self._record, index, result)
        self._on_answer(result)
