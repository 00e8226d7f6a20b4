"""Counts by label for a bounded number of labels; the counts of all others are added up under `other`.

A label without events is dropped after a while.
"""

from collections.abc import Callable, Collection
from typing import Generic, Protocol, TypeVar

OTHER = "other"
LONGEST_LABEL = 256
"""Characters of a label: a longer name is counted under `other`."""
IDLE_S, IDLE_WHERE_FULL_S = 1800.0, 300.0
"""Seconds after which an idle label is dropped. The second value applies if all labels are used."""


class LabelCounts(Protocol):
    """The counts of one label: whether they changed since the last tidying, and when that was noticed."""

    changed_since_tidy: bool
    seen_at: float


Kept = TypeVar("Kept", bound=LabelCounts)


class LabelledCounts(Generic[Kept]):
    """The counts by label, at most `limit` of them beside `other`.

    `make` returns new counts that begin at an instant, in nanoseconds since the epoch. It is 0 for `other`,
    and before the first tidying.
    """

    def __init__(self, limit: int, make: Callable[[int], Kept]) -> None:
        self._limit = limit
        self._make = make
        self._now_ns = 0
        self.by_label: dict[str, Kept] = {OTHER: make(0)}

    def of(self, name: str) -> Kept:
        """Return the counts for a name, for a change: its own if a label is free, else those of `other`."""
        counts = self.by_label.get(name) or self._enter(name)
        counts.changed_since_tidy = True
        return counts

    def tidy(self, now: float, now_ns: int, busy: Collection[str]) -> None:
        """Drop labels that have been idle for long. `busy` names are never idle."""
        self._now_ns = now_ns
        full = len(self.by_label) > self._limit
        idle_s = IDLE_WHERE_FULL_S if full else IDLE_S
        for label, counts in list(self.by_label.items()):
            if counts.changed_since_tidy or label in busy:
                counts.changed_since_tidy, counts.seen_at = False, now
            elif now - counts.seen_at > idle_s and label != OTHER:
                del self.by_label[label]

    def _enter(self, name: str) -> Kept:
        if len(self.by_label) > self._limit or not 0 < len(name) <= LONGEST_LABEL:
            return self.by_label[OTHER]
        counts = self.by_label[name] = self._make(self._now_ns)
        return counts
