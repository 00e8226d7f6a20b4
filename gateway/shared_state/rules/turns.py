"""Which turn gets the next permits of the fleet: the rules of one process, applied to all replicas' calls.

Further attempts go first. Then the highest priority, passed over at most nine times; then callers take turns,
by weight; then the campaigns of a caller; then the members that have calls for the campaign. Of the first few
campaigns and callers in this order, one with a full call goes before those that can still wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.core.fleet.messages import DemandRow
from gateway.core.model import Priority
from gateway.shared_state.rules.quota_state import RETRY, MemberState, TurnPlace, Turns

_Item = TypeVar("_Item")

PASSED_OVER_LIMIT = 9
LOOK_AHEAD = 8
DOUBTFUL_EVERY = 4
"""While others wait, at most one call in so many is for campaigns that Connect may not have."""


@dataclass(slots=True, eq=False)
class Need:
    """Permits that a member could still use in one turn; `row` is None for further attempts.

    `place` is that of the member among those with calls for the campaign.
    """

    member: MemberState
    row: DemandRow | None
    calls: int
    place: TurnPlace


@dataclass(slots=True, eq=False)
class _Campaign:
    """The needs for one campaign of one caller."""

    place: TurnPlace
    needs: list[Need] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Caller:
    """The campaigns of one caller in the order of turns, those without open needs included."""

    place: TurnPlace
    weight: int = 1
    by_id: dict[str, _Campaign] = field(default_factory=dict)
    campaigns: list[_Campaign] = field(default_factory=list)


class Round:
    """The turns of one tick. `free` is how many permits each member has room for.

    Needs only shrink in a round, so a campaign or caller without an open need is dropped when it is met.
    """

    def __init__(self, turns: Turns, needs: Iterable[Need], free: dict[str, int]) -> None:
        self._turns = turns
        self._free = free
        self._retries: list[Need] = []
        self._pools: dict[bool, list[list[_Caller]]] = {kind: [[], [], []] for kind in (False, True)}
        self._callers: dict[tuple[bool, Priority, str], _Caller] = {}
        for need in needs:
            self._add(need)
        for pools in self._pools.values():
            for callers in pools:
                callers.sort(key=lambda caller: caller.place.order)
                for caller in callers:
                    caller.campaigns.sort(key=lambda campaign: campaign.place.order)

    def choose(self) -> Need | None:
        """Return the need that gets the next permit; None if none is open."""
        retries = self._open(self._retries)
        if retries:
            return _in_turn(retries)
        regular, doubtful = (self._waiting(self._pools[kind]) for kind in (False, True))
        if doubtful and (not regular or self._turns.since_doubtful >= DOUBTFUL_EVERY - 1):
            return self._of_priority(self._pools[True][self._priority(doubtful)])
        if not regular:
            return None
        return self._of_priority(self._pools[False][self._priority(regular)])

    def had_turn(self, chosen: Need, count: int) -> int:
        """Take `count` permits for a need and move it behind the others; return the permits' priority."""
        turns, row = self._turns, chosen.row
        chosen.calls -= count
        self._free[chosen.member.member] -= count
        turns.last += 1
        chosen.place.order = turns.last
        if row is None:
            chosen.member.turn = turns.last
            return RETRY
        callers = self._pools[row.doubtful][row.priority]
        caller = self._callers[row.doubtful, row.priority, row.caller]
        campaign = caller.by_id[row.campaign_id]
        campaign.place.order = turns.last
        _move_to_end(caller.campaigns, campaign)
        caller.place.had += count
        if caller.place.had >= caller.weight:
            caller.place.had, caller.place.order = 0, turns.last
            _move_to_end(callers, caller)
        self._count(row, count)
        return int(row.priority)

    def _add(self, need: Need) -> None:
        row = need.row
        if need.calls <= 0:
            return
        if row is None:
            self._retries.append(need)
            return
        key = (row.doubtful, row.priority, row.caller)
        caller = self._callers.get(key)
        if caller is None:
            caller = self._callers[key] = _Caller(self._turns.places[caller_key(row)])
            self._pools[row.doubtful][row.priority].append(caller)
        caller.weight = row.weight
        campaign = caller.by_id.get(row.campaign_id)
        if campaign is None:
            campaign = caller.by_id[row.campaign_id] = _Campaign(self._turns.places[campaign_key(row)])
            caller.campaigns.append(campaign)
        campaign.needs.append(need)

    def _open(self, needs: Sequence[Need]) -> list[Need]:
        return [need for need in needs if need.calls > 0 and self._free[need.member.member] > 0]

    def _waiting(self, pools: Sequence[list[_Caller]]) -> list[int]:
        """Return the priorities with open needs, the most urgent first."""
        return [priority for priority, callers in enumerate(pools) if self._prune(callers)]

    def _prune(self, callers: list[_Caller]) -> bool:
        """Drop callers without open needs from the front; return whether any is left."""
        while callers and not self._first(callers[0]):
            del callers[0]
        return bool(callers)

    def _first(self, caller: _Caller) -> list[Need]:
        """Return the open needs of the campaign whose turn it is; campaigns without any are dropped."""
        while caller.campaigns:
            needs = self._open(caller.campaigns[0].needs)
            if needs:
                return needs
            del caller.campaigns[0]
        return []

    def _priority(self, waiting: Sequence[int]) -> int:
        """Return the highest priority that waits, or one that was passed over too often."""
        for priority in waiting:
            if self._turns.passed_over[priority] >= PASSED_OVER_LIMIT:
                return priority
        return waiting[0]

    def _of_priority(self, callers: Sequence[_Caller]) -> Need:
        """Return the need whose turn it is among those of one priority."""
        first = self._first(callers[0])
        for campaign in callers[0].campaigns[:LOOK_AHEAD]:
            needs = self._open(campaign.needs)
            if _is_full(needs):
                return _of_campaign(needs)
        for caller in callers[1:LOOK_AHEAD]:
            needs = self._first(caller)
            if _is_full(needs):
                return _of_campaign(needs)
        return _of_campaign(first)

    def _count(self, row: DemandRow, count: int) -> None:
        turns = self._turns
        waiting = {*self._waiting(self._pools[False]), *self._waiting(self._pools[True])}
        for priority, passed in enumerate(turns.passed_over):
            waits = priority in waiting and priority != row.priority
            turns.passed_over[priority] = passed + count if waits else 0
        turns.since_doubtful = 0 if row.doubtful else turns.since_doubtful + count


def caller_key(row: DemandRow) -> str:
    """Return the key of the place of a row's caller."""
    return f"{int(row.priority)}\0{row.caller}"


def campaign_key(row: DemandRow) -> str:
    """Return the key of the place of a row's campaign among those of its caller."""
    return f"{int(row.priority)}\0{row.caller}\0{row.campaign_id}"


def member_key(row: DemandRow, member: MemberState) -> str:
    """Return the key of the place of a member among those with calls for a row's campaign."""
    return f"{campaign_key(row)}\0{member.member}"


def refresh_places(turns: Turns, members: Iterable[MemberState]) -> None:
    """Give callers, campaigns and members with new calls places behind the others; drop the rest."""
    kept: dict[str, TurnPlace] = {}
    for member in members:
        for row in member.rows:
            for key in (caller_key(row), campaign_key(row), member_key(row, member)):
                if key not in kept:
                    place = turns.places.get(key)
                    if place is None:
                        turns.last += 1
                        place = TurnPlace(turns.last)
                    kept[key] = place
    turns.places = kept


def _is_full(needs: Sequence[Need]) -> bool:
    return any(need.row is not None and need.row.full for need in needs)


def _of_campaign(needs: Sequence[Need]) -> Need:
    """Return the need of the member whose turn it is: one with a full call first."""
    full = [need for need in needs if need.row is not None and need.row.full]
    return _in_turn(full or needs)


def _in_turn(needs: Sequence[Need]) -> Need:
    return min(needs, key=lambda need: (need.place.order, need.member.order))


def _move_to_end(items: list[_Item], item: _Item) -> None:
    items.remove(item)
    items.append(item)
