"""The state of one `dial()`, driven by a test with a manual clock and without sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc

from dialgateway import (
    CallFailed,
    DialRequest,
    DialResult,
    Outcome,
    Reason,
    RetryAdvice,
    RetryPolicy,
)
from dialgateway._dial_state import DialState
from dialgateway._link import Link
from dialgateway._status_details import StatusDetails
from dialgateway.errors import from_status
from tests.client.scripted import PHONE

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
LIFE_S = 300.0
AGAIN = RetryAdvice.SAME_TOKEN
POLICY = RetryPolicy(first_pause=timedelta(seconds=1), longest_pause=timedelta(seconds=8))


def failed(code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, reason: str = "") -> CallFailed:
    return from_status(code, "gone", details=StatusDetails(reason))


def answer(token: str, index: int, outcome: Outcome, advice: RetryAdvice = AGAIN) -> DialResult:
    return DialResult(token, index, outcome, reason=Reason.CONNECT_ERROR, detail="why", retry_advice=advice)


class Stream:
    """A state driven by a test. Its clock starts at 0, which is noon."""

    def __init__(self, size: int = 10, chunk: int = 10, policy: RetryPolicy = POLICY, jitter: float = 1.0):
        self.state = DialState(size, chunk, policy, lambda: jitter)
        self.now = 0.0

    def take(self, *tokens: str, life_s: float = LIFE_S, in_doubt: bool = False) -> None:
        for token in tokens:
            expires = datetime.fromtimestamp(NOON + self.now + life_s, UTC)
            self.state.take(DialRequest(token, PHONE, expires, in_doubt=in_doubt), self.now, NOON + self.now)

    def has_room(self) -> bool:
        return self.state.has_room

    def connect(self) -> Link:
        assert self.state.advance(self.now)
        link = self.state.connect(self.now)
        self.state.ready(link, self.now)
        return link

    def send(self, link: Link) -> list[str]:
        return [request.client_token for request in self.state.next_chunk(link)]

    def connect_with(self, *tokens: str) -> Link:
        self.take(*tokens)
        link = self.connect()
        assert self.send(link) == list(tokens)
        return link

    def settle(self, link: Link, *results: DialResult) -> None:
        self.state.settle(link, results, self.now)

    def lose(
        self, link: Link, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, *, reason: str = ""
    ) -> None:
        self.state.lost(link, failed(code, reason), self.now)

    def later(self, seconds: float) -> bool:
        self.now += seconds
        return self.state.advance(self.now)

    def answers(self) -> list[tuple[str, int, Outcome]]:
        answers = self.state.take_answers()
        return [(result.client_token, result.index, result.outcome) for result in answers]


def sent_once(*tokens: str, policy: RetryPolicy = POLICY) -> tuple[Stream, Link]:
    """A stream whose requests are outstanding on its first connection."""
    stream = Stream(policy=policy)
    stream.take(*tokens)
    link = stream.connect()
    assert stream.send(link) == list(tokens)
    return stream, link
