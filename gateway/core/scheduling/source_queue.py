"""The requests of one source for one campaign and priority, in the order of their expiry.

The earliest expiry goes first, which also returns a retried request to its old place.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from operator import attrgetter

from gateway.core.entry_state import EntryState, move_all
from gateway.core.model import Entry, Priority, Source
from gateway.core.scheduling.caller_queue import CallerQueue

SCANNED_PART = 10_000
"""Waiting requests of a source that are read in one part of a snapshot: less than a millisecond."""
STALE_PLACES = 16
"""Places of removed entries that a source's queue may keep, in addition to as many as entries wait."""

_EXPIRES_AT = attrgetter("expires_at")
_WAITING = EntryState.WAITING  # looked up once: used for every request


class SourceQueue:
    """The requests of one source for one campaign and priority, the earliest expiry on top.

    One queue of a campaign belongs to no source: that of the suspects. It counts as a queue of the caller
    that sent the first of them. `open`: its source may send more requests, and the campaign counts it.
    """

    __slots__ = (
        "_begin",
        "_entries",
        "_gone_in_turn",
        "caller_queue",
        "campaign_id",
        "open",
        "priority",
        "source",
        "waiting",
        "watched_at",
    )

    def __init__(
        self,
        source: Source | None,
        campaign_id: str,
        priority: Priority,
        caller_queue: CallerQueue | None = None,
    ) -> None:
        self.source = source
        self.caller_queue = caller_queue
        self.campaign_id = campaign_id
        self.priority = priority
        self.open = False
        self.watched_at: float | None = None
        self._gone_in_turn = 0
        self.waiting = 0
        # Sorted by expiry from `_begin` on, including removed entries. Most entries arrive in order, so they
        # are compared with recent entries only, which are likely in the processor's cache.
        self._entries: list[Entry | None] = []
        self._begin = 0

    def push(self, now: float, entries: Sequence[Entry]) -> None:
        """Add entries, which begin to wait at `now`."""
        move_all(entries, _WAITING)
        self.insert(now, entries)

    def insert(self, arrived_at: float, entries: Sequence[Entry]) -> None:
        """Add entries that wait already, or begin to."""
        mine = self._entries
        last = mine[-1] if mine else None
        for entry in entries:
            entry.arrived_at = arrived_at
            entry.queue = self
            if last is None or last.expires_at <= entry.expires_at:
                mine.append(entry)
                last = entry
            else:
                insort(mine, entry, self._begin, key=_EXPIRES_AT)
        self.waiting += len(entries)

    def remove(self, entry: Entry) -> None:
        """Remove an entry, wherever it is in the order.

        Its place is dropped when it is the first, or once most places belong to removed entries. Otherwise
        the queue, which the expiry watch keeps for long, would keep all entries that a caller has left
        behind.
        """
        entry.queue = None
        self.waiting -= 1
        if len(self._entries) - self._begin > 2 * self.waiting + STALE_PLACES:
            self._entries = [*self._waiting_entries()]
            self._begin = 0

    def top(self) -> Entry | None:
        """Return the entry that goes next; None if the queue is empty."""
        entries = self._entries
        while self._begin < len(entries):
            entry = entries[self._begin]
            if entry is not None and entry.queue is self:
                return entry
            self._drop_first()  # it was settled, dropped or moved since
        return None

    def pop(self) -> Entry | None:
        """Remove and return the entry that goes next; None if the queue is empty."""
        entries, begin = self._entries, self._begin
        while begin < len(entries):
            entry = entries[begin]
            entries[begin] = None
            begin += 1
            if 2 * begin > len(entries):
                del entries[:begin]
                begin = 0
            if entry is not None and entry.queue is self:
                self._begin = begin
                entry.queue = None
                self.waiting -= 1
                return entry
        self._begin = begin
        return None

    def turn_goes_on(self) -> bool:
        """Count one more entry of the turn; return whether the turn goes on."""
        source = self.source
        if source is None or source.weight == 1:
            return False
        self._gone_in_turn = (self._gone_in_turn + 1) % source.weight
        return self._gone_in_turn > 0

    def earliest(self) -> float:
        """Return when the first waiting entry expires, or earlier; infinity if the queue is empty."""
        first = self._entries[self._begin] if self._entries else None
        return first.expires_at if first is not None else math.inf

    def oldest_arrival(self) -> float:
        """Return the arrival of the entry that has waited longest; infinity if the queue is empty."""
        return min((entry.arrived_at for entry in self._waiting_entries()), default=math.inf)

    def oldest_in_parts(self) -> Generator[None, None, float]:
        """Do what `oldest_arrival` does, and yield after each part; entries may come and go meanwhile.

        The list is read from its end. So entries that are taken from the front, or added, do not make this
        skip any; they only count or not. If the queue replaces its list, the old one is read to its end.
        """
        entries, read, oldest = self._entries, 0, math.inf
        while True:
            end = len(entries) - read
            begin = max(0, end - SCANNED_PART)
            for entry in entries[begin:end]:
                if entry is not None and entry.queue is self and entry.arrived_at < oldest:
                    oldest = entry.arrived_at
            if not begin:
                return oldest
            read += end - begin
            yield

    def ahead_of(self, expires_at: float) -> int:
        """Return about how many would go before an entry that expires at `expires_at`."""
        return bisect_right(self._entries, expires_at, self._begin, key=_EXPIRES_AT) - self._begin

    def _waiting_entries(self) -> Iterator[Entry]:
        """Yield the entries that wait, the earliest expiry first."""
        for entry in islice(self._entries, self._begin, None):
            if entry is not None and entry.queue is self:
                yield entry

    def _drop_first(self) -> None:
        """Drop the first place. The list is shortened only when half of it is dropped, so this is cheap."""
        self._entries[self._begin] = None
        self._begin += 1
        if 2 * self._begin > len(self._entries):
            del self._entries[: self._begin]
            self._begin = 0
