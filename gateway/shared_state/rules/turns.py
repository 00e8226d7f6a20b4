"""Which turn gets the next permits of the fleet: the rules of one process, applied to all replicas' calls.

Further attempts go first. Then the highest priority, passed over at most nine times; then callers take turns,
by weight; then the campaigns of a caller; then the members that have calls for the campaign. Of the first few
campaigns and callers in this order, one with a full call goes before those that can still wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.core.fleet.messages import DemandRow
from gateway.shared_state.rules.quota_state import RETRY, MemberState, Place, Turns

PASSED_OVER_LIMIT = 9
LOOK_AHEAD = 8
DOUBTFUL_EVERY = 4
"""While others wait, at most one call in so many is for campaigns that Connect may not have."""


@dataclass(slots=True)
class Need:
    """Permits that a member could still use in one turn; `row` is None for further attempts."""

    member: MemberState
    row: DemandRow | None
    calls: int


def caller_key(row: DemandRow) -> str:
    """Return the key of the place of a row's caller."""
    return f"{int(row.priority)}\0{row.caller}"


def campaign_key(row: DemandRow) -> str:
    """Return the key of the place of a row's campaign among those of its caller."""
    return f"{int(row.priority)}\0{row.caller}\0{row.campaign_id}"


def enter(turns: Turns, rows: Iterable[DemandRow]) -> None:
    """Give places behind the others to callers and campaigns that have none."""
    for row in rows:
        for key in (caller_key(row), campaign_key(row)):
            if key not in turns.places:
                turns.last += 1
                turns.places[key] = Place(turns.last)


def forget_absent(turns: Turns, members: Iterable[MemberState]) -> None:
    """Drop the places of callers and campaigns without calls."""
    keys = {key for member in members for row in member.rows for key in (caller_key(row), campaign_key(row))}
    turns.places = {key: place for key, place in turns.places.items() if key in keys}


def choose(turns: Turns, needs: Sequence[Need], free: dict[str, int]) -> Need | None:
    """Return the need that gets the next permit; `free` is how many permits each member has room for."""
    open_needs = [need for need in needs if need.calls > 0 and free[need.member.member] > 0]
    retries = [need for need in open_needs if need.row is None]
    if retries:
        return min(retries, key=_member_turn)
    regular = [need for need in open_needs if need.row is not None and not need.row.doubtful]
    doubtful = [need for need in open_needs if need.row is not None and need.row.doubtful]
    pool = regular
    if doubtful and (not regular or turns.since_doubtful >= DOUBTFUL_EVERY - 1):
        pool = doubtful
    if not pool:
        return None
    priority = _priority(turns, pool)
    pool = [need for need in pool if need.row is not None and need.row.priority == priority]
    return _of_priority(turns, pool)


def _priority(turns: Turns, pool: Sequence[Need]) -> int:
    """Return the highest priority that waits, or one that was passed over too often."""
    waiting = sorted({int(need.row.priority) for need in pool if need.row is not None})
    for priority in waiting:
        if turns.passed_over[priority] >= PASSED_OVER_LIMIT:
            return priority
    return waiting[0]


def _of_priority(turns: Turns, pool: Sequence[Need]) -> Need:
    """Return the need whose turn it is among those of one priority."""
    by_caller: dict[str, dict[str, list[Need]]] = {}
    for need in pool:
        if need.row is not None:
            campaigns = by_caller.setdefault(caller_key(need.row), {})
            campaigns.setdefault(campaign_key(need.row), []).append(need)
    callers = sorted(by_caller, key=lambda key: turns.places[key].order)
    own = by_caller[callers[0]]
    campaigns_of_first = sorted(own, key=lambda key: turns.places[key].order)[:LOOK_AHEAD]
    for key in campaigns_of_first:
        if _is_full(own[key]):
            return _of_campaign(own[key])
    for caller in callers[1:LOOK_AHEAD]:
        campaigns = by_caller[caller]
        first = min(campaigns, key=lambda key: turns.places[key].order)
        if _is_full(campaigns[first]):
            return _of_campaign(campaigns[first])
    return _of_campaign(own[campaigns_of_first[0]])


def _is_full(needs: Sequence[Need]) -> bool:
    return any(need.row is not None and need.row.full for need in needs)


def _of_campaign(needs: Sequence[Need]) -> Need:
    """Return the need of the member whose turn it is: one with a full call first."""
    full = [need for need in needs if need.row is not None and need.row.full]
    return min(full or needs, key=_member_turn)


def _member_turn(need: Need) -> tuple[int, int]:
    return need.member.turn, need.member.order


def had_turn(turns: Turns, needs: Sequence[Need], chosen: Need, count: int) -> int:
    """Move a need behind the others after `count` permits; return the priority of these permits."""
    turns.last += 1
    chosen.member.turn = turns.last
    row = chosen.row
    if row is None:
        return RETRY
    turns.places[campaign_key(row)].order = turns.last
    caller = turns.places[caller_key(row)]
    caller.had += count
    if caller.had >= row.weight:
        caller.had = 0
        caller.order = turns.last
    waiting = {int(need.row.priority) for need in needs if need.row is not None and need.calls > 0}
    for priority in range(len(turns.passed_over)):
        passed = priority in waiting and priority != row.priority
        turns.passed_over[priority] = turns.passed_over[priority] + count if passed else 0
    turns.since_doubtful = 0 if row.doubtful else turns.since_doubtful + count
    return int(row.priority)
