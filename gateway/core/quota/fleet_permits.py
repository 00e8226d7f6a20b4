"""The permits of a replica of a fleet: those that the shared state grants, and its own part without it.

`tick` makes the next message to the shared state, `ticked` takes its reply, and `tick_at` says when the next
one is wanted. The replica is in one of three conditions. Before the first reply it permits nothing. While
replies arrive it uses the permits that they grant. After a time without replies it is `solo`: it uses a
bucket of its own, at the part of the quota that the last reply told it, until the longest outage has passed.

Replies of a store that is not trusted (`store_trust`) are ignored and not acknowledged, which makes the
replica solo.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.core.fleet.messages import FleetSettings, Member, TickReply, TickRequest
from gateway.core.quota.beat_times import BEAT_EVERY_S, BUSY_BEAT_EVERY_S, IDLE_BEAT_EVERY_S, Idleness
from gateway.core.quota.demand import CallDemand
from gateway.core.quota.granted_permits import GrantedPermits
from gateway.core.quota.pause_watch import PauseWatch
from gateway.core.quota.replica_calls import ReplicaCalls
from gateway.core.quota.retry_budget import FleetRetryBudget
from gateway.core.quota.store_trust import StoreTrust
from gateway.core.scheduling.pacing import Pacer

LEAST_GAP_S = 0.005
"""Seconds between two ticks, at least."""
RELEASE_GAP_S = 0.02
"""Seconds between two ticks if calls have returned: until the store knows that, they use up a part of the
burst, and the bucket does not fill."""
LATER_S = 0.01
"""The own bucket is asked again after this if it gains nothing while calls are in flight."""
SOLO_AFTER_S = 1.1
"""Seconds after the last reply from which a replica uses its own part. The store has counted it as lost for a
while by then, and reserves that part (`LOST_MS` in `shared_state/rules/membership.py`)."""
NEVER_S = 3600.0
"""Seconds until the next permit, as `ready_at` returns it if none is known."""


class QuotaMember(NamedTuple):
    """A replica that shares the quota. `member` is unique for each process, `name` is for people."""

    member: str
    name: str
    settings: FleetSettings


class FleetPermits:
    """Permits the calls of one replica; `scheduling.permits.Permits` says what the engine uses.

    `slots` is how many calls may be in flight. `members` are those of the last reply. `granted` and
    `returned` count permits since the start. While `suspended` nothing is permitted: the numbers that must
    not be called are not known.
    """

    def __init__(self, replica: QuotaMember, slots: int, demand: CallDemand) -> None:
        self.member, self.name, settings = replica
        self.ceiling = self._told_rate = self._told_account_rate = settings.call_rate
        self.members: Sequence[Member] = ()
        self.differing: Sequence[str] = ()
        self.solo = self.suspended = False
        self.granted = self.returned = 0
        self.budget = FleetRetryBudget()
        self._settings = self._agreed = settings
        self._demand = demand
        self._permits = GrantedPermits()
        self._calls = ReplicaCalls(slots)
        self._local = Pacer(settings.call_rate, settings.call_burst)
        self._own_part = (0.0, 0.0)
        self._share = 0.0
        self._epoch = ""
        self._sequence = self._acknowledged = 0
        self._pending: TickRequest | None = None
        self._first_sent_at = self._sent_at = float("-inf")
        self._heard_at: float | None = None
        self.pauses = PauseWatch()
        self._trust = StoreTrust()
        self._idleness = Idleness()
        self._wants_tick = True
        self._others_wait = False
        self._reported_priority = 0
        self._reported_calls = 0
        self._reported_room = self._reported_in_flight = 0
        self._granted_last = 0
        self._throttled: list[int] = []
        self._accepted = 0
        self._left = False

    # --- for the engine -----------------------------------------------------------------------------

    @property
    def hint(self) -> tuple[str, str] | None:
        """The turn that the permit was granted for that is used next."""
        grant = None if self.solo else self._permits.first(float("-inf"))
        return (grant.caller, grant.campaign_id) if grant is not None else None

    @property
    def rate(self) -> float:
        """The rate that this replica can count on: its part of what the fleet has, or its own bucket's."""
        return self._local.rate if self.solo else self._told_rate

    @property
    def account_rate(self) -> float:
        """The present rate of the account; that of this replica's own bucket while it is solo."""
        return self._local.rate if self.solo else self._told_account_rate

    @property
    def limited_by_store(self) -> bool:
        """Whether the shared state is why this replica permits less than it could, or nothing."""
        return self.solo or self.suspended or self._heard_at is None

    @property
    def is_cut(self) -> bool:
        """Whether the rate is lower since Connect has throttled calls, not since the store is away."""
        return self._local.is_cut if self._is_local else self._told_account_rate < self.ceiling

    @property
    def is_unauthenticated(self) -> bool:
        """Whether AWS last refused the gateway's credentials or clock."""
        return self._local.is_unauthenticated

    def set_quota(self, now: float, rate: float, burst: float) -> None:
        """Tell the fleet another rate and burst, with the next tick; the lowest of all replicas apply.

        Without the shared state, a lower rate and burst apply to the own part at once, a higher one does not.
        """
        before = self._settings
        self._settings = replace(before, call_rate=rate, call_burst=burst)
        self._wants_tick = True
        if self.solo and before.call_rate and self._own_part[0] > 0.0:
            lower = min(1.0, rate / before.call_rate) if rate else 1.0
            own_rate, own_burst = self._own_part
            self._own_part = own_rate * lower, own_burst * min(1.0, burst / before.call_burst)
            self._local.set_quota(now, *self._own_part)

    def ready_at(self, now: float) -> float:
        """Return when the next permit can be taken: `now` or later."""
        self._advance(now)
        if self._heard_at is None or self._left or self.suspended:
            return now + NEVER_S
        if self._heard_at + SOLO_AFTER_S <= now < self.pauses.waits_until:
            return self.pauses.waits_until
        if self._is_local:
            return self._locally_ready_at(now)
        grant = self._permits.first(now)
        return max(now, grant.start, self._local.paused_until) if grant is not None else now + NEVER_S

    def take(self, now: float) -> bool:
        """Take a permit at `now`, if there is one."""
        if self.ready_at(now) > now:
            return False
        return self._local.take(now) if self._is_local else self._permits.take(now)

    def give_back(self, now: float, permits: int) -> None:
        """Take back the permits of calls that never left."""
        for _ in range(permits):
            if self._is_local:
                self._local.give_back(now, 1)
            else:
                self._permits.give_back()

    def in_flight(self, now: float, calls: int) -> None:
        """Note how many calls are in flight from `now` on."""
        self._local.in_flight(now, calls)
        self._calls.note(now, calls)

    def available_share(self, now: float) -> float:
        """Return the share of the burst that is available to the fleet: from 0 (no permit) to 1 (all)."""
        self._advance(now)
        return self._local.available_share(now) if self._is_local else self._share

    def throttled(self, now: float, left_at: float) -> None:
        """Note that Connect throttled a call: the fleet slows down, or this replica if it is solo."""
        number = self._permits.number_at(left_at)
        if self._is_local or number is None:
            self._local.throttled(now, left_at)
        else:
            self._throttled.append(number)

    def not_throttled(self, now: float) -> None:
        """Note that Connect did not throttle a call, whatever it answered."""
        self._accepted += 1
        self._local.not_throttled(now)

    def authentication_failed(self, now: float, left_at: float) -> bool:
        """Note that AWS refused the credentials or the clock; each replica pauses for itself."""
        return self._local.authentication_failed(now, left_at)

    def authenticated(self) -> None:
        """Note that AWS accepted the credentials."""
        self._local.authenticated()

    # --- for the shell ------------------------------------------------------------------------------

    def is_idle(self, now: float) -> bool:
        """Return whether this replica had nothing to do for a while, and the fleet nothing new."""
        return self._pending is None and self._idleness.lasts(now) and not self._is_active(now)

    def tick_at(self, now: float) -> float:
        """Return when the next tick is wanted."""
        self._advance(now)
        gap_s = IDLE_BEAT_EVERY_S if self.is_idle(now) else BEAT_EVERY_S
        if self._pending is None and not self._left:
            if self._is_urgent(now):
                gap_s = LEAST_GAP_S
            elif self._demand.exists or not self._trust:
                gap_s = BUSY_BEAT_EVERY_S
            if self._has_released(now):
                gap_s = min(gap_s, RELEASE_GAP_S)
        return max(now, self._sent_at + gap_s)

    def tick(self, now: float, gone: Sequence[str] = (), *, leaving: bool = False) -> TickRequest:
        """Return the next tick: the last one again if it was not answered.

        `leaving`: the replica sends nothing from now on.
        """
        self._advance(now)
        self._sent_at = now
        if self._is_active(now):
            self._idleness.disturbed(now)
        if self._pending is not None and not leaving:
            return self._pending
        if leaving:
            self._left = True
            self._report_again()
        return self._next(now, gone)

    def ticked(self, sent_at: float, now: float, reply: TickReply) -> None:
        """Take the reply to the last tick, which was sent at `sent_at`."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if reply.name_taken:
            self._shut_out()
            return
        self._trust.replied(now - sent_at, had_reply=self._heard_at is not None)
        is_old = self._heard_at is not None and now - sent_at > SOLO_AFTER_S
        if is_old or not self._trust:
            self._permits.returned.update({grant.number: grant.count for grant in reply.permits})
            return
        # The store grants permits again when the next tick has acknowledged this reply.
        self._wants_tick = self.solo or reply.epoch != self._epoch
        if reply.epoch != self._epoch:
            self._permits.forget()
            self._throttled.clear()
        self._epoch, self._acknowledged, self._heard_at = reply.epoch, pending.sequence, now
        self._idleness.replied(now, reply)
        self._follow(now, reply)
        self._granted_last = sum(grant.count for grant in reply.permits)
        self.granted += self._granted_last
        for grant in reply.permits:
            self._permits.add(now, min(sent_at, self._first_sent_at), grant)
        self.solo = False

    def tick_failed(self, now: float) -> None:
        """Note that the last tick was not answered; it is repeated."""
        self._trust.failed(had_reply=self._heard_at is not None)
        self._advance(now)

    # --- implementation -------------------------------------------------------------------------------

    def _is_active(self, now: float) -> bool:
        """Whether there are calls to make or in flight, or the store is not relied on."""
        return self._demand.exists or self._calls.in_flight(now) > 0 or self.solo or not self._trust

    @property
    def _is_local(self) -> bool:
        """Whether calls are permitted by the replica's own bucket: without the store, or without a limit."""
        return self.solo or not self.ceiling

    def _shut_out(self) -> None:
        """Send nothing: another live replica has this name, so no part of the quota is reserved here."""
        self._permits.forget()
        self._throttled.clear()
        self._heard_at, self._epoch, self.members, self.solo = None, "", (), False

    def _locally_ready_at(self, now: float) -> float:
        if not self._may_be_local(now):
            return now + NEVER_S
        ready_at = self._local.ready_at(now)
        return ready_at if ready_at <= now else max(ready_at, now + LATER_S)

    def _may_be_local(self, now: float) -> bool:
        if not self.solo:
            return True
        heard_at = self._heard_at if self._heard_at is not None else float("-inf")
        may_use_part = not self.ceiling or self._own_part[0] > 0.0
        return may_use_part and now < heard_at + self._agreed.longest_outage_s

    def _advance(self, now: float) -> None:
        """Become solo if no reply has arrived for a while. The own bucket is empty at first."""
        if self.solo or self._heard_at is None:
            return
        solo_from = max(self._heard_at + SOLO_AFTER_S, self.pauses.waits_until)
        if now >= solo_from:
            self.solo = True
            self._permits.return_all()
            self._local.restart(solo_from, *self._own_part, least=0.0)

    def _is_urgent(self, now: float) -> bool:
        """Whether the next tick should not wait for its regular time."""
        if self.solo or self._heard_at is None or not self._trust:
            return False
        if self._wants_tick or self._throttled:
            return True
        grant = self._permits.first(now)
        if not self._demand.exists:
            return self._others_wait and (grant is not None or bool(self._permits.returned))
        if grant is None:
            missed = not self._reported_calls or not self._reported_room
            return (missed and self._room(now) > 0) or self._granted_last > 0 or bool(self._permits.used)
        return grant.start > now and self._demand.priority < self._reported_priority

    def _has_released(self, now: float) -> bool:
        """Whether calls have returned that the store still counts against the burst."""
        if self.solo or self._heard_at is None:
            return False
        return self._calls.in_flight(now) < self._reported_in_flight + self._permits.used.total()

    def _report_again(self) -> None:
        """Report the permits of an unanswered tick again; the store counts each once."""
        if self._pending is not None:
            self._permits.used.update(dict(self._pending.used))
            self._permits.returned.update(dict(self._pending.returned))

    def _room(self, now: float) -> int:
        """Return how many permits can be used soon; further attempts of calls in flight need no new place.

        While AWS refuses the credentials, that is one.
        """
        return 1 if self.is_unauthenticated else self._calls.room(now) + self._demand.retries

    def _next(self, now: float, gone: Sequence[str]) -> TickRequest:
        """Make a new tick, which reports everything since the last one."""
        if self._left or (self._others_wait and not self._demand.exists):
            self._permits.return_all()
        permits, budget = self._permits, self.budget
        permits.first(now)
        rows = () if self._left else self._demand.rows(now)
        retries = 0 if self._left else self._demand.retries
        self._sequence += 1
        self._first_sent_at = now
        self._reported_room = self._room(now)
        self._reported_in_flight = self._calls.in_flight(now)
        self._pending = TickRequest(
            member=self.member,
            name=self.name,
            sequence=self._sequence,
            settings=self._settings,
            acknowledged=self._acknowledged,
            epoch=self._epoch,
            known=tuple(self.members),
            used=_pairs(permits.used),
            returned=_pairs(permits.returned),
            in_flight=self._reported_in_flight,
            room=self._reported_room,
            throttled=tuple(self._throttled),
            accepted=self._accepted,
            first_attempts=budget.first_attempts,
            retries=budget.retries,
            retries_waiting=retries,
            demand=rows,
            gone=tuple(gone),
            leaving=self._left,
        )
        self._reported_calls = sum(row.calls for row in rows) + retries
        self._reported_priority = self._demand.priority
        self._forget_reported()
        return self._pending

    def _forget_reported(self) -> None:
        """Begin to count again, since the new tick reports what was counted so far."""
        permits, budget = self._permits, self.budget
        self.returned += permits.returned.total()
        permits.used.clear()
        permits.returned.clear()
        self._throttled.clear()
        self._accepted = budget.first_attempts = budget.retries = 0

    def _follow(self, now: float, reply: TickReply) -> None:
        """Take what a reply says about the fleet."""
        self.members, self.differing, self._agreed = reply.members, reply.differing, reply.settings
        self._told_account_rate, ceiling = reply.rate, reply.settings.call_rate
        if ceiling != self.ceiling:
            self.ceiling = ceiling
            self._local.restart(now, ceiling, reply.settings.call_burst)
        self.budget.replied(reply.retry_credit)
        own = [member for member in reply.members if member.member == self.member]
        self._own_part = (own[0].local_rate, own[0].local_burst) if own else (0.0, 0.0)
        self._share = max(0.0, (reply.tokens - 1.0) / max(reply.settings.call_burst - 1.0, 1.0))
        self._others_wait = reply.backlog > self._reported_calls
        live = sum(not member.lost for member in reply.members)
        part = self._reported_calls / reply.backlog if self._others_wait else 1.0
        self._told_rate = reply.rate * max(part, 1.0 / max(1, live))


def _pairs(counts: Counter[int]) -> tuple[tuple[int, int], ...]:
    return tuple((number, count) for number, count in counts.items() if count > 0)
