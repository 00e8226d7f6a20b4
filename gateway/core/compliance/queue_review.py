"""Decides again about all outstanding dial requests that are in no call, a slice at a time.

A change of the guard makes a review necessary. Changes can follow each other fast, so reviews are joined: one
that is asked for during another begins after it, however many are asked for.
"""

import math
from collections.abc import Callable

from gateway.core.compliance.opening_wait import OpeningWait
from gateway.core.model import Entry
from gateway.core.slices import Slices
from gateway.core.tokens.outstanding import Outstanding

SHORTEST_PAUSE_S, PAUSE_OF_ENTRY_S = 0.05, 50e-6
"""Seconds from one review to the next that can wait: at least, and for each outstanding entry. A review takes
some microseconds for each, so that such reviews take a tenth of the processor at most."""


class QueueReview:
    """The review under way, and the one that follows it.

    `decide_delayed` decides about an entry that waited for an opening, and `decide_queued` about any other;
    each entry may have changed its state since the review began.
    """

    def __init__(
        self,
        outstanding: Outstanding,
        waiting: OpeningWait,
        slices: Slices,
        decide_delayed: Callable[[float, Entry], None],
        decide_queued: Callable[[float, Entry], None],
    ) -> None:
        self._outstanding = outstanding
        self._waiting = waiting
        self._slices = slices
        self._decide_delayed = decide_delayed
        self._decide_queued = decide_queued
        self._is_reviewing = self._reviews_again = False
        self._paused_until = -math.inf
        self._due: float | None = None

    def begin(self, now: float) -> None:
        """Begin a review at once, or as soon as the one under way has ended."""
        self._due = None
        self._paused_until = now + SHORTEST_PAUSE_S + PAUSE_OF_ENTRY_S * self._outstanding.count
        if self._is_reviewing:
            self._reviews_again = True
        else:
            self._start()

    def begin_paced(self, now: float) -> None:
        """Begin a review, but not before a pause since the last one has passed."""
        if now >= self._paused_until:
            self.begin(now)
        else:
            self._due = self._paused_until

    def advance(self, now: float) -> None:
        """Begin the review that was put off, once its pause has passed."""
        if self._due is not None and now >= self._due:
            self.begin(now)

    def deadline(self) -> float | None:
        """Return when the review that was put off is to begin, None if there is none."""
        return self._due

    def _start(self) -> None:
        self._is_reviewing, self._reviews_again = True, False
        self._slices.add(self._waiting.take_all(), self._decide_delayed)
        self._slices.add(self._outstanding.all_entries(), self._decide_queued, self._ended)

    def _ended(self, now: float) -> None:
        self._is_reviewing = False
        if self._reviews_again:
            self._start()
