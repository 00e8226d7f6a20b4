"""The waiting requests of one campaign and priority: by caller, and within a caller by source.

A call is made in the turn of one caller. It takes the requests of that caller first; those of other callers
fill the room that is left. The sources of a caller take turns, whatever their backlog; a source has as many
dial requests in a turn as its weight, one by default. If a call leaves little behind, requests that have
waited long have earlier turns. Within a source the earliest expiry goes first.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from gateway.core.model import BATCH_LIMIT, Entry
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.source_queue import STALE_PLACES, SourceQueue

SMALL_BACKLOG = 2 * BATCH_LIMIT
"""Up to so many waiting requests of one priority are taken in the order of their waiting time: after the call
at most one more call is left, and the order costs little to compute."""
TURN_WORTH_S = 0.1
"""Seconds of waiting that count as one turn: a request that has waited so much longer goes one turn
earlier."""


class SourceTurns:
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
                source = queue.source
                # The usual weight is checked here: a call for each request would cost too much.
                goes_on = source is not None and source.weight > 1 and queue.turn_goes_on()
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
_NO_CALLERS: OrderedDict[CallerQueue | None, SourceTurns] = OrderedDict()


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
            turns = self._callers[queue.caller_queue] = SourceTurns()
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

    def _forget_if_empty(self, queue: SourceQueue, turns: SourceTurns) -> None:
        """Forget the caller of a queue that has left, if it was the caller's last one."""
        if not turns.count:
            del self._callers[queue.caller_queue]
