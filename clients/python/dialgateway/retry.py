"""The retry policy: how long the client waits, what it sends again, and when it gives up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import grpc

from dialgateway.values import DialResult, Outcome, Reason, RetryAdvice

_RESUBMITTED = frozenset({Outcome.NOT_ACCEPTED, Outcome.UNKNOWN})
# Reasons for which the client does not send a request again. The first two are an operator's decision, which
# that would undo. The last four are rules of the gateway: where they allow a request later, that is after its
# expiration. The others are refusals; they are UNKNOWN only because an earlier attempt is in doubt, and the
# same request would be refused again.
_LEFT_TO_THE_CALLER = frozenset(
    {
        Reason.HELD,
        Reason.PURGED,
        Reason.INVALID_REQUEST,
        Reason.INVALID_INPUT,
        Reason.TOKEN_CONFLICT,
        Reason.CAMPAIGN_NOT_FOUND,
        Reason.CAMPAIGN_NOT_RUNNING,
        Reason.OUTSIDE_CALLING_HOURS,
        Reason.SUPPRESSED,
        Reason.CONTACT_LIMIT,
        Reason.NUMBER_NOT_ALLOWED,
    }
)

RECONNECT_STATUSES = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED}
)
"""The statuses with which a call ends when the gateway or a proxy in front of it dies: the client reconnects.

HTTP/2 resets become INTERNAL or CANCELLED, depending on their error code. A lost connection, REFUSED_STREAM
and the HTTP statuses 429, 502, 503 and 504 become UNAVAILABLE (gRPC's doc/http-grpc-status-mapping.md and
PROTOCOL-HTTP2.md). A call that the client itself has cancelled is handled elsewhere."""
FINAL_STATUSES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
"""Statuses that would be the same on another connection."""
NOTHING_TAKEN = frozenset(
    {
        "DRAINING",
        "STREAM_AGE",
        "STREAM_LIMIT",
        "LIST_TOO_LONG",
        "MESSAGE_TOO_LARGE",
        "OVERLOADED",
        "CALLER_WINDOW",
        "UNAUTHENTICATED",
        "UNKNOWN_CALLER",
        "DIALING_DENIED",
    }
)
"""The reasons of statuses with which the gateway says that it has not read the requests without an answer, so
that they are not in doubt: see `ErrorReason` in error_reason.proto."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What the client does when a connection ends, and after answers that advise to send a request again.

    Each pause is random, between 0 and a bound ("full jitter"), so that the callers of a gateway that
    restarts do not all reconnect at the same time.
    """

    reconnect: bool = True
    """Whether a stream continues over a new connection, and `put()` is repeated after UNAVAILABLE, INTERNAL,
    or a CANCELLED that is not the client's own."""
    resubmit: frozenset[Outcome] = _RESUBMITTED
    """After which answers the client sends the request again instead of yielding the answer: NOT_ACCEPTED,
    UNKNOWN, both or none. The gateway must advise SAME_TOKEN, and the request must not expire before.
    Requests that an operator has held or purged, that rules of the gateway do not allow, or that would be
    refused again, are never sent again."""
    give_up_after: timedelta | None = None
    """How long the gateway may be unreachable before the call raises GatewayUnavailable, after at least one
    attempt. With None it is not raised: each request is answered EXPIRED or UNKNOWN at its expiration."""
    first_pause: timedelta = timedelta(milliseconds=200)
    """The bound of the first pause. It doubles with each further attempt."""
    longest_pause: timedelta = timedelta(seconds=10)
    """The largest bound of a pause. The gateway may ask for a longer pause with `retry_after`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "resubmit", frozenset(self.resubmit))
        if not self.resubmit <= _RESUBMITTED:
            raise ValueError("only NOT_ACCEPTED and UNKNOWN may be sent again")
        if not timedelta(0) <= self.first_pause <= self.longest_pause:
            raise ValueError("first_pause must not be negative, nor longer than longest_pause")
        if self.give_up_after is not None and self.give_up_after < timedelta(0):
            raise ValueError("give_up_after must not be negative")

    def pause_s(self, tries: int, jitter: float) -> float:
        """Return the seconds to wait after `tries` earlier attempts; `jitter` is from 0 to 1."""
        bound = self.first_pause.total_seconds() * 2.0 ** min(tries, 32)
        return jitter * min(bound, self.longest_pause.total_seconds())

    def resubmit_after_s(self, result: DialResult, tries: int, jitter: float) -> float | None:
        """Return the seconds after which an answered request is sent again; None if it is not."""
        if result.outcome not in self.resubmit or result.retry_advice is not RetryAdvice.SAME_TOKEN:
            return None
        if result.reason in _LEFT_TO_THE_CALLER:
            return None
        asked_s = 0.0 if result.retry_after is None else max(result.retry_after.total_seconds(), 0.0)
        return asked_s + self.pause_s(tries, jitter)


NO_RETRIES = RetryPolicy(reconnect=False, resubmit=frozenset())
"""No retries: the caller gets each answer, and an error when the connection ends."""
