"""Entries that pause before they wait for another call."""

import heapq
from collections.abc import Iterator
from itertools import count

from gateway.core.entry_state import EntryState, move
from gateway.core.model import Entry


class DelayedEntries:
    """The entries that pause, in the order in which their pauses end.

    An entry that is answered or dropped meanwhile only changes its state; it is passed over when it is due.
    """

    def __init__(self) -> None:
        self._pauses: list[tuple[float, int, Entry]] = []
        self._order = count()

    def add(self, entry: Entry, until: float) -> None:
        """Pause an entry until an instant."""
        move(entry, EntryState.DELAYED)
        heapq.heappush(self._pauses, (until, next(self._order), entry))

    def is_due(self, now: float) -> bool:
        """Whether any pause is over."""
        return bool(self._pauses) and self._pauses[0][0] <= now

    def due(self, now: float) -> Iterator[Entry]:
        """Yield the entries whose pauses are over, each taken out; they are still `DELAYED`."""
        while self._pauses and self._pauses[0][0] <= now:
            entry = heapq.heappop(self._pauses)[2]
            if entry.state is EntryState.DELAYED:
                yield entry

    def deadline(self) -> float | None:
        """Return when the next pause ends, None if there is none."""
        return self._pauses[0][0] if self._pauses else None
