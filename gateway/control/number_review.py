"""Has calls and queues decided again after numbers were suppressed or allowed again."""

import asyncio
from collections.abc import Callable
from typing import Protocol

SHORTEST_PAUSE_S, PAUSE_OF_REQUEST_S = 0.05, 50e-6
"""Seconds between two reviews of the queues: at least, and for each outstanding request. A review takes some
microseconds for each, so reviews take a tenth of the processor at most."""


class Reviewed(Protocol):
    """What is decided again: calls under way, and all requests."""

    def revoke_refused(self) -> None:
        """Revoke the calls with a request that may not be sent any more."""
        ...

    def review(self) -> None:
        """Decide again about all requests."""
        ...


class Timer(Protocol):
    """A call that comes later."""

    def cancel(self) -> None:
        """Have the call not made."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Makes a call after so many seconds."""


def _later(pause_s: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(pause_s, call)


class NumberReview:
    """Revokes calls at each change, and reviews the queues soon after it, however many changes there are.

    What waits in a queue is decided again when its call is formed, so nothing is sent before the review.
    `outstanding` returns how many requests there are.
    """

    def __init__(self, reviewed: Reviewed, outstanding: Callable[[], int], later: Later = _later) -> None:
        self._later = later
        self._reviewed = reviewed
        self._outstanding = outstanding
        self._due: Timer | None = None
        self._changed = False

    def changed(self) -> None:
        """Note that numbers were suppressed or allowed again. Calls stop before this returns."""
        self._reviewed.revoke_refused()
        if self._due is not None:
            self._changed = True
            return
        self._review()

    def _review(self) -> None:
        self._changed = False
        pause_s = SHORTEST_PAUSE_S + PAUSE_OF_REQUEST_S * self._outstanding()
        self._due = self._later(pause_s, self._paused)
        self._reviewed.review()

    def _paused(self) -> None:
        self._due = None
        if self._changed:
            self._review()

    def close(self) -> None:
        """Review nothing more."""
        if self._due is not None:
            self._due.cancel()
