"""When the client tries again by itself: how long it waits, what it sends again, when it gives up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import grpc

from dialgateway.values import DialResult, Outcome, Reason, RetryAdvice

_RESUBMITTED = frozenset({Outcome.NOT_ACCEPTED, Outcome.UNKNOWN})
# Reasons for which the client does not resend by itself. The first two are an operator's decision, which
# resending would undo. The others are refusals that are UNKNOWN only because an earlier attempt is in doubt:
# the same request would be refused again.
_LEFT_TO_THE_CALLER = frozenset(
    {
        Reason.HELD,
        Reason.PURGED,
        Reason.INVALID_REQUEST,
        Reason.INVALID_INPUT,
        Reason.TOKEN_CONFLICT,
        Reason.CAMPAIGN_NOT_FOUND,
        Reason.CAMPAIGN_NOT_RUNNING,
    }
)

BROKEN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED})
"""Statuses with which a call ends when a gateway, or a proxy before it, dies: the client reconnects.

HTTP/2 resets become INTERNAL or CANCELLED, by their error code; a lost connection, REFUSED_STREAM and the
HTTP statuses 429, 502, 503 and 504 become UNAVAILABLE (doc/http-grpc-status-mapping.md and PROTOCOL-HTTP2.md
of grpc). A CANCELLED of the client's own never gets here."""
FINAL = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)
"""Statuses that another connection would not change."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What the client does by itself when a connection ends, and with answers that advise to send again.

    All pauses are drawn evenly between nothing and a bound ("full jitter"), so that the callers of a gateway
    that comes back do not all come back at once.
    """

    reconnect: bool = True
    """Whether a stream goes on over a new connection, and `put()` is tried again when it is UNAVAILABLE,
    INTERNAL or CANCELLED by somebody else."""
    resubmit: frozenset[Outcome] = _RESUBMITTED
    """Which answers are held back, and their requests sent again with the same token, where the gateway
    advises SAME_TOKEN and the request's time allows it: NOT_ACCEPTED, UNKNOWN, both, or none. The client
    never resends requests that an operator has held or purged, or that would be refused again."""
    give_up_after: timedelta | None = None
    """How long the gateway may be out of reach before the call raises GatewayUnavailable; one try is always
    made. None: as long as any of its requests has time left, each of which is answered EXPIRED or UNKNOWN as
    its own time passes."""
    first_pause: timedelta = timedelta(milliseconds=200)
    """The bound of the first pause; it doubles with each further try."""
    longest_pause: timedelta = timedelta(seconds=10)
    """The bound that no pause passes, unless the gateway asks for a longer one (`retry_after`)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "resubmit", frozenset(self.resubmit))
        if not self.resubmit <= _RESUBMITTED:
            raise ValueError("only NOT_ACCEPTED and UNKNOWN may be sent again")
        if not timedelta(0) <= self.first_pause <= self.longest_pause:
            raise ValueError("first_pause must not be negative, nor longer than longest_pause")
        if self.give_up_after is not None and self.give_up_after < timedelta(0):
            raise ValueError("give_up_after must not be negative")

    def pause_s(self, tries: int, jitter: float) -> float:
        """Return the seconds to wait after so many tries, 0 for the first; `jitter` is from 0 to 1."""
        bound = self.first_pause.total_seconds() * 2.0 ** min(tries, 32)
        return jitter * min(bound, self.longest_pause.total_seconds())

    def resubmit_after_s(self, result: DialResult, tries: int, jitter: float) -> float | None:
        """Return the seconds after which an answered request is to be sent again; None when it is not."""
        if result.outcome not in self.resubmit or result.retry_advice is not RetryAdvice.SAME_TOKEN:
            return None
        if result.reason in _LEFT_TO_THE_CALLER:
            return None
        asked_s = 0.0 if result.retry_after is None else max(result.retry_after.total_seconds(), 0.0)
        return asked_s + self.pause_s(tries, jitter)


NO_RETRIES = RetryPolicy(reconnect=False, resubmit=frozenset())
"""The first answer and the first end of a connection are the caller's own to deal with."""
