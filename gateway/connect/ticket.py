"""The right to send one attempt of a call, shared by the event loop and the thread that sends.

    HERE ── leave ──▶ LEAVING ── all_left ──▶ LEFT
      └── revoke, or give_up_at has passed ──▶ REVOKED

A sender opens its connection first (name, TCP, proxy, TLS) and then calls `leave`, right before the
first byte of the request. A hold, a purge, the end of sending, a time-out and a cancellation revoke the
ticket. It is also revoked if this process was paused since the attempt began: a hold may not have been heard
of. One lock decides between the two, so exactly one of them is true: nothing of the call has left and
nothing will, or Amazon Connect may carry it out.
"""

import enum
import math
import threading
import time
from collections.abc import Callable

from gateway.core.errors import CallRevoked, CallTooLate

HasPaused = Callable[[float, float], bool]


def never_paused(now: float, began_at: float) -> bool:
    """Return False: nobody could have held anything meanwhile, or nobody watches."""
    return False


class _State(enum.Enum):
    HERE = "here"
    LEAVING = "leaving"
    LEFT = "left"
    REVOKED = "revoked"


class Ticket:
    """The right to send one attempt, until `give_up_at` on the clock `expiry_now` at the latest.

    `leave` and `all_left` are for the sender, in any thread; `revoke` is for the event loop. `left_at` is
    when the first byte left, on the clock `now`, by default the same: setting the wall clock moves expiries,
    but not the times of throttles. `has_paused` returns for the time and an instant, both on the clock `now`,
    whether this process was paused since; by default it never is.
    """

    __slots__ = (
        "_began_at",
        "_callback",
        "_expiry_now",
        "_has_paused",
        "_lock",
        "_now",
        "_state",
        "give_up_at",
        "left_at",
    )

    def __init__(
        self,
        give_up_at: float = math.inf,
        expiry_now: Callable[[], float] = time.monotonic,
        now: Callable[[], float] | None = None,
        has_paused: HasPaused = never_paused,
    ) -> None:
        self.give_up_at = give_up_at
        self.left_at: float | None = None
        self._expiry_now = expiry_now
        self._now = now or expiry_now
        self._has_paused = has_paused
        self._began_at = self._now()
        self._state = _State.HERE
        self._lock = threading.Lock()
        self._callback: Callable[[], None] | None = None

    @property
    def may_have_left(self) -> bool:
        """Whether the first byte may have left: from then on Amazon Connect may have the call."""
        return self.left_at is not None

    def leave(self) -> None:
        """Take the right to send; raises `CallRevoked` or `CallTooLate` if it is gone.

        Call this when the connection is open and the first byte is about to be written.
        """
        with self._lock:
            if self._state is not _State.HERE:
                raise CallRevoked
            if self._expiry_now() > self.give_up_at:
                self._state = _State.REVOKED
                raise CallTooLate
            now = self._now()
            if self._has_paused(now, self._began_at):
                self._state = _State.REVOKED
                raise CallRevoked
            self._state, self.left_at = _State.LEAVING, now

    def all_left(self) -> None:
        """Note that every byte of the request has been written: revoking stops nothing any more."""
        with self._lock:
            if self._state is _State.LEAVING:
                self._state = _State.LEFT

    def revoke(self) -> bool:
        """Withdraw the right to send; return whether nothing was sent, in which case nothing ever will be.

        False if bytes have left. If more bytes are to follow, the sender is notified and cuts the connection
        before they leave.
        """
        with self._lock:
            before = self._state
            if before is _State.HERE:
                self._state = _State.REVOKED
            callback, self._callback = (None if before is _State.LEFT else self._callback), None
        if callback is not None:
            callback()
        return before in {_State.HERE, _State.REVOKED}

    def on_revoke(self, callback: Callable[[], None]) -> None:
        """Register a function to call once, in the thread that revokes; now if that has happened."""
        with self._lock:
            late = self._state is _State.REVOKED
            self._callback = None if late else callback
        if late:
            callback()
