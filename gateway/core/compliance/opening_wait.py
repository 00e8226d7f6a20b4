"""Entries that wait until the guard's rules allow them, such as until calling hours open."""

import heapq
from collections.abc import Iterator
from itertools import count

from gateway.core.model import Entry

STALE_PLACES = 64
"""Places of entries that have left which are kept, in addition to as many as entries wait."""


class OpeningWait:
    """The entries that wait for an instant, on the scale of expiries since openings follow the wall clock.

    Entries are in the state DELAYED. An entry that is answered or dropped meanwhile must be discarded.
    """

    def __init__(self) -> None:
        self._until: dict[Entry, float] = {}
        self._order = count()
        self._places: list[tuple[float, int, Entry]] = []

    def __len__(self) -> int:
        return len(self._until)

    def add(self, entry: Entry, until: float) -> None:
        """Let an entry wait until an instant."""
        self._until[entry] = until
        heapq.heappush(self._places, (until, next(self._order), entry))

    def discard(self, entry: Entry) -> None:
        """Forget an entry, if it waits."""
        if self._until.pop(entry, None) is not None:
            self._drop_stale()

    def due(self, now: float) -> Iterator[Entry]:
        """Yield the entries whose instant has come, each taken out."""
        while self._places and self._places[0][0] <= now:
            until, _, entry = heapq.heappop(self._places)
            if self._until.get(entry) == until:
                del self._until[entry]
                yield entry

    def take_all(self) -> list[Entry]:
        """Take out all entries."""
        taken = list(self._until)
        self._until, self._places = {}, []
        return taken

    def deadline(self) -> float | None:
        """Return the earliest instant that an entry may wait for, None if nothing waits."""
        return self._places[0][0] if self._until else None

    def _drop_stale(self) -> None:
        """Drop the places of entries that have left, once most places are theirs: they may wait for hours."""
        if len(self._places) > 2 * len(self._until) + STALE_PLACES:
            until = self._until
            self._places = [place for place in self._places if until.get(place[2]) == place[0]]
            heapq.heapify(self._places)
