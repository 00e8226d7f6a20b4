"""The waiting requests of each campaign: one lane for each priority, and the suspects."""

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence

from gateway.core.entry_state import EntryState, move, move_all
from gateway.core.model import BATCH_LIMIT, Entry, Priority, Source
from gateway.core.scheduling.caller_queue import PRIORITIES, CallerQueue
from gateway.core.scheduling.lanes import Lane
from gateway.core.scheduling.source_queue import SCANNED_PART, SourceQueue

PASSED_OVER_LIMIT = 9
"""Calls in a row in which a priority that waits may be passed over by higher ones: it gets every tenth."""

SUSPECT_EVERY_S, SUSPECT_BURST = 1.0, 12
"""Calls that search for the item that Connect refuses: for each campaign so many at once, which finds one
among 25, then one in so many seconds. This bounds the calls that a caller with invalid items can use."""

QUEUES_PART = 1000
"""Queues of sources that are read in one part of a snapshot."""

_IN_FLIGHT = EntryState.IN_FLIGHT  # looked up once: used for every request
_NO_SUSPECTS: deque[list[Entry]] = deque()
"""Most campaigns have no suspects. They share this object, which never changes."""


def _nothing(_: CallerQueue) -> None:
    """Do nothing: the callback of a queue without a scheduler."""


class QueueCount:
    """How many source queues there are in all campaigns; used to count memory."""

    __slots__ = ("queues",)

    def __init__(self) -> None:
        self.queues = 0


class CampaignQueue:
    """The requests that wait for one campaign.

    While it is `ready`, its callers take turns to call. `changed` is called with a caller's queue when its
    highest priority may have changed, or when it became empty.
    """

    __slots__ = (
        "_changed",
        "_count",
        "_oldest",
        "_suspect_queue",
        "_suspects",
        "callers",
        "campaign_id",
        "lanes",
        "open_sources",
        "ready",
        "ready_by",
        "suspects_due",
        "unsuspected",
    )

    def __init__(
        self,
        campaign_id: str,
        suspects_due: float = 0.0,
        changed: Callable[[CallerQueue], None] = _nothing,
        count: "QueueCount | None" = None,
    ) -> None:
        self.campaign_id = campaign_id
        self.callers: dict[str, CallerQueue] = {}
        self.ready = False
        self.open_sources = 0
        self.unsuspected = 0
        self.ready_by: float | None = None
        self.lanes = tuple(Lane() for _ in PRIORITIES)
        self._oldest: float | None = None
        self._suspects = _NO_SUSPECTS
        self._suspect_queue: SourceQueue | None = None  # made when it is needed
        self.suspects_due = suspects_due
        self._changed = changed
        self._count = count or QueueCount()

    def __len__(self) -> int:
        return self.unsuspected + (self._suspect_queue.waiting if self._suspect_queue is not None else 0)

    @property
    def oldest_arrival(self) -> float:
        """The arrival of the entry that has waited longest, without suspects; there must be one.

        It is computed again after that entry has left. That is cheap, since it is read only while less than a
        full call waits.
        """
        if self._oldest is None:
            self._oldest = min(queue.oldest_arrival() for lane in self.lanes for queue in lane.queues())
        return self._oldest

    @property
    def unread(self) -> int:
        """How many requests `oldest_arrival` must read; none while it is known."""
        return self.unsuspected if self._oldest is None else 0

    def oldest_in_parts(self) -> Generator[None, None, float]:
        """Return `oldest_arrival` of a campaign with any number of requests, and yield after each part.

        Requests may come and go meanwhile. Infinity if none is left.
        """
        if self.unread <= SCANNED_PART:
            return self.oldest_arrival
        oldest = math.inf
        for number, queue in enumerate([queue for lane in self.lanes for queue in lane.queues()], 1):
            oldest = min(oldest, (yield from queue.oldest_in_parts()))
            if not number % QUEUES_PART:
                yield
        return oldest

    def push(self, now: float, entries: Sequence[Entry]) -> SourceQueue:
        """Add entries to the queue of their first waiter's source; return that queue.

        The source and the priority must be the same for all.
        """
        first = entries[0]
        queue = self._queue_of(first.first_source(), first.priority)
        queue.push(now, entries)
        if not self.unsuspected:
            self._oldest = now
        self.unsuspected += len(entries)
        self.lanes[first.priority].waiting += len(entries)
        return queue

    def push_suspects(self, now: float, entries: list[Entry]) -> SourceQueue:
        """Add entries that must be sent together and without others; return their queue."""
        queue = self._suspect_queue
        if queue is None:
            queue = self._suspect_queue = SourceQueue(None, self.campaign_id, Priority.NORMAL)
        if queue.caller_queue is None:
            queue.caller_queue = self._of_caller(entries[0].first_source())
        queue.push(now, entries)
        if self._suspects is _NO_SUSPECTS:
            self._suspects = deque()
        self._suspects.append(entries)
        return queue

    def refile(self, entry: Entry) -> SourceQueue:
        """Move an entry to the queue of its present first waiter; return that queue."""
        left, queue = entry.queue, self._queue_of(entry.first_source(), entry.priority)
        if isinstance(left, SourceQueue):
            left.remove(entry)
        queue.insert(entry.arrived_at, (entry,))
        self.lanes[queue.priority].waiting += 1
        if isinstance(left, SourceQueue):
            self.lanes[left.priority].waiting -= 1
            self.retire_if_idle(left)
        return queue

    def take(self, limit: int, turn: CallerQueue | None = None) -> list[Entry]:
        """Take out up to `limit` entries in the turn of a caller; from then on they are in flight.

        `called` must follow if a call carries them.
        """
        taken: list[Entry] = []
        for lane in self._lanes_in_turn(turn):
            if lane.waiting and len(taken) < limit:
                more, emptied = lane.take(limit - len(taken), turn)
                for queue in emptied:
                    self._forget(queue)
                taken += more
        move_all(taken, _IN_FLIGHT)
        self.unsuspected -= len(taken)
        self._oldest = None  # computed again when it is read
        return taken

    def called(self, entries: Sequence[Entry]) -> None:
        """Count a call that carries `entries`: it passes over the priorities that wait and are not in it.

        Entries that were taken for the call, but had expired, were left by their callers or did not fit into
        it, have not had their turn.
        """
        first = entries[0].priority  # mostly that of all
        for priority, lane in enumerate(self.lanes):
            if not lane.waiting or priority == first or any(entry.priority == priority for entry in entries):
                lane.passed_over = 0
            else:
                lane.passed_over += 1

    def suspects_from(self) -> float | None:
        """Return the instant from which the next suspects may be sent; None if there are none."""
        while self._suspects and not any(map(self._is_suspect, self._suspects[0])):
            self._suspects.popleft()  # all of them have expired or lost their waiters
        return self.suspects_due - SUSPECT_BURST * SUSPECT_EVERY_S if self._suspects else None

    def take_suspects(self, now: float, limit: int = BATCH_LIMIT) -> list[Entry]:
        """Take out the next entries that must be sent together without others; there must be some."""
        self.suspects_due = max(self.suspects_due, now) + SUSPECT_EVERY_S
        group = [entry for entry in self._suspects.popleft() if self._is_suspect(entry)]
        if group[limit:]:
            self._suspects.appendleft(group[limit:])
        taken = group[:limit]
        for entry in taken:
            if isinstance(entry.queue, SourceQueue):
                entry.queue.remove(entry)
        move_all(taken, _IN_FLIGHT)
        self._forget_suspect_queue()
        return taken

    def remove(self, entry: Entry) -> None:
        """Remove one entry that is not sent."""
        queue = entry.queue
        if not isinstance(queue, SourceQueue):
            return
        move(entry, EntryState.UNQUEUED)
        queue.remove(entry)
        if queue.source is None:
            self._forget_suspect_queue()
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

    def close(self, queue: SourceQueue) -> bool:
        """Note that the source of a queue sends no more; return whether no other source may."""
        self.open_sources -= queue.open
        queue.open = False
        return not self.open_sources

    def waiting_of(self, caller_queue: CallerQueue) -> int:
        """Return how many requests of a caller wait, without suspects.

        They are counted each time if there are several callers.
        """
        if len(self.callers) == 1:
            return self.unsuspected
        return sum(queue.waiting for lane in self.lanes for queue in lane.of(caller_queue))

    def sources(self) -> set[Source]:
        """Return the sources with waiting requests."""
        return {queue.source for lane in self.lanes for queue in lane.queues() if queue.source is not None}

    def _lanes_in_turn(self, turn: CallerQueue | None) -> Sequence[Lane]:
        """Return the lanes, highest priority first, except that one passed over too often comes first.

        If the caller has its turn at a lower priority, that lane comes before higher ones of others.
        """
        if turn is None or turn.place is None:
            return sorted(self.lanes, key=lambda lane: lane.passed_over < PASSED_OVER_LIMIT)
        due = self.lanes[turn.place.priority]
        if due.waiting == self.unsuspected:
            return self.lanes  # nothing waits in the others
        return sorted(self.lanes, key=lambda lane: (lane.passed_over < PASSED_OVER_LIMIT, lane is not due))

    def _forget(self, queue: SourceQueue) -> None:
        """Drop a source's queue from the counts."""
        if queue.source is not None:
            self._count.queues -= 1
            del queue.source.queues[self.campaign_id, queue.priority]
            self.open_sources -= queue.open
            queue.open = False
        self._count_out(queue)

    def _forget_suspect_queue(self) -> None:
        """Drop the queue of suspects if it is empty."""
        if self._suspect_queue is not None and not self._suspect_queue.waiting:
            self._count_out(self._suspect_queue)

    def _count_out(self, queue: SourceQueue) -> None:
        """Stop counting a queue of a caller."""
        caller_queue, queue.caller_queue = queue.caller_queue, None
        if caller_queue is None:
            return
        caller_queue.queues -= 1
        if not caller_queue.queues:
            del self.callers[caller_queue.caller]
        elif caller_queue.place is None or self.lanes[caller_queue.place.priority].has(caller_queue):
            return  # the usual case on the hot path: its place does not change
        self._changed(caller_queue)

    def _queue_of(self, source: Source, priority: Priority) -> SourceQueue:
        key = (self.campaign_id, priority)
        queue = source.queues.get(key)
        if not isinstance(queue, SourceQueue):  # None: nothing of the source waits here yet
            caller_queue = self._of_caller(source)
            queue = source.queues[key] = SourceQueue(source, self.campaign_id, priority, caller_queue)
            self._count.queues += 1
            self.lanes[priority].enter(queue)
            queue.open = not source.closed
            self.open_sources += queue.open
        return queue

    def _of_caller(self, source: Source) -> CallerQueue:
        """Return the queue of a source's caller, to count one more queue as its own."""
        caller_queue = self.callers.get(source.caller)
        if caller_queue is None:
            caller_queue = self.callers[source.caller] = CallerQueue(source, self.campaign_id, self.lanes)
        caller_queue.queues += 1
        caller_queue.weight = source.weight
        return caller_queue

    def _is_suspect(self, entry: Entry) -> bool:
        return entry.queue is not None and entry.queue is self._suspect_queue
