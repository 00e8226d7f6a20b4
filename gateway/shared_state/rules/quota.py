"""The quota of a fleet: one bucket, and the permits assigned from it. The logic of `scripts/tick.lua`.

Why the account's bucket never lacks a token, whatever is lost or late: tokens, permits that may still be
used, calls in flight, and the reserved parts of members that may live without the store never add up to more
than the burst, and they grow at no more than the rate. A permit may be used only after its token exists.
"""

import math
from collections import Counter
from collections.abc import Sequence

from gateway.core.fleet.messages import FleetSettings, PermitGrant, TickReply, TickRequest
from gateway.shared_state.rules import bucket as pace
from gateway.shared_state.rules import membership, turns
from gateway.shared_state.rules.quota_state import RETRY, Bucket, MemberState, QuotaState, TurnPlace, Unit

PERMIT_MS = 500
"""How long a permit can be used after it was delivered."""
REPORT_MS = 700
"""For how long after its end a permit still counts if its use was not reported."""
SILENCE_MS = 1100
"""After so long without any tick, members may have used their own parts: a new epoch begins."""
CLOCK_STEP_MS = 1000
EMPTY_S = 1.0
"""A new epoch begins with the debt of so many seconds: permits and parts of the quota may be in use that the
store does not know of, and its members need so long to tick."""
SPARE_SHARE, SPARE_MS = 0.5, 250
"""A spare permit is given only if this share of the burst is left, and if the member has no permit that is
usable for more than so many milliseconds."""
UNITS_LIMIT, ROWS_LIMIT, LEAST_ROWS = 32, 192, 8
"""Assignments in one tick, rows of demand of all members together, and of one member at least."""


class QuotaRules:
    """The quota of one fleet."""

    def __init__(self) -> None:
        self.state: QuotaState | None = None

    def tick(self, now_ms: int, replication: str, request: TickRequest) -> TickReply:
        """Carry out a tick. `replication` is the id of the store's replication history."""
        state = self._present(now_ms, replication, request)
        now = max(now_ms, state.bucket.at)
        member = state.members.get(request.member)
        if member is not None and member.reply is not None and request.sequence <= member.sequence:
            return member.reply
        settings, _ = membership.agreed(state, request.settings)
        pace.refill(state, now, settings)
        if member is None:
            if request.leaving:
                return TickReply(state.epoch, (), request.settings, state.bucket.rate)
            if membership.name_is_taken(state, now, request):
                return TickReply("", (), request.settings, state.bucket.rate, name_taken=True)
            member = membership.join(state, now, request)
        return _exchange(state, now, member, request)

    def _present(self, now_ms: int, replication: str, request: TickRequest) -> QuotaState:
        """Return the state, in a new epoch if the store may have lost what it knew of permits."""
        state = self.state
        if state is None:
            ceiling = request.settings.call_rate
            bucket = Bucket(at=now_ms, tokens=0.0, rate=ceiling, ceiling=ceiling)
            state = self.state = QuotaState("", 0, replication, bucket)
            _renew(state, now_ms, replication)
        elif (
            replication != state.replication
            or now_ms < state.bucket.at - CLOCK_STEP_MS
            or now_ms - state.bucket.at > SILENCE_MS
        ):
            _renew(state, now_ms, replication)
        return state


def _renew(state: QuotaState, now: int, replication: str) -> None:
    """Begin a new epoch: no permits, an empty bucket, and no member is known to get replies."""
    state.epoch, state.epoch_at, state.replication = f"{now}", now, replication
    state.units = []
    state.bucket.at, state.bucket.tokens = now, -EMPTY_S * state.bucket.rate
    state.bucket.throttled_at = min(state.bucket.throttled_at, now)
    state.bucket.window_at = state.bucket.window_count = 0
    for member in state.members.values():
        member.confirmed = member.ticked = False
        member.confirms_from = member.in_flight = member.retries_waiting = member.waiting = 0
        member.heard_at = now
        member.lost_at = min(member.lost_at, now)
        member.rows, member.reply = [], None


def _exchange(state: QuotaState, now: int, member: MemberState, request: TickRequest) -> TickReply:
    """Take a member's report, assign permits, and return what the member gets."""
    membership.note_replies(state, now, member, request)
    membership.note_lost(state, now, request)
    _take_report(state, now, member, request)
    if request.leaving:
        membership.remove(state, member)
        return TickReply(state.epoch, (), request.settings, state.bucket.rate)
    settings, differing = membership.agreed(state, request.settings)
    pace.set_ceiling(state.bucket, settings.call_rate)
    if state.bucket.ceiling > 0:
        _assign(state, now, settings)
        _keep_spare(state, now, member, settings)
    membership.tell_part(state, member, settings)
    reply = TickReply(
        epoch=state.epoch,
        members=membership.members_for(state, member),
        settings=settings,
        rate=state.bucket.rate,
        permits=_deliver(state, now, member),
        tokens=state.bucket.tokens,
        backlog=sum(one.waiting for one in state.members.values()),
        retry_credit=state.bucket.retry_credit,
        differing=differing,
    )
    member.before, member.before_at = member.sequence, member.replied_at
    member.sequence, member.replied_at, member.reply = request.sequence, now, reply
    return reply


def _take_report(state: QuotaState, now: int, member: MemberState, request: TickRequest) -> None:
    """Take what a member says about its permits, its calls and its demand."""
    member.name, member.settings = request.name, request.settings
    member.in_flight, member.room = request.in_flight, request.room
    member.retries_waiting = request.retries_waiting
    limit = max(LEAST_ROWS, ROWS_LIMIT // len(state.members))
    member.rows = list(request.demand[:limit])
    member.waiting = sum(row.calls for row in member.rows) + request.retries_waiting
    if request.epoch == state.epoch:
        _settle(state, member, request.used, back=False)
        _settle(state, member, request.returned, back=True)
        pace.throttled(state.bucket, request.throttled)
        pace.count_calls(state.bucket, request)
    for unit in state.units:
        if unit.end and now > unit.end + REPORT_MS:
            unit.left = 0
    state.units = [unit for unit in state.units if unit.left]


def _settle(
    state: QuotaState, member: MemberState, reports: tuple[tuple[int, int], ...], *, back: bool
) -> None:
    """Settle permits of a member: the tokens of permits that it returns come back."""
    units = {unit.number: unit for unit in state.units if unit.member == member.member}
    for number, count in reports:
        unit = units.get(number)
        if unit is not None:
            settled = min(count, unit.left)
            unit.left -= settled
            if back:
                state.bucket.tokens += settled


def _assign(state: QuotaState, now: int, settings: FleetSettings) -> None:
    """Assign the permits of the next moments to the turns of all members."""
    rate, bucket = pace.granted_rate(state), state.bucket
    outstanding = sum(unit.left for unit in state.units)
    most = pace.max_in_use(state, settings.call_burst)
    bucket.tokens = min(bucket.tokens, most - outstanding)
    left = math.floor(min(bucket.tokens + rate * pace.AHEAD_S + 1e-9, most - outstanding))
    if left <= 0:
        return
    members = [member for member in state.members.values() if member.confirmed]
    turns.refresh_places(state.turns, members)
    needs, free = _needs(state, members)
    # At a high rate the permits of some milliseconds are one unit, however few are assigned at a time.
    size = max(math.ceil(left / UNITS_LIMIT), math.floor(rate * pace.AHEAD_S / UNITS_LIMIT))
    order = turns.Round(state.turns, needs, free)
    for _ in range(UNITS_LIMIT):
        chosen = order.choose() if left > 0 else None
        if chosen is None:
            break
        count = min(size, left, chosen.calls, free[chosen.member.member])
        wait_s = max(0.0, count - bucket.tokens) / rate
        bucket.tokens -= count
        left -= count
        priority = order.had_turn(chosen, count)
        row = chosen.row
        caller, campaign_id = (row.caller, row.campaign_id) if row is not None else ("", "")
        unit = Unit(
            bucket.next_number,
            count,
            count,
            chosen.member.member,
            priority,
            caller,
            campaign_id,
            start=now + math.ceil(wait_s * 1000),
        )
        state.units.append(unit)
        bucket.next_number += count


def _keep_spare(state: QuotaState, now: int, member: MemberState, settings: FleetSettings) -> None:
    """Let a member without calls hold a permit, so that its next call need not wait for a message.

    No such permit is given while any member has calls to make, or few tokens are left.
    """
    bucket = state.bucket
    if not member.confirmed or not member.room or any(one.waiting for one in state.members.values()):
        return
    if bucket.tokens - 1.0 < SPARE_SHARE * settings.call_burst:
        return
    if any(unit.member == member.member and unit.end - now > SPARE_MS for unit in state.units):
        return
    bucket.tokens -= 1.0
    state.units.append(Unit(bucket.next_number, 1, 1, member.member, RETRY, "", "", start=now))
    bucket.next_number += 1


def _needs(state: QuotaState, members: Sequence[MemberState]) -> tuple[list[turns.Need], dict[str, int]]:
    """Return what members need in addition to the permits they have, and how many each has room for."""
    of_member: Counter[str] = Counter()
    of_turn: Counter[tuple[str, str, str]] = Counter()
    for unit in state.units:
        of_member[unit.member] += unit.left
        of_turn[unit.member, unit.caller, unit.campaign_id] += unit.left
    needs, free = [], {}
    for member in members:
        free[member.member] = member.room - of_member[member.member]
        calls = member.retries_waiting - of_turn[member.member, "", ""]
        needs.append(turns.Need(member, None, calls, TurnPlace(member.turn)))
        for row in member.rows:
            calls = row.calls - of_turn[member.member, row.caller, row.campaign_id]
            place = state.turns.places[turns.member_key(row, member)]
            needs.append(turns.Need(member, row, calls, place))
    return needs, free


def _deliver(state: QuotaState, now: int, member: MemberState) -> tuple[PermitGrant, ...]:
    """Return the permits that were assigned to a member since its last tick."""
    grants = []
    for unit in state.units:
        if unit.member == member.member and not unit.end:
            unit.end = now + PERMIT_MS
            start_in_ms = max(0, unit.start - now)
            grants.append(
                PermitGrant(unit.number, unit.count, start_in_ms, PERMIT_MS, unit.caller, unit.campaign_id)
            )
    return tuple(grants)
