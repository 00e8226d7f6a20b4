"""Entries that wait until the guard's rules allow them, such as until calling hours open."""

import heapq
from collections.abc import Iterator
from itertools import count

from gateway.core.model import Entry

STALE_PLACES = 64
"""Places of entries that have left which are kept, in addition to as many as entries wait."""
MOVED, MOVED_ONCE_A_TURN = 4, 100
"""Places that are moved to a new heap, or dropped, with each entry that comes or leaves, and at each look."""
Place = tuple[float, int, Entry]
Places = list[Place]


class OpeningWait:
    """The entries that wait for an instant, on the scale of expiries since openings follow the wall clock.

    Entries are in the state DELAYED. An entry that is answered or dropped meanwhile must be discarded.

    The order is kept by heaps of places. The place of an entry that has left stays, until most places are of
    such entries. Then the heap is `_old`: it gives its places to a new one, a few at a time, since there may
    be hundreds of thousands.
    """

    def __init__(self) -> None:
        self._place_of: dict[Entry, Place] = {}
        self._order = count()
        self._places: Places = []
        self._old: Places = []

    def __len__(self) -> int:
        return len(self._place_of)

    @property
    def places(self) -> int:
        """How many places are kept, of entries that wait and of others."""
        return len(self._places) + len(self._old)

    def add(self, entry: Entry, until: float) -> None:
        """Let an entry wait until an instant."""
        self._place_of[entry] = place = until, next(self._order), entry
        heapq.heappush(self._places, place)
        self._drop_stale(MOVED)

    def discard(self, entry: Entry) -> None:
        """Forget an entry, if it waits."""
        if self._place_of.pop(entry, None) is not None:
            self._drop_stale(MOVED)

    def due(self, now: float) -> Iterator[Entry]:
        """Yield the entries whose instant has come, each taken out."""
        self._drop_stale(MOVED_ONCE_A_TURN)
        while (places := self._earliest()) and places[0][0] <= now:
            place = heapq.heappop(places)
            if self._place_of.get(place[2]) is place:
                del self._place_of[place[2]]
                yield place[2]

    def take_all(self) -> list[Entry]:
        """Take out all entries."""
        taken = list(self._place_of)
        self._place_of = {}
        self._old += self._places  # all are stale now, so their order does not matter
        self._places = []
        return taken

    def deadline(self) -> float | None:
        """Return the earliest instant that an entry may wait for, None if nothing waits."""
        return self._earliest()[0][0] if self._place_of else None

    def _earliest(self) -> Places:
        """Return the heap with the earliest place, an empty one if there is none."""
        old, places = self._old, self._places
        if not old or not places:
            return old or places
        return old if old[0] < places[0] else places

    def _drop_stale(self, limit: int) -> None:
        """Move up to `limit` places from the old heap, and drop those of entries that have left."""
        if not self._old:
            if len(self._places) <= 2 * len(self._place_of) + STALE_PLACES:
                return
            self._old, self._places = self._places, []
        old, place_of = self._old, self._place_of
        for _ in range(min(limit, len(old))):
            place = old.pop()  # the last one: the others remain a heap
            if place_of.get(place[2]) is place:
                heapq.heappush(self._places, place)
