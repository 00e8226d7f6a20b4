"""The turns of ready campaigns: callers share calls fairly, and so do the campaigns of each caller.

Ready campaigns are divided by priority and by standing. A campaign is doubtful if its caller has recently
named campaigns that Connect does not have, and Connect has accepted nothing for this one. While others wait,
doubtful campaigns get at most one call in `DOUBTFUL_EVERY`, and each has one call at a time. Within each
division callers take turns, and in the turn of a caller its campaigns do. Doubtful campaigns take turns by
source first, then by campaign of the source. A turn is a call, since all calls cost the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

from gateway.core.model import Priority, Source
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.place import Place, Standing
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT

LOOK_AHEAD = 8
"""Campaigns of the caller whose turn it is, and callers after it, that are searched for a full call if
permits are scarce."""
DOUBTFUL_EVERY = 4
"""While others wait, at most one call in so many is for doubtful campaigns."""
RECHECK_LIMIT = 1000
"""Queues whose standing is checked again in one decision, at most."""


_PLACES = tuple(tuple(Place(standing, priority) for priority in Priority) for standing in Standing)
"""Every place, made once, by standing and priority."""
_NONE_WAIT = tuple(False for _ in Priority)


class _Group:
    """The ready queues of one caller at one place.

    `had` counts the calls that it has made in its turn, of `weight` in each; `since_try` counts its calls
    since the last one for a doubtful campaign.
    """

    __slots__ = ("had", "since_try", "turns", "weight")

    def __init__(self) -> None:
        self.turns: OrderedDict[Source | None, OrderedDict[CallerQueue, None]] = OrderedDict()
        self.had = 0
        self.weight = 1
        self.since_try = DOUBTFUL_EVERY

    def queues(self) -> Iterator[CallerQueue]:
        """Yield the ready queues in the order of turns, those of the first source before those of others."""
        for queues in self.turns.values():
            yield from queues


class ReadyRing:
    """The callers that take turns at one place. A caller that is slowed down takes none meanwhile."""

    __slots__ = ("_slowed", "turns")

    def __init__(self) -> None:
        self.turns: OrderedDict[str, _Group] = OrderedDict()
        self._slowed: dict[str, _Group] = {}

    def add(self, queue: CallerQueue, *, slowed: bool) -> None:
        """Add a caller's queue behind the others of the caller, and the caller behind other callers."""
        groups = self._slowed if slowed else self.turns
        group = groups.get(queue.caller)
        if group is None:
            group = groups[queue.caller] = _Group()
        source = _source_of(queue)
        queues = group.turns.get(source)
        if queues is None:
            queues = group.turns[source] = OrderedDict()
        queues[queue] = None
        group.weight = queue.weight

    def remove(self, queue: CallerQueue) -> None:
        """Remove a caller's queue, which must be present."""
        groups = self.turns if queue.caller in self.turns else self._slowed
        group, source = groups[queue.caller], _source_of(queue)
        del group.turns[source][queue]
        if not group.turns[source]:
            del group.turns[source]
            if not group.turns:
                del groups[queue.caller]

    def slow(self, caller: str) -> None:
        """Stop the turns of a caller."""
        group = self.turns.pop(caller, None)
        if group is not None:
            self._slowed[caller] = group

    def resume(self, caller: str) -> None:
        """Let a caller take turns again, behind the others."""
        group = self._slowed.pop(caller, None)
        if group is not None:
            self.turns[caller] = group

    def first(self, may_wait: Callable[[str], bool] | None) -> CallerQueue:
        """Return the queue whose turn it is; there must be one.

        Of the first few, one with a full call goes before those that may wait; they keep their places.
        `may_wait` says whether a campaign may, by its id; None if none may.
        """
        group = self._first_group()
        first = next(iter(next(iter(group.turns.values()))))
        if may_wait is None or not may_wait(first.campaign_id):
            return first
        ready = (queue for queue in self._first_few(group) if not may_wait(queue.campaign_id))
        return next(ready, first)

    def had_turn(self, queue: CallerQueue) -> None:
        """Move a queue behind the others of its caller after its turn, and the caller behind others."""
        group, source = self.turns[queue.caller], _source_of(queue)
        group.turns[source].move_to_end(queue)
        group.turns.move_to_end(source)
        group.had += 1
        group.since_try += 1
        if group.had >= group.weight:
            group.had -= group.weight
            self.turns.move_to_end(queue.caller)

    def _first_group(self) -> _Group:
        """Return the ready queues of the caller whose turn it is."""
        while True:
            caller, group = next(iter(self.turns.items()))
            if group.had < group.weight or len(self.turns) == 1:
                return group
            group.had -= group.weight  # it has already used this turn, for a try
            self.turns.move_to_end(caller)

    def _first_few(self, first: _Group) -> Iterator[CallerQueue]:
        yield from islice(first.queues(), LOOK_AHEAD)
        for group in islice(self.turns.values(), 1, LOOK_AHEAD):
            yield next(group.queues())


class ReadyCampaigns:
    """All ready queues, by standing and priority.

    A waiting priority is passed over a limited number of times. `standing` returns the present standing of
    a caller's queue, None if it must wait for the end of a call. `callers` has the callers that take turns
    at each place: while none does, all of its dictionaries are empty.
    """

    def __init__(self, standing: Callable[[CallerQueue], Standing | None]) -> None:
        self._standing = standing
        self._rings = tuple(tuple(ReadyRing() for _ in Priority) for _ in Standing)
        # The callers of each priority in these rings: an empty dictionary if none is ready there.
        self._regular, self._doubtful = (tuple(ring.turns for ring in rings) for rings in self._rings)
        self.callers = (*self._regular, *self._doubtful)
        self._turns = tuple(
            (place, ring.turns)
            for places, rings in zip(_PLACES, self._rings, strict=True)
            for place, ring in zip(places, rings, strict=True)
        )
        self._passed_over = [0 for _ in Priority]
        self._slowed: set[str] = set()
        self._turn_at = _PLACES[Standing.REGULAR][Priority.NORMAL]  # the place of the last turn
        self._waiting = _NONE_WAIT  # the other priorities that were ready then
        self._since_doubtful = DOUBTFUL_EVERY
        self._since_doubtful_at = [DOUBTFUL_EVERY for _ in Priority]

    def add(self, queue: CallerQueue) -> None:
        """Add a caller's queue of a ready campaign, or move it if its place has changed."""
        standing = self._standing(queue)
        place = _PLACES[standing][queue.priority] if standing is not None else None
        if queue.place is place:
            return
        self.remove(queue)
        queue.place = place
        if place is not None:
            slowed = standing is Standing.DOUBTFUL and queue.caller in self._slowed
            self._rings[place.standing][place.priority].add(queue, slowed=slowed)

    def remove(self, queue: CallerQueue) -> None:
        """Remove a caller's queue, if it is present."""
        if queue.place is not None:
            self._rings[queue.place.standing][queue.place.priority].remove(queue)
            queue.place = None

    def changed(self, queue: CallerQueue) -> None:
        """Note that entries have left a caller's queue."""
        if not queue.queues:
            self.remove(queue)
        elif queue.place is not None:
            self.add(queue)

    def slow(self, caller: str) -> None:
        """Stop the turns of a caller's doubtful campaigns until `resume`."""
        self._slowed.add(caller)
        for ring in self._rings[Standing.DOUBTFUL]:
            ring.slow(caller)

    def resume(self, caller: str) -> None:
        """Let the doubtful campaigns of a caller take turns again."""
        self._slowed.discard(caller)
        for ring in self._rings[Standing.DOUBTFUL]:
            ring.resume(caller)

    def turns(self) -> Iterator[tuple[Place, CallerQueue]]:
        """Yield the ready queues, the most urgent place first: a queue of each caller in turn, and again."""
        for place, groups in self._turns:
            round_of = [group.queues() for group in groups.values()]
            while round_of:
                firsts = [(queues, next(queues, None)) for queues in round_of]
                round_of = [queues for queues, queue in firsts if queue is not None]
                yield from ((place, queue) for _, queue in firsts if queue is not None)

    def first_turns(self) -> Iterator[tuple[Place, CallerQueue]]:
        """Yield the first ready queue of each place."""
        for place, groups in self._turns:
            for group in islice(groups.values(), 1):
                yield place, next(group.queues())

    def next(
        self, may_wait: Callable[[str], bool] | None, preferred: CallerQueue | None = None
    ) -> CallerQueue | None:
        """Return the queue whose turn it is, and move it behind the others; None if none is ready.

        `called` must follow if the turn leads to a call.
        Campaigns that `may_wait` go behind those with a full call; None if none may wait. A `preferred` queue
        goes before others at its place.
        """
        for attempt in range(RECHECK_LIMIT):
            places = [place for place, turns in self._turns if turns]
            if not places:
                return None
            place = places[0] if len(places) == 1 else self._choose()
            if place.standing is Standing.DOUBTFUL and not self._let_one_try(place.priority):
                place = self._choose(may_try=False)
            ring = self._rings[place.standing][place.priority]
            queue = ring.first(may_wait)
            if preferred is not None and preferred.place is place and place.standing is Standing.REGULAR:
                queue = preferred
            if attempt == RECHECK_LIMIT - 1 or self._standing(queue) is place.standing:
                break
            self.add(queue)  # its standing has changed since it was added
        self._note_turn(place, alone=len(places) == 1)
        ring.had_turn(queue)
        if place.standing is Standing.DOUBTFUL:
            self._charge(queue.caller)
        return queue

    def _let_one_try(self, priority: Priority) -> bool:
        """Move a caller that may try to the front of the doubtful ones; return whether there is one.

        A caller that also has regular campaigns uses at most every fourth of its own calls for tries, so its
        tries take no calls from others.
        """
        ring = self._rings[Standing.DOUBTFUL][priority]
        for caller in tuple(islice(ring.turns, LOOK_AHEAD)):
            own = self._regular_of(caller)
            if own is None or own.since_try >= DOUBTFUL_EVERY - 1:
                return True
            ring.turns.move_to_end(caller)
        return False

    def _charge(self, caller: str) -> None:
        """Count a try as one of the caller's regular calls."""
        own = self._regular_of(caller)
        if own is not None:
            own.had += 1
            own.since_try = 0

    def _regular_of(self, caller: str) -> _Group | None:
        groups = (ring.turns.get(caller) for ring in self._rings[Standing.REGULAR])
        return next((group for group in groups if group is not None), None)

    def _choose(self, *, may_try: bool = True) -> Place:
        """Return the division whose turn it is: the priority is chosen first, then the standing."""
        if may_try and self._since_doubtful < DOUBTFUL_EVERY - 1:
            may_try = not any(self._regular)
        chosen = self._choose_priority(may_try=may_try)
        tries = may_try and bool(self._doubtful[chosen])
        if tries and self._regular[chosen]:
            tries = self._since_doubtful_at[chosen] >= DOUBTFUL_EVERY - 1
        return _PLACES[Standing.DOUBTFUL if tries else Standing.REGULAR][chosen]

    def _choose_priority(self, *, may_try: bool) -> int:
        """Return the highest priority that is ready, or one that was passed over too often."""
        ready = [
            priority
            for priority, regular in enumerate(self._regular)
            if regular or (may_try and self._doubtful[priority])
        ]
        for priority in ready:
            if self._passed_over[priority] >= PASSED_OVER_LIMIT:
                return priority
        return ready[0]

    def _note_turn(self, place: Place, *, alone: bool) -> None:
        """Note a turn at a place, and the priorities that wait meanwhile; `alone`: none does elsewhere."""
        self._turn_at, self._waiting = place, _NONE_WAIT
        if not alone:
            self._waiting = tuple(
                priority != place.priority and bool(regular or self._doubtful[priority])
                for priority, regular in enumerate(self._regular)
            )

    def called(self) -> None:
        """Count the call of the last turn. A turn whose requests have all left passes over nobody."""
        place, passed_over = self._turn_at, self._passed_over
        for priority, waits in enumerate(self._waiting):
            passed_over[priority] = passed_over[priority] + 1 if waits else 0
        if place.standing is Standing.REGULAR:
            self._since_doubtful += 1
            self._since_doubtful_at[place.priority] += 1
        else:
            self._since_doubtful = self._since_doubtful_at[place.priority] = 0


def _source_of(queue: CallerQueue) -> Source | None:
    """Return the source of a doubtful campaign, for its turns; regular campaigns share one key."""
    doubtful = queue.place is not None and queue.place.standing is Standing.DOUBTFUL
    return queue.source if doubtful else None
