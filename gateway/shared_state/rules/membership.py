"""The members of a fleet, and the part of the quota that each may use without the store.

The parts that members have been told, or may still believe in, never add up to more than the quota. A
member uses its part when it has had no reply for a while. The store reserves the part of every member that
may do so: one that has not acknowledged a reply for some time. It is lost until it acknowledges one again.
So a replica that lives without the store cannot make the fleet exceed the quota.
"""

import math

from gateway.core.fleet.messages import FleetSettings, Member, TickRequest
from gateway.shared_state.rules.quota_state import MemberState, QuotaState

LOST_MS = 900
"""A member without an acknowledged reply for so long is lost. Members use their own part after a longer time
(`core.quota.fleet_permits.SOLO_AFTER_S`)."""
OUTAGE_MARGIN_MS = 2000
MEMBERS_LIMIT = 100
"""Members that a replica can introduce after the store has lost its data."""


def name_is_taken(state: QuotaState, now: int, request: TickRequest) -> bool:
    """Whether a live member has the name of a replica that is no member yet."""
    note_lost(state, now, request)
    return any(other.name == request.name and not other.lost_at for other in state.members.values())


def join(state: QuotaState, now: int, request: TickRequest) -> MemberState:
    """Add a replica. Lost members with its name have ended: this is their successor.

    That is certain, since no two live replicas have the same name: a second one may not join.
    """
    for other in list(state.members.values()):
        if other.lost_at and other.name == request.name:
            remove(state, other)
    return _add(state, now, request.member, request.name, request.settings)


def note_replies(state: QuotaState, now: int, member: MemberState, request: TickRequest) -> None:
    """Note what a tick says about the replies that its member has received."""
    if request.epoch == state.epoch:
        _acknowledge(member, request)
    elif not member.ticked:
        _introduce(state, now, member, request)
    if not member.confirmed and not member.confirms_from:
        member.confirms_from = request.sequence
    member.ticked = True


def _acknowledge(member: MemberState, request: TickRequest) -> None:
    if request.acknowledged == member.sequence:
        member.heard_at = max(member.heard_at, member.replied_at)
        member.held_rate, member.held_burst = member.local_rate, member.local_burst
    elif request.acknowledged == member.before:
        member.heard_at = max(member.heard_at, member.before_at)
    if member.confirms_from and request.acknowledged >= member.confirms_from:
        member.confirmed, member.lost_at = True, 0


def _introduce(state: QuotaState, now: int, member: MemberState, request: TickRequest) -> None:
    """Take over what a replica knows from before the store lost its data."""
    for known in request.known[:MEMBERS_LIMIT]:
        other = state.members.get(known.member)
        if other is None:
            other = _add(state, now, known.member, known.name, request.settings)
            other.lost_at = now
        if not other.confirmed:
            other.held_rate = max(other.held_rate, known.local_rate)
            other.held_burst = max(other.held_burst, known.local_burst)


def _add(state: QuotaState, now: int, member: str, name: str, settings: FleetSettings) -> MemberState:
    state.last_order += 1
    added = MemberState(member, name, state.last_order, settings, heard_at=now)
    state.members[member] = added
    return added


def note_lost(state: QuotaState, now: int, request: TickRequest) -> None:
    """Mark members that are not heard of any more as lost, and remove those that have certainly ended."""
    for member in list(state.members.values()):
        if not member.lost_at and now - member.heard_at > LOST_MS:
            _lose(state, now, member)
        if member.lost_at:
            expires_at = member.lost_at + member.settings.longest_outage_s * 1000 + OUTAGE_MARGIN_MS
            reserved = member.held_rate > 0.0 or member.held_burst > 0.0
            ended = member.member in request.gone or not reserved or now > expires_at
            if ended and member.member != request.member:
                remove(state, member)


def _lose(state: QuotaState, now: int, member: MemberState) -> None:
    member.lost_at, member.confirmed, member.confirms_from = now, False, 0
    member.rows = []
    member.in_flight = member.retries_waiting = member.waiting = 0
    take_back(state, member)


def take_back(state: QuotaState, member: MemberState) -> None:
    """Take back the permits that were not delivered to a member."""
    for unit in state.units:
        if unit.member == member.member and not unit.end:
            state.bucket.tokens += unit.left
            unit.left = 0
    state.units = [unit for unit in state.units if unit.left]


def remove(state: QuotaState, member: MemberState) -> None:
    """Forget a member. Permits that were delivered to it count until they can no longer be used."""
    take_back(state, member)
    del state.members[member.member]


def tell_part(state: QuotaState, member: MemberState, settings: FleetSettings) -> None:
    """Decide which part of the quota a member may use without the store, from this reply on.

    Each has an equal part. With more members than calls in the burst, only as many have one. What others
    may still believe in is not given away.
    """
    sharers = min(len(state.members), max(1, math.floor(settings.call_burst)))
    earlier, rate, burst = 0, state.bucket.ceiling, settings.call_burst
    for other in state.members.values():
        if other.member != member.member:
            earlier += other.order < member.order
            rate -= other.held_rate
            burst -= other.held_burst
    rate = min(rate, state.bucket.rate / sharers)
    burst = min(burst, settings.call_burst / sharers)
    if earlier >= sharers or rate <= 0.0 or burst < 1.0:
        rate = burst = 0.0
    member.local_rate, member.local_burst = rate, burst
    member.held_rate = max(member.held_rate, member.local_rate)
    member.held_burst = max(member.held_burst, member.local_burst)


def members_for(state: QuotaState, member: MemberState) -> tuple[Member, ...]:
    """Return the members, as told to one of them: its own part, and what others may believe in."""
    return tuple(
        Member(
            other.member,
            other.name,
            bool(other.lost_at),
            other.local_rate if other is member else other.held_rate,
            other.local_burst if other is member else other.held_burst,
        )
        for other in state.members.values()
    )


def agreed(state: QuotaState, own: FleetSettings) -> tuple[FleetSettings, tuple[str, ...]]:
    """Return the settings that apply, and the names of those that replicas disagree about."""
    everyone = [member.settings for member in state.members.values() if not member.lost_at] or [own]
    rates = [settings.call_rate for settings in everyone if settings.call_rate > 0]
    applying = FleetSettings(
        call_rate=min(rates, default=0.0),
        call_burst=min(settings.call_burst for settings in everyone),
        replay_window_s=max(settings.replay_window_s for settings in everyone),
        longest_outage_s=max(settings.longest_outage_s for settings in everyone),
    )
    names = ("call_rate", "call_burst", "replay_window_s", "longest_outage_s")
    differing = (name for name in names if len({getattr(settings, name) for settings in everyone}) > 1)
    return applying, tuple(differing)
