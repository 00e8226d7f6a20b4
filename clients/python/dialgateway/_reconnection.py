"""Decide when a `dial()` connects again after a connection has ended, and when it gives up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import grpc

from dialgateway._link import Link
from dialgateway.errors import CallFailed, GatewayUnavailable
from dialgateway.retry import FINAL_STATUSES, RECONNECT_STATUSES, RetryPolicy

UNUSUAL_ENDS = 5
"""After this many connections in a row that end with an unusual status, the error is raised. A message of the
client may be the cause, and would end the next connection too."""


class Reconnection:
    """Counts the failures of one `dial()` and schedules its next connection. Times are in seconds.

    `connect_at` is when the next connection may be opened. `failures` counts the connections in a row that
    ended without an answer.
    """

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        self.connect_at = 0.0
        self.failures = 0
        self._policy = policy
        self._jitter = jitter
        self._unusual_ends = 0
        self._unreachable_since: float | None = None
        self._last_failure: CallFailed | None = None

    def nothing_outstanding(self) -> None:
        """Note that until now no request has waited for the gateway."""
        self._unreachable_since = None

    def connecting(self, now: float) -> None:
        """Note that a connection is being opened."""
        if self._unreachable_since is None:
            self._unreachable_since = now

    def answered(self, link: Link) -> None:
        """Note that an answer has come over a connection."""
        link.heard = True
        if not link.draining:
            self.failures = self._unusual_ends = 0
            self._unreachable_since = None

    def drained(self, link: Link, now: float) -> None:
        """Note that the current connection is draining: another one may be opened at once."""
        self.connect_at = now
        if not link.heard:  # it was new: the next replica may be draining too
            self._pause(now)

    def failed(self, link: Link, failure: CallFailed, now: float) -> bool:
        """Note that a connection has failed. Return False if no other one is to be opened."""
        longest_s = self._policy.longest_pause.total_seconds()
        lasted = link.ready_at is not None and now - link.ready_at > longest_s
        self._unusual_ends += _is_unusual(link, failure, lasted=lasted)
        if not self._policy.reconnect or failure.code in FINAL_STATUSES:
            return False
        if self._unusual_ends >= UNUSUAL_ENDS:
            return False
        if link.heard or lasted:
            self.failures, self._unreachable_since = 0, now  # it had worked: this is the first failure
        self._last_failure = failure
        self._pause(now, failure.retry_after)
        return True

    @property
    def give_up_at(self) -> float | None:
        """When to give up; None for never."""
        if self._policy.give_up_after is None or self._unreachable_since is None:
            return None
        return self._unreachable_since + self._policy.give_up_after.total_seconds()

    def unreachable_error(self) -> GatewayUnavailable:
        """Return the error for a gateway that was unreachable for too long, with the last status."""
        last = self._last_failure
        if isinstance(last, GatewayUnavailable):
            return last
        if last is None:
            return GatewayUnavailable("UNAVAILABLE: no connection in time")
        message = f"no connection in time; the last one ended: {last.args[0]}"
        return GatewayUnavailable(message, code=last.code, reason=last.reason, retry_after=last.retry_after)

    def _pause(self, now: float, asked: timedelta | None = None) -> None:
        asked_s = 0.0 if asked is None else max(asked.total_seconds(), 0.0)
        self.connect_at = now + asked_s + self._policy.pause_s(self.failures, self._jitter())
        self.failures += 1


def _is_unusual(link: Link, failure: CallFailed, *, lasted: bool) -> bool:
    """Whether a message of the client may have ended a connection.

    A gateway that dies, or a proxy in front of it, ends a connection with one of `RECONNECT_STATUSES`. A
    message can also cause INTERNAL and CANCELLED; then they come soon after it, and before any answer.
    """
    if failure.code not in RECONNECT_STATUSES:
        return True
    if failure.code is grpc.StatusCode.UNAVAILABLE:
        return False
    return link.count > 0 and not link.heard and not lasted
