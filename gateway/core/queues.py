"""What waits: per campaign and priority, and within them per source.

The sources of a campaign take turns within a priority, whatever their backlog: as many dial requests a
turn as a source weighs, one unless told otherwise. Where little is left behind by a call, those who have
waited long take their turns earlier. Within a source the earliest expiry goes first, which also returns a
retried request to its old place.
"""

import heapq
import math
from bisect import bisect_right, insort
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter

from gateway.core.model import BATCH_LIMIT, Entry, EntryState, Priority, Source

PASSED_OVER_LIMIT = 9
"""Calls in a row in which a priority that waits may be passed over by higher ones: it gets every tenth."""

SUSPECT_EVERY_S, SUSPECT_BURST = 1.0, 12
"""Calls that look for the item that Connect refuses: so many at once, which finds one among 25, then
one in so many seconds for each campaign. A caller whose items are all refused wastes no more."""

LITTLE = 2 * BATCH_LIMIT
"""So much may wait of one priority for its turns to be ordered by age: what a call leaves is at most the
next one, and who is left can be chosen at little cost."""
TURN_S = 0.1
"""Seconds of waiting that a turn is worth: who has waited so much longer than others goes a turn earlier."""

STALE_PLACES = 16
"""Places of entries that are gone which a source's queue may keep beside as many as there are that wait."""

_PRIORITIES = tuple(Priority)
_GIVES_UP_AT = attrgetter("give_up_at")
_WAITING, _IN_FLIGHT = EntryState.WAITING, EntryState.IN_FLIGHT  # looked up once: the way of every request


class SourceQueue:
    """What waits of one source for one campaign and priority, the earliest expiry on top.

    One queue of a campaign belongs to no source: that of the entries under suspicion.
    """

    __slots__ = (
        "_begin",
        "_entries",
        "_gone_in_turn",
        "campaign",
        "priority",
        "source",
        "waiting",
        "watched_at",
    )

    def __init__(self, source: Source | None, campaign: "CampaignQueue", priority: Priority) -> None:
        self.source = source
        self.campaign = campaign
        self.priority = priority
        self.watched_at: float | None = None
        self._gone_in_turn = 0
        self.waiting = 0
        # In order from `_begin` on, with those that have left in between. Most come in order: they are
        # compared with nothing that has lain in memory for long, neither as they come nor as they leave.
        self._entries: list[Entry | None] = []
        self._begin = 0

    def push(self, now: float, entries: Sequence[Entry]) -> None:
        """Add entries, which begin to wait."""
        mine = self._entries
        last = mine[-1] if mine else None
        for entry in entries:
            entry.state = _WAITING
            entry.arrived_at = now
            entry.queue = self
            if last is None or last.give_up_at <= entry.give_up_at:
                mine.append(entry)
                last = entry
            else:
                insort(mine, entry, self._begin, key=_GIVES_UP_AT)
        self.waiting += len(entries)

    def remove(self, entry: Entry) -> None:
        """Take out an entry, wherever it stands.

        Its place goes when it comes up, or once most places are of those that are gone: the watch over
        expiries knows this queue for long, and with it would know all that a caller left behind.
        """
        entry.queue = None
        self.waiting -= 1
        if len(self._entries) - self._begin > 2 * self.waiting + STALE_PLACES:
            self._entries = [*self._standing()]
            self._begin = 0

    def top(self) -> Entry | None:
        """Return the entry that goes next, or None where nothing waits."""
        entries = self._entries
        while self._begin < len(entries):
            entry = entries[self._begin]
            if entry is not None and entry.queue is self:
                return entry
            self._drop_first()  # settled, dropped or filed elsewhere since
        return None

    def pop(self) -> Entry | None:
        """Take out the entry that goes next, or None where nothing waits."""
        entry = self.top()
        if entry is not None:
            self._drop_first()
            entry.queue = None
            self.waiting -= 1
        return entry

    def turn_goes_on(self) -> bool:
        """Whether, after one more, something is left of a turn."""
        source = self.source
        if source is None or source.weight == 1:
            return False
        self._gone_in_turn = (self._gone_in_turn + 1) % source.weight
        return self._gone_in_turn > 0

    @property
    def earliest(self) -> float:
        """When the first of what waits gives up, or before, infinity where nothing waits."""
        first = self._entries[self._begin] if self._entries else None
        return first.give_up_at if first is not None else math.inf

    def oldest_arrival(self) -> float:
        """Return when the entry that has waited longest came, infinity where nothing waits."""
        return min((entry.arrived_at for entry in self._standing()), default=math.inf)

    def ahead_of(self, give_up_at: float) -> int:
        """Return about how many would go before an entry that gives up at `give_up_at`."""
        return bisect_right(self._entries, give_up_at, self._begin, key=_GIVES_UP_AT) - self._begin

    def _standing(self) -> Iterator[Entry]:
        """Yield the entries that wait, the earliest expiry first."""
        for entry in islice(self._entries, self._begin, None):
            if entry is not None and entry.queue is self:
                yield entry

    def _drop_first(self) -> None:
        """Give up the first place; what stood there is not kept for those behind it."""
        self._entries[self._begin] = None
        self._begin += 1
        if 2 * self._begin > len(self._entries):
            del self._entries[: self._begin]
            self._begin = 0


class Lane:
    """What waits of one priority, in the turns of its sources."""

    __slots__ = ("_turns", "passed_over", "waiting")

    def __init__(self) -> None:
        self._turns: OrderedDict[SourceQueue, None] = OrderedDict()
        self.waiting = 0
        self.passed_over = 0

    def enter(self, queue: SourceQueue) -> None:
        """Let a source's queue take turns, behind the others."""
        self._turns[queue] = None

    def retire(self, queue: SourceQueue) -> bool:
        """Take a source's queue out of the turns; return whether it took part."""
        return self._turns.pop(queue, self) is None

    def take(self, limit: int) -> tuple[list[Entry], list[SourceQueue]]:
        """Take out up to `limit` entries in the sources' turns, and the queues that this has emptied."""
        if limit < self.waiting <= LITTLE:
            return self._take_by_age(limit)
        turns = self._turns
        taken: list[Entry] = []
        emptied: list[SourceQueue] = []
        while turns and len(taken) < limit:
            for queue in tuple(islice(turns, limit - len(taken))):
                goes_on = True
                while goes_on and len(taken) < limit:
                    entry = queue.pop()
                    if entry is not None:
                        entry.state = _IN_FLIGHT
                        taken.append(entry)
                    goes_on = queue.waiting > 0 and queue.turn_goes_on()
                if not queue.waiting:
                    del turns[queue]
                    emptied.append(queue)
                elif not goes_on:
                    turns.move_to_end(queue)
        self.waiting -= len(taken)
        return taken, emptied

    def _take_by_age(self, limit: int) -> tuple[list[Entry], list[SourceQueue]]:
        """Do what `take` does, where turns come the earlier the longer what they take has waited.

        That a source with two requests at hand has had a turn is no reason to leave an old one of it
        behind for a new one of another: the tail of the waiting times is made of those.
        """
        turns = self._turns
        taken: list[Entry] = []
        emptied: list[SourceQueue] = []
        order = [
            (entry.arrived_at, place, 0, queue)
            for place, queue in enumerate(turns)
            if (entry := queue.top()) is not None
        ]
        heapq.heapify(order)
        while order and len(taken) < limit:
            _, place, had, queue = order[0]
            entry = queue.pop()
            if entry is not None:
                entry.state = _IN_FLIGHT
                taken.append(entry)
            following = queue.top()
            if following is None:
                heapq.heappop(order)
                del turns[queue]
                emptied.append(queue)
                continue
            goes_on = queue.turn_goes_on()
            turns.move_to_end(queue, last=not goes_on)
            had += not goes_on
            heapq.heapreplace(order, (following.arrived_at + had * TURN_S, place, had, queue))
        self.waiting -= len(taken)
        return taken, emptied

    def queues(self) -> Iterator[SourceQueue]:
        """Yield the queues that take turns."""
        yield from self._turns


class CampaignQueue:
    """What waits for one campaign, in the turns of its sources."""

    __slots__ = (
        "_oldest",
        "_suspects",
        "_suspicion",
        "campaign_id",
        "lanes",
        "open_sources",
        "ready_by",
        "suspects_due",
        "unsuspected",
    )

    def __init__(self, campaign_id: str, suspects_due: float = 0.0) -> None:
        self.campaign_id = campaign_id
        self.open_sources = 0
        self.unsuspected = 0
        self.ready_by: float | None = None
        self.lanes = tuple(Lane() for _ in _PRIORITIES)
        self._oldest: float | None = None
        self._suspects: deque[list[Entry]] = deque()
        self._suspicion: SourceQueue | None = None  # made when it is needed
        self.suspects_due = suspects_due

    def __len__(self) -> int:
        return self.unsuspected + (self._suspicion.waiting if self._suspicion is not None else 0)

    @property
    def oldest_arrival(self) -> float:
        """When the entry that has waited longest came, suspects aside; there must be one.

        It is looked for anew where that entry has left: callers ask while less than a call waits.
        """
        if self._oldest is None:
            self._oldest = min(queue.oldest_arrival() for lane in self.lanes for queue in lane.queues())
        return self._oldest

    @property
    def priority(self) -> Priority:
        """The highest priority among what waits."""
        for priority, lane in zip(_PRIORITIES, self.lanes, strict=True):
            if lane.waiting:
                return priority
        return Priority.NORMAL  # suspects alone

    def push(self, now: float, entries: Sequence[Entry]) -> SourceQueue:
        """Let entries wait in the queue of the first who waits for each; return that queue.

        That must be the same source for all, and their priority must be the same.
        """
        first = entries[0]
        queue = self._queue_of(first.waiters[0].source, first.priority)
        queue.push(now, entries)
        if not self.unsuspected:
            self._oldest = now
        self.unsuspected += len(entries)
        self.lanes[first.priority].waiting += len(entries)
        return queue

    def push_suspects(self, now: float, entries: list[Entry]) -> SourceQueue:
        """Let entries wait that must travel together and without others; return their queue."""
        if self._suspicion is None:
            self._suspicion = SourceQueue(None, self, Priority.NORMAL)
        self._suspicion.push(now, entries)
        self._suspects.append(entries)
        return self._suspicion

    def refile(self, entry: Entry) -> SourceQueue:
        """Move an entry to the queue of the first who waits for it now; return that queue."""
        left, queue = entry.queue, self._queue_of(entry.waiters[0].source, entry.priority)
        if left is not None:
            left.remove(entry)
        queue.push(entry.arrived_at, (entry,))
        self.lanes[queue.priority].waiting += 1
        if left is not None:
            self.lanes[left.priority].waiting -= 1
            self.retire_if_idle(left)
        return queue

    def take(self, limit: int) -> list[Entry]:
        """Take out up to `limit` entries in the sources' turns; they are in flight from here on."""
        taken: list[Entry] = []
        for lane in self._lanes_in_turn():
            more, emptied = lane.take(limit - len(taken)) if lane.waiting else ([], [])
            for queue in emptied:
                self._forget(queue)
            taken += more
            lane.passed_over = 0 if more or not lane.waiting else lane.passed_over + 1
        self.unsuspected -= len(taken)
        self._oldest = None  # looked for anew where somebody asks
        return taken

    def suspects_from(self) -> float | None:
        """Return from when the next suspects may be sent; None where there are none."""
        while self._suspects and not any(map(self._is_suspect, self._suspects[0])):
            self._suspects.popleft()  # all of them expired, or their callers have gone
        return self.suspects_due - SUSPECT_BURST * SUSPECT_EVERY_S if self._suspects else None

    def take_suspects(self, now: float, limit: int = BATCH_LIMIT) -> list[Entry]:
        """Take out the next entries that must travel together without others; there must be some."""
        self.suspects_due = max(self.suspects_due, now) + SUSPECT_EVERY_S
        group = [entry for entry in self._suspects.popleft() if self._is_suspect(entry)]
        if group[limit:]:
            self._suspects.appendleft(group[limit:])
        taken = group[:limit]
        for entry in taken:
            if entry.queue is not None:
                entry.queue.remove(entry)
            entry.state = _IN_FLIGHT
        return taken

    def remove(self, entry: Entry) -> None:
        """Take out one entry, wherever it stands, unsent."""
        queue = entry.queue
        if queue is None:
            return
        queue.remove(entry)
        if queue.source is None:
            return
        self.lanes[queue.priority].waiting -= 1
        self.unsuspected -= 1
        if entry.arrived_at == self._oldest:
            self._oldest = None
        self.retire_if_idle(queue)

    def retire_if_idle(self, queue: SourceQueue) -> None:
        """Forget a source's queue in which nothing waits."""
        if queue.source is None or queue.waiting:
            return
        if self.lanes[queue.priority].retire(queue):
            self._forget(queue)

    def sources(self) -> set[Source]:
        """Return the sources that have something waiting here."""
        return {queue.source for lane in self.lanes for queue in lane.queues() if queue.source is not None}

    def _lanes_in_turn(self) -> list[Lane]:
        """Return the lanes, highest priority first, but one that was passed over too long before all."""
        return sorted(self.lanes, key=lambda lane: lane.passed_over < PASSED_OVER_LIMIT)

    def _forget(self, queue: SourceQueue) -> None:
        """Note that a source's queue takes turns no longer."""
        if queue.source is not None:
            del queue.source.queues[self.campaign_id, queue.priority]
            self.open_sources -= not queue.source.closed

    def _queue_of(self, source: Source, priority: Priority) -> SourceQueue:
        key = (self.campaign_id, priority)
        queue = source.queues.get(key)
        if queue is None:
            queue = source.queues[key] = SourceQueue(source, self, priority)
            self.lanes[priority].enter(queue)
            self.open_sources += not source.closed
        return queue

    def _is_suspect(self, entry: Entry) -> bool:
        return entry.queue is not None and entry.queue is self._suspicion
