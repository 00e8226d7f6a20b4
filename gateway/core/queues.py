"""What waits: per campaign, and within a campaign per source.

A campaign's sources take turns, one dial request a turn, whatever their backlog. Within a source
the earliest expiry goes first, which also returns a retried request to its old place.
"""

import heapq
from collections import OrderedDict
from itertools import count

from gateway.core.model import Entry, EntryState, Source

_order = count()


class SourceQueue:
    """What waits of one source for one campaign, the earliest expiry on top.

    One queue of a campaign belongs to no source: that of the entries that must travel alone.
    """

    __slots__ = ("_heap", "campaign", "source", "watched_at")

    def __init__(self, source: Source | None, campaign: "CampaignQueue") -> None:
        self.source = source
        self.campaign = campaign
        self.watched_at: float | None = None
        self._heap: list[tuple[float, int, Entry]] = []

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


class CampaignQueue:
    """What waits for one campaign, in the order of arrival and in the turns of its sources."""

    __slots__ = ("_alone", "_arrivals", "_turns", "campaign_id", "open_sources", "ready_by")

    def __init__(self, campaign_id: str) -> None:
        self.campaign_id = campaign_id
        self.open_sources = 0
        self.ready_by: float | None = None
        self._arrivals: OrderedDict[Entry, float] = OrderedDict()
        self._turns: OrderedDict[SourceQueue, None] = OrderedDict()
        self._alone = SourceQueue(None, self)

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def has_alone(self) -> bool:
        """Whether an entry waits that must travel by itself."""
        return self._alone.top() is not None

    @property
    def oldest_arrival(self) -> float:
        """When the entry that has waited longest came; there must be one."""
        return next(iter(self._arrivals.values()))

    def push(self, now: float, entry: Entry) -> SourceQueue:
        """Let an entry wait, in the queue of the first who waits for it; return that queue."""
        queue = self._alone if entry.alone else self._queue_of(entry.waiters[0].source)
        entry.state = EntryState.WAITING
        queue.push(entry)
        self._arrivals[entry] = now
        return queue

    def refile(self, entry: Entry) -> SourceQueue:
        """Move an entry to the queue of the first who waits for it now; return that queue."""
        left, queue = entry.queue, self._queue_of(entry.waiters[0].source)
        queue.push(entry)
        if left is not None:
            self.retire_if_idle(left)
        return queue

    def take(self, limit: int) -> list[Entry]:
        """Take out up to `limit` entries in the sources' turns; they are in flight from here on."""
        taken: list[Entry] = []
        while self._turns and len(taken) < limit:
            queue = next(iter(self._turns))
            entry = queue.top()
            if entry is not None:
                taken.append(self._take_out(entry))
                self._turns.move_to_end(queue)
            self.retire_if_idle(queue)
        return taken

    def take_alone(self) -> list[Entry]:
        """Take out the next entry that must travel by itself, in a list; empty where none waits."""
        entry = self._alone.top()
        return [] if entry is None else [self._take_out(entry)]

    def remove(self, entry: Entry) -> None:
        """Take out one entry, wherever it stands, unsent."""
        queue = entry.queue
        entry.queue = None
        del self._arrivals[entry]
        if queue is not None:
            self.retire_if_idle(queue)

    def retire_if_idle(self, queue: SourceQueue) -> None:
        """Forget a source's queue in which nothing waits."""
        if queue.source is not None and queue.top() is None and queue in self._turns:
            del self._turns[queue]
            del queue.source.queues[self.campaign_id]
            self.open_sources -= not queue.source.closed

    def _queue_of(self, source: Source) -> SourceQueue:
        queue = source.queues.get(self.campaign_id)
        if queue is None:
            queue = source.queues[self.campaign_id] = SourceQueue(source, self)
            self._turns[queue] = None
            self.open_sources += not source.closed
        return queue

    def _take_out(self, entry: Entry) -> Entry:
        del self._arrivals[entry]
        entry.state = EntryState.IN_FLIGHT
        entry.queue = None
        return entry
