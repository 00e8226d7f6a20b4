"""The waiting requests of one campaign and priority: by caller, and within a caller by source.

A call is made in the turn of one caller. It takes the requests of that caller first; those of other callers
fill the room that is left. The sources of a caller take turns, whatever their backlog; a source has as many
dial requests in a turn as its weight, one by default. If a call leaves little behind, requests that have
waited long have earlier turns. Within a source the earliest expiry goes first, which also returns a retried
request to its old place.
"""

import heapq
import math
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from gateway.core.entry_state import EntryState, move_all
from gateway.core.model import BATCH_LIMIT, Entry, Priority, Source

if TYPE_CHECKING:
    from gateway.core.scheduling.queues import CampaignQueue
    from gateway.core.scheduling.ready import Place

SMALL_BACKLOG = 2 * BATCH_LIMIT
"""Up to so many waiting requests of one priority are taken in the order of their waiting time: after the call
at most one more call is left, and the order costs little to compute."""
TURN_WORTH_S = 0.1
"""Seconds of waiting that count as one turn: a request that has waited so much longer goes one turn
earlier."""

SCANNED_PART = 10_000
"""Waiting requests of a source that are read in one part of a snapshot: less than a millisecond."""
STALE_PLACES = 16
"""Places of removed entries that a source's queue may keep, in addition to as many as entries wait."""

PRIORITIES = tuple(Priority)
_GIVES_UP_AT = attrgetter("give_up_at")
_WAITING = EntryState.WAITING  # looked up once: used for every request


class CallerQueue:
    """The requests of one caller for one campaign, over all its sources; it takes turns with other callers.

    `queues` counts the source queues that belong to it, `source` is the one that it was made for, and
    `weight` is how many calls its caller makes in each turn. `place` is where it takes turns, None if its
    campaign is not ready; `ReadyCampaigns` sets it.
    """

    __slots__ = ("caller", "campaign", "place", "queues", "source", "weight")

    def __init__(self, source: Source, campaign: "CampaignQueue") -> None:
        self.caller = source.caller
        self.campaign = campaign
        self.source = source
        self.weight = source.weight
        self.queues = 0
        self.place: Place | None = None

    @property
    def priority(self) -> Priority:
        """The highest priority among the waiting requests."""
        for priority, lane in zip(PRIORITIES, self.campaign.lanes, strict=True):
            if lane.has(self):
                return priority
        return Priority.NORMAL  # suspects alone

    @property
    def waiting(self) -> int:
        """How many requests wait, without suspects; counted on each read if there are several callers."""
        campaign = self.campaign
        if len(campaign.callers) == 1:
            return campaign.unsuspected
        return sum(queue.waiting for lane in campaign.lanes for queue in lane.of(self))

    def rises(self, priority: Priority) -> bool:
        """Whether a request of `priority` makes it take turns, or take them at a higher priority."""
        return self.place is None or self.place.priority > priority


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
        "campaign",
        "open",
        "priority",
        "source",
        "waiting",
        "watched_at",
    )

    def __init__(
        self,
        source: Source | None,
        campaign: "CampaignQueue",
        priority: Priority,
        caller_queue: CallerQueue | None = None,
    ) -> None:
        self.source = source
        self.caller_queue = caller_queue
        self.campaign = campaign
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
            if last is None or last.give_up_at <= entry.give_up_at:
                mine.append(entry)
                last = entry
            else:
                insort(mine, entry, self._begin, key=_GIVES_UP_AT)
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

    @property
    def earliest(self) -> float:
        """When the first waiting entry gives up, or earlier; infinity if the queue is empty."""
        first = self._entries[self._begin] if self._entries else None
        return first.give_up_at if first is not None else math.inf

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

    def ahead_of(self, give_up_at: float) -> int:
        """Return about how many would go before an entry that gives up at `give_up_at`."""
        return bisect_right(self._entries, give_up_at, self._begin, key=_GIVES_UP_AT) - self._begin

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


class Turns:
    """The queues of one caller's sources, in the order of their turns; `count` says how many there are.

    A queue that becomes empty leaves for good. `retire` only counts it, and its place is dropped later. In a
    list, a turn touches no other queue: with many queues, each of them costs an access to slow memory.
    """

    __slots__ = ("_begin", "_order", "count")

    def __init__(self) -> None:
        self._order: list[SourceQueue] = []  # from `_begin` on, including empty queues
        self._begin = 0
        self.count = 0

    def __iter__(self) -> Iterator[SourceQueue]:
        return (queue for queue in islice(self._order, self._begin, None) if queue.waiting)

    def enter(self, queue: SourceQueue) -> None:
        """Add a queue behind the others; entries must follow at once."""
        self._order.append(queue)
        self.count += 1

    def retire(self) -> None:
        """Note that one of the queues has become empty."""
        self.count -= 1
        if len(self._order) - self._begin > 2 * self.count + STALE_PLACES:
            self._order = [*self]
            self._begin = 0

    def take(self, limit: int, taken: list[Entry], emptied: list[SourceQueue]) -> None:
        """Fill `taken` up to `limit` entries in turns; add the queues that become empty to `emptied`."""
        order, begin, room = self._order, self._begin, limit - len(taken)
        while room > 0 and begin < len(order):
            queue = order[begin]
            goes_on = queue.waiting > 0  # else it has left
            while goes_on and room > 0:
                entry = queue.pop()
                if entry is not None:
                    taken.append(entry)
                    room -= 1
                if not queue.waiting:
                    self.count -= 1
                    emptied.append(queue)
                    break
                goes_on = queue.turn_goes_on()
            if goes_on and queue.waiting:
                break  # the next call continues its turn
            begin += 1
            if queue.waiting:
                order.append(queue)
        if 2 * begin > len(order):
            del order[:begin]
            begin = 0
        self._begin = begin

    def had_turn(self, queue: SourceQueue, *, goes_on: bool) -> None:
        """Move a queue behind the others after its turn, or before them if its turn goes on."""
        self._drop(queue)
        self._order.insert(self._begin if goes_on else len(self._order), queue)

    def leave(self, queue: SourceQueue) -> None:
        """Remove a queue that has become empty, and its place."""
        self._drop(queue)
        self.count -= 1

    def _drop(self, queue: SourceQueue) -> None:
        del self._order[self._order.index(queue, self._begin)]


# Most campaigns use one priority. Lanes without requests share this object, which never changes.
_NO_CALLERS: OrderedDict[CallerQueue | None, Turns] = OrderedDict()


class Lane:
    """The waiting requests of one priority: by caller, and within a caller by source."""

    __slots__ = ("_callers", "passed_over", "waiting")

    def __init__(self) -> None:
        self._callers = _NO_CALLERS
        self.waiting = 0
        self.passed_over = 0

    def has(self, caller_queue: CallerQueue) -> bool:
        """Whether any request of a caller waits."""
        return caller_queue in self._callers

    def enter(self, queue: SourceQueue) -> None:
        """Add a source's queue to the turns, behind the others of its caller."""
        turns = self._callers.get(queue.caller_queue)
        if turns is None:
            if self._callers is _NO_CALLERS:
                self._callers = OrderedDict()
            turns = self._callers[queue.caller_queue] = Turns()
        turns.enter(queue)

    def retire(self, queue: SourceQueue) -> bool:
        """Take a source's queue out of the turns; return whether it took part."""
        turns = self._callers.get(queue.caller_queue)
        if turns is None:
            return False
        turns.retire()
        self._forget_if_empty(queue, turns)
        return True

    def take(self, limit: int, first: CallerQueue | None = None) -> tuple[list[Entry], list[SourceQueue]]:
        """Take out up to `limit` entries; also return the queues that became empty.

        Entries of the caller `first` go first, in the turns of its sources. The rest of the room goes to the
        caller that has waited longest for such room. `CampaignQueue.take` changes the states of the entries.
        """
        if limit < self.waiting <= SMALL_BACKLOG:
            return self._take_by_age(limit)
        taken: list[Entry] = []
        emptied: list[SourceQueue] = []
        callers = self._callers
        caller = first if first in callers else next(iter(callers), None)
        while callers and len(taken) < limit:
            turns = callers[caller]
            turns.take(limit, taken, emptied)
            if turns.count:
                callers.move_to_end(caller)
            else:
                del callers[caller]
            caller = next(iter(callers), None)
        self.waiting -= len(taken)
        return taken, emptied

    def queues(self) -> Iterator[SourceQueue]:
        """Yield the queues that take turns."""
        for turns in self._callers.values():
            yield from turns

    def callers(self) -> Iterator[CallerQueue]:
        """Yield the callers with waiting requests."""
        return (caller for caller in self._callers if caller is not None)

    def of(self, caller_queue: CallerQueue) -> Iterator[SourceQueue]:
        """Yield the queues of one caller."""
        yield from self._callers.get(caller_queue, ())

    def _take_by_age(self, limit: int) -> tuple[list[Entry], list[SourceQueue]]:
        """Do what `take` does, but give earlier turns to requests that have waited longer.

        A source that has had its turn may still have an older request than the other sources. Leaving it
        behind would lengthen the longest waits. For the same reason the caller's turn does not count here:
        the rest goes with the next call.
        """
        taken: list[Entry] = []
        emptied: list[SourceQueue] = []
        order = [
            (entry.arrived_at, place, 0, queue)
            for place, queue in enumerate(self.queues())
            if (entry := queue.top()) is not None
        ]
        heapq.heapify(order)
        while order and len(taken) < limit:
            _, place, had, queue = order[0]
            entry = queue.pop()
            if entry is not None:
                taken.append(entry)
            turns, following = self._callers[queue.caller_queue], queue.top()
            if following is None:
                heapq.heappop(order)
                turns.leave(queue)
                self._forget_if_empty(queue, turns)
                emptied.append(queue)
                continue
            goes_on = queue.turn_goes_on()
            turns.had_turn(queue, goes_on=goes_on)
            had += not goes_on
            heapq.heapreplace(order, (following.arrived_at + had * TURN_WORTH_S, place, had, queue))
        self.waiting -= len(taken)
        return taken, emptied

    def _forget_if_empty(self, queue: SourceQueue, turns: Turns) -> None:
        """Forget the caller of a queue that has left, if it was the caller's last one."""
        if not turns.count:
            del self._callers[queue.caller_queue]
