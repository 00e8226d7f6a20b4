"""What waits: per campaign and priority, and within them per source.

The sources of a campaign take turns within a priority, one dial request a turn, whatever their
backlog. Within a source the earliest expiry goes first, which also returns a retried request to its
old place.
"""

import heapq
from collections import OrderedDict, deque
from itertools import count

from gateway.core.model import BATCH_LIMIT, Entry, EntryState, Priority, Source

PASSED_OVER_LIMIT = 9
"""Calls in a row in which a priority that waits may be passed over by higher ones: it gets every tenth."""

SUSPECT_EVERY_S, SUSPECT_BURST = 1.0, 12
"""Calls that look for the item that Connect refuses: so many at once, which finds one among 25, then
one in so many seconds for each campaign. A caller whose items are all refused wastes no more."""

_PRIORITIES = tuple(Priority)
_order = count()


class SourceQueue:
    """What waits of one source for one campaign and priority, the earliest expiry on top.

    One queue of a campaign belongs to no source: that of the entries under suspicion.
    """

    __slots__ = ("_heap", "campaign", "priority", "source", "watched_at")

    def __init__(self, source: Source | None, campaign: "CampaignQueue", priority: Priority) -> None:
        self.source = source
        self.campaign = campaign
        self.priority = priority
        self.watched_at: float | None = None
        self._heap: list[tuple[float, int, Entry]] = []

    def __len__(self) -> int:
        """How many wait, those that were taken out from the middle since included."""
        return len(self._heap)

    def push(self, entry: Entry) -> None:
        """Add an entry that waits."""
        entry.queue = self
        heapq.heappush(self._heap, (entry.give_up_at, next(_order), entry))

    def top(self) -> Entry | None:
        """Return the entry that goes next, or None where nothing waits."""
        while self._heap:
            entry = self._heap[0][2]
            if entry.queue is self and entry.state is EntryState.WAITING:
                return entry
            heapq.heappop(self._heap)  # settled, dropped or filed elsewhere since
        return None

    def ahead_of(self, give_up_at: float) -> int:
        """Return about how many would go before an entry that gives up at `give_up_at`."""
        heap = self._heap
        step = 1 + len(heap) // 16  # a sample is enough, and does not grow with the backlog
        sample = heap[step // 2 :: step]  # not from the top, where the few most urgent stand
        earlier = sum(item[0] <= give_up_at for item in sample)
        return round(earlier / len(sample) * len(heap)) if sample else 0


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

    def next_queue(self) -> SourceQueue:
        """Return the queue whose turn it is, and put it behind the others; there must be one."""
        queue = next(iter(self._turns))
        self._turns.move_to_end(queue)
        return queue

    def queues(self) -> list[SourceQueue]:
        """Return the queues that take turns."""
        return list(self._turns)


class CampaignQueue:
    """What waits for one campaign, in the order of arrival and in the turns of its sources."""

    __slots__ = (
        "_arrivals",
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
        self._arrivals: OrderedDict[Entry, float] = OrderedDict()
        self._suspects: deque[list[Entry]] = deque()
        self._suspicion = SourceQueue(None, self, Priority.NORMAL)
        self.suspects_due = suspects_due

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def oldest_arrival(self) -> float:
        """When the entry that has waited longest came; there must be one."""
        return next(iter(self._arrivals.values()))

    @property
    def priority(self) -> Priority:
        """The highest priority among what waits."""
        for priority, lane in zip(_PRIORITIES, self.lanes, strict=True):
            if lane.waiting:
                return priority
        return Priority.NORMAL  # suspects alone

    def push(self, now: float, entry: Entry) -> SourceQueue:
        """Let an entry wait, in the queue of the first who waits for it; return that queue."""
        queue = self._queue_of(entry.waiters[0].source, entry.priority)
        entry.state = EntryState.WAITING
        queue.push(entry)
        self.lanes[entry.priority].waiting += 1
        self.unsuspected += 1
        self._arrivals[entry] = now
        return queue

    def push_suspects(self, now: float, entries: list[Entry]) -> SourceQueue:
        """Let entries wait that must travel together and without others; return their queue."""
        for entry in entries:
            entry.state = EntryState.WAITING
            self._suspicion.push(entry)
            self._arrivals[entry] = now
        self._suspects.append(entries)
        return self._suspicion

    def refile(self, entry: Entry) -> SourceQueue:
        """Move an entry to the queue of the first who waits for it now; return that queue."""
        left, queue = entry.queue, self._queue_of(entry.waiters[0].source, entry.priority)
        queue.push(entry)
        self.lanes[queue.priority].waiting += 1
        if left is not None:
            self.lanes[left.priority].waiting -= 1
            self.retire_if_idle(left)
        return queue

    def take(self, limit: int) -> list[Entry]:
        """Take out up to `limit` entries in the sources' turns; they are in flight from here on."""
        taken: list[Entry] = []
        for lane in self._lanes_in_turn():
            before = len(taken)
            while lane.waiting and len(taken) < limit:
                self._take_turn(lane, taken)
            lane.passed_over = 0 if len(taken) > before or not lane.waiting else lane.passed_over + 1
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
        return [self._take_out(entry) for entry in group[:limit]]

    def remove(self, entry: Entry) -> None:
        """Take out one entry, wherever it stands, unsent."""
        queue = entry.queue
        entry.queue = None
        del self._arrivals[entry]
        if queue is not None and queue.source is not None:
            self.lanes[queue.priority].waiting -= 1
            self.unsuspected -= 1
            self.retire_if_idle(queue)

    def retire_if_idle(self, queue: SourceQueue) -> None:
        """Forget a source's queue in which nothing waits."""
        if queue.source is None or queue.top() is not None:
            return
        if self.lanes[queue.priority].retire(queue):
            del queue.source.queues[self.campaign_id, queue.priority]
            self.open_sources -= not queue.source.closed

    def sources(self) -> set[Source]:
        """Return the sources that have something waiting here."""
        return {queue.source for lane in self.lanes for queue in lane.queues() if queue.source is not None}

    def _lanes_in_turn(self) -> list[Lane]:
        """Return the lanes, highest priority first, but one that was passed over too long before all."""
        return sorted(self.lanes, key=lambda lane: lane.passed_over < PASSED_OVER_LIMIT)

    def _take_turn(self, lane: Lane, taken: list[Entry]) -> None:
        queue = lane.next_queue()
        entry = queue.top()
        if entry is not None:
            taken.append(self._take_out(entry))
            lane.waiting -= 1
            self.unsuspected -= 1
        self.retire_if_idle(queue)

    def _queue_of(self, source: Source, priority: Priority) -> SourceQueue:
        key = (self.campaign_id, priority)
        queue = source.queues.get(key)
        if queue is None:
            queue = source.queues[key] = SourceQueue(source, self, priority)
            self.lanes[priority].enter(queue)
            self.open_sources += not source.closed
        return queue

    def _is_suspect(self, entry: Entry) -> bool:
        return entry.queue is self._suspicion

    def _take_out(self, entry: Entry) -> Entry:
        del self._arrivals[entry]
        entry.state = EntryState.IN_FLIGHT
        entry.queue = None
        return entry
