"""A replica uses permits only while the store counts on them, and reports what becomes of each."""

from typing import Any

import pytest

from gateway.core.fleet.messages import DemandRow, FleetSettings, Member, PermitGrant, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.core.quota.permits import (
    BAD_TICKS,
    BUSY_TICK_EVERY_S,
    GOOD_TICKS,
    LEAST_GAP_S,
    NEVER_S,
    SLOW_S,
    SOLO_AFTER_S,
    TICK_EVERY_S,
    FleetPermits,
    QuotaMember,
)
from gateway.core.scheduling.pacing import FIRST_HINDERED_S
from gateway.shared_state.rules.membership import LOST_MS

NOW = 1_000.0
SETTINGS = FleetSettings(10.0, 10.0, 1200.0, longest_outage_s=60.0)
LATE_S = 0.03
"""How long a tick and its reply take together."""


class Demand:
    """Calls that could be made, as the test says."""

    def __init__(self) -> None:
        self.retries = 0
        self.calls = 0
        self.priority = int(Priority.NORMAL)

    @property
    def exists(self) -> bool:
        return bool(self.retries or self.calls)

    def rows(self, now: float) -> tuple[DemandRow, ...]:
        if not self.calls:
            return ()
        return (DemandRow(Priority(max(0, self.priority)), "", "campaign", self.calls, full=True),)


class Bench:
    """A replica of a fleet of two, and a store that says what the test wants."""

    def __init__(self) -> None:
        self.demand = Demand()
        self.permits = FleetPermits(QuotaMember("a-1", "a", SETTINGS), 8, self.demand)

    def tick(self, now: float, *grants: PermitGrant, **reply: Any) -> TickRequest:
        """Exchange a tick that is sent at `now`; the reply arrives a little later."""
        request = self.permits.tick(now)
        self.reply(now, now + LATE_S, *grants, **reply)
        return request

    def reply(self, sent_at: float, now: float, *grants: PermitGrant, **reply: Any) -> None:
        members = (Member("a-1", "a", False, 4.0, 3.0), Member("b-1", "b", False, 5.0, 5.0))
        told = {
            "epoch": "e1",
            "members": members,
            "settings": SETTINGS,
            "rate": 9.0,
            "retry_credit": 9.0,
        } | reply
        self.permits.ticked(sent_at, now, TickReply(permits=grants, **told))  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    """Provide a replica that has had its first reply at `NOW`."""
    bench = Bench()
    bench.tick(NOW - LATE_S)
    return bench


def grant(number: int, count: int = 1, start_in_ms: int = 0, end_in_ms: int = 500) -> PermitGrant:
    return PermitGrant(number, count, start_in_ms, end_in_ms, "caller", "campaign")


def test_nothing_is_permitted_before_the_first_reply() -> None:
    bench = Bench()
    bench.permits.tick(NOW)
    assert bench.permits.ready_at(NOW + 100.0) == NOW + 100.0 + NEVER_S
    assert not bench.permits.take(NOW + 100.0)
    assert not bench.permits.solo


def test_a_permit_starts_after_its_reply_arrived_and_ends_after_its_tick_was_sent(bench: Bench) -> None:
    bench.tick(NOW, grant(7, start_in_ms=100))
    assert bench.permits.ready_at(NOW + LATE_S) == pytest.approx(NOW + LATE_S + 0.1)
    assert not bench.permits.take(NOW + 0.1)
    assert bench.permits.hint == ("caller", "campaign")
    assert bench.permits.take(NOW + 0.499)


def test_a_permit_that_was_not_used_in_time_is_returned(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    assert bench.permits.take(NOW + 0.1)
    assert not bench.permits.take(NOW + 0.5)
    request = bench.permits.tick(NOW + 0.5)
    assert (request.used, request.returned) == (((7, 1),), ((7, 2),))
    assert bench.permits.granted == 3
    assert bench.permits.returned == 2


def test_the_reply_to_a_repeated_tick_is_as_old_as_its_first_sending(bench: Bench) -> None:
    first = bench.permits.tick(NOW)
    bench.permits.tick_failed(NOW + 0.25)
    assert bench.permits.tick(NOW + 0.3) is first
    bench.reply(NOW + 0.3, NOW + 0.3 + LATE_S, grant(7))
    assert bench.permits.take(NOW + 0.45)
    bench.tick(NOW + 0.5, grant(8))
    bench.permits.tick(NOW + 1.0)
    bench.reply(NOW + 1.6, NOW + 1.6, grant(9))
    assert not bench.permits.take(NOW + 1.6)


def test_each_tick_acknowledges_the_last_reply_and_reports_what_is_new(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=2))
    bench.permits.take(NOW + 0.1)
    bench.permits.budget.earn()
    assert bench.permits.budget.spend()
    bench.permits.not_throttled(NOW + 0.15)
    request = bench.tick(NOW + 0.2)
    assert (request.sequence, request.acknowledged, request.epoch) == (3, 2, "e1")
    assert (request.used, request.accepted) == (((7, 1),), 1)
    assert (request.first_attempts, request.retries) == (1, 1)
    assert [member.member for member in request.known] == ["a-1", "b-1"]
    request = bench.tick(NOW + 0.4)
    assert (request.used, request.accepted, request.first_attempts, request.retries) == ((), 0, 0, 0)


def test_a_permit_whose_call_did_not_leave_is_returned(bench: Bench) -> None:
    bench.tick(NOW, grant(7))
    bench.permits.take(NOW + 0.1)
    bench.permits.give_back(NOW + 0.1, 1)
    request = bench.tick(NOW + 0.2)
    assert (request.used, request.returned) == ((), ((7, 1),))


def test_a_permit_that_was_reported_as_used_cannot_be_returned(bench: Bench) -> None:
    bench.tick(NOW, grant(7))
    bench.permits.take(NOW + 0.1)
    bench.tick(NOW + 0.2)
    bench.permits.give_back(NOW + 0.3, 1)
    assert bench.tick(NOW + 0.4).returned == ()


def test_permits_of_an_earlier_epoch_are_dropped(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=5))
    bench.tick(NOW + 0.1, epoch="e2")
    assert not bench.permits.take(NOW + 0.2)
    request = bench.tick(NOW + 0.2, epoch="e2")
    assert (request.used, request.returned, request.epoch) == ((), (), "e2")


def test_a_throttle_names_the_permit_of_its_call(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    for late in (0.05, 0.1, 0.15):
        assert bench.permits.take(NOW + late)
    bench.permits.throttled(NOW + 0.2, left_at=NOW + 0.1)
    assert bench.permits.tick_at(NOW + 0.2) == NOW + 0.2
    assert bench.tick(NOW + 0.2).throttled == (8,)
    assert bench.tick(NOW + 0.4).throttled == ()


# --- when ticks are wanted ---------------------------------------------------------------------------------


def settled(bench: Bench, now: float = NOW + 0.2) -> float:
    """Let the replica exchange a tick with nothing to do; return when it was sent."""
    bench.tick(now)
    return now


def test_an_idle_replica_ticks_five_times_a_second(bench: Bench) -> None:
    sent_at = settled(bench)
    assert bench.permits.tick_at(sent_at + 0.05) == pytest.approx(sent_at + TICK_EVERY_S)


def test_a_tick_is_wanted_at_once_when_calls_appear_and_no_permit_is_left(bench: Bench) -> None:
    sent_at = settled(bench)
    bench.demand.calls = 1
    assert bench.permits.tick_at(sent_at + LEAST_GAP_S / 2) == pytest.approx(sent_at + LEAST_GAP_S)
    assert bench.permits.tick_at(sent_at + 0.05) == sent_at + 0.05


def test_calls_that_were_reported_without_a_grant_wait_for_the_next_regular_tick(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 1
    bench.tick(NOW + 0.3)
    assert bench.permits.tick_at(NOW + 0.35) == pytest.approx(NOW + 0.3 + BUSY_TICK_EVERY_S)


def test_a_tick_is_wanted_at_once_when_the_granted_permits_are_used_up(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 2
    bench.tick(NOW + 0.3, grant(7))
    bench.permits.take(NOW + 0.35)
    assert bench.permits.tick_at(NOW + 0.36) == NOW + 0.36


def test_a_tick_is_wanted_at_once_for_a_more_urgent_call(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 2
    bench.tick(NOW + 0.3, grant(7, start_in_ms=200))
    assert bench.permits.tick_at(NOW + 0.35) > NOW + 0.36
    bench.demand.priority = int(Priority.HIGH)
    assert bench.permits.tick_at(NOW + 0.36) == NOW + 0.36


def test_permits_without_a_call_are_returned_at_once_if_others_wait(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 2
    bench.tick(NOW + 0.3, grant(7, count=2), backlog=9)
    bench.demand.calls = 0
    assert bench.permits.tick_at(NOW + 0.35) == NOW + 0.35
    assert bench.tick(NOW + 0.35).returned == ((7, 2),)


def test_permits_without_a_call_are_kept_if_nobody_waits(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 2
    bench.tick(NOW + 0.3, grant(7, count=2), backlog=2)
    bench.demand.calls = 0
    assert bench.tick(NOW + 0.5).returned == ()
    assert bench.permits.take(NOW + 0.6)


def test_a_tick_that_failed_is_repeated_after_the_usual_time(bench: Bench) -> None:
    bench.permits.tick(NOW + 0.2)
    bench.permits.tick_failed(NOW + 0.21)
    bench.demand.calls = 1
    assert bench.permits.tick_at(NOW + 0.25) == pytest.approx(NOW + 0.2 + TICK_EVERY_S)


# --- without the store ----------------------------------------------------------------------------------


def solo_calls(bench: Bench, begin: float, end: float) -> list[float]:
    """Return the instants of calls that leave as soon as they may."""
    instants, now = [], begin
    while (now := bench.permits.ready_at(now)) < end:
        assert bench.permits.take(now)
        instants.append(now)
    return instants


def test_without_replies_a_replica_uses_its_own_part_from_an_empty_bucket(bench: Bench) -> None:
    begin = NOW + SOLO_AFTER_S
    instants = solo_calls(bench, begin, begin + 10.0)
    assert bench.permits.solo
    assert instants[0] == pytest.approx(begin + 1 / 4.0)
    assert len(instants) in {39, 40}
    assert bench.permits.rate == 4.0


def test_the_own_part_has_its_own_burst(bench: Bench) -> None:
    late = NOW + 30.0
    assert [bench.permits.take(late) for _ in range(4)] == [True, True, True, False]


def test_a_replica_without_a_part_sends_nothing_without_the_store() -> None:
    bench = Bench()
    bench.tick(NOW, members=(Member("a-1", "a"),))
    assert not bench.permits.take(NOW + 30.0)


def test_the_store_reserves_the_part_before_the_replica_uses_it() -> None:
    """Clocks may differ by a tenth in their speed."""
    assert LOST_MS / 1000 * 1.1 < SOLO_AFTER_S


def test_nothing_is_sent_after_the_longest_outage(bench: Bench) -> None:
    assert bench.permits.take(NOW + 59.9)
    assert not bench.permits.take(NOW + 60.1)


def test_the_own_bucket_is_dropped_when_a_reply_arrives(bench: Bench) -> None:
    assert bench.permits.take(NOW + 10.0)
    bench.tick(NOW + 10.0)
    assert not bench.permits.solo
    assert not bench.permits.take(NOW + 10.1)
    assert bench.permits.tick_at(NOW + 10.1) == NOW + 10.1, "the store must learn that the bucket is dropped"


def test_a_throttle_without_the_store_slows_down_this_replica_only(bench: Bench) -> None:
    late = NOW + 10.0
    for second in range(2):
        bench.permits.take(late + second)
        bench.permits.throttled(late + second, late + second)
    assert bench.permits.ready_at(late + 1.0) > late + 1.0 + 1 / 4.0
    assert bench.tick(late + 2.0).throttled == ()


def test_a_replica_that_leaves_returns_its_permits_and_permits_nothing(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    bench.permits.take(NOW + 0.1)
    bench.demand.calls = 5
    request = bench.permits.tick(NOW + 0.2, leaving=True)
    assert request.leaving
    assert (request.used, request.returned, request.demand) == (((7, 1),), ((7, 2),), ())
    assert not bench.permits.take(NOW + 0.2)
    assert not bench.permits.take(NOW + 30.0)


def test_a_replica_that_leaves_reports_an_unanswered_tick_again(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    bench.permits.take(NOW + 0.1)
    unanswered = bench.permits.tick(NOW + 0.2)
    request = bench.permits.tick(NOW + 0.3, leaving=True)
    assert request.sequence == unanswered.sequence + 1
    assert request.used == unanswered.used == ((7, 1),)


# --- the rest --------------------------------------------------------------------------------------------


def test_a_refusal_of_credentials_pauses_this_replica(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    bench.permits.take(NOW + 0.1)
    bench.permits.hinder(NOW + 0.1, NOW + 0.1)
    assert bench.permits.ready_at(NOW + 0.1) == pytest.approx(NOW + 0.1 + FIRST_HINDERED_S)
    assert bench.tick(NOW + 0.2).room == 1
    bench.permits.recognized()
    assert not bench.permits.hindered


def test_a_forecast_counts_on_the_replicas_part_of_the_backlog(bench: Bench) -> None:
    bench.demand.calls = 30
    bench.tick(NOW, backlog=40)
    assert bench.permits.rate == pytest.approx(9.0 * 0.75)
    bench.tick(NOW + 0.2, backlog=3000)
    assert bench.permits.rate == pytest.approx(9.0 / 2)
    bench.tick(NOW + 0.4, backlog=30)
    assert bench.permits.rate == 9.0


def test_the_retry_budget_is_that_of_the_fleet(bench: Bench) -> None:
    bench.tick(NOW, retry_credit=1.5)
    assert bench.permits.budget.spend()
    assert not bench.permits.budget.spend()
    bench.tick(NOW + 0.2, retry_credit=-3.0)
    assert not bench.permits.budget.spend()


def test_a_replica_whose_calls_all_take_long_asks_for_nothing(bench: Bench) -> None:
    bench.permits.under_way(NOW, 8)
    assert bench.tick(NOW + 0.1).room == 8
    request = bench.tick(NOW + 0.4)
    assert (request.room, request.in_flight) == (0, 8)
    request = bench.tick(NOW + 1.1)
    assert (request.room, request.in_flight) == (0, 0)
    bench.demand.calls = 1
    assert bench.permits.tick_at(NOW + 1.15) > NOW + 1.15
    bench.permits.under_way(NOW + 1.2, 7)
    assert bench.permits.tick_at(NOW + 1.2) == NOW + 1.2


def test_without_a_limit_calls_are_permitted_by_the_replica_itself() -> None:
    bench = Bench()
    unlimited = FleetSettings(0.0, 10.0, 1200.0)
    assert not bench.permits.take(NOW)
    bench.tick(NOW, settings=unlimited, rate=0.0, members=(Member("a-1", "a"),))
    assert all(bench.permits.take(NOW + 1.0) for _ in range(1000))
    assert all(bench.permits.take(NOW + 30.0) for _ in range(1000))


def test_calls_that_wait_for_a_further_attempt_leave_room_for_its_permit(bench: Bench) -> None:
    """If calls that wait for a further attempt take all places, their permits can still be granted."""
    bench.permits.under_way(NOW, 8)
    bench.demand.retries = 8
    assert bench.tick(NOW + 10.0).room == 8


# --- a slow store ------------------------------------------------------------------------------------------


def bad_ticks(bench: Bench, now: float, count: int, **reply: Any) -> float:
    """Exchange ticks whose replies come late, with a grant each; return when the last reply came."""
    for _ in range(count):
        bench.permits.tick(now)
        bench.reply(now, now + SLOW_S + 0.02, grant(7), **reply)
        now += SLOW_S + 0.02
    return now


def test_a_slow_reply_now_and_then_is_used(bench: Bench) -> None:
    now = bad_ticks(bench, NOW, BAD_TICKS - 1)
    assert bench.permits.take(now)
    assert not bench.permits.solo


def test_replies_of_a_slow_store_are_ignored_and_not_acknowledged(bench: Bench) -> None:
    """Otherwise the replica would neither have permits in time nor become solo."""
    last_heard_at = bad_ticks(bench, NOW, BAD_TICKS - 1)
    acknowledged = bench.permits.tick(last_heard_at).sequence - 1
    bench.reply(last_heard_at, last_heard_at + SLOW_S + 0.02, grant(8))
    now = bad_ticks(bench, last_heard_at + SLOW_S + 0.02, 5)
    request = bench.permits.tick(now)
    assert request.acknowledged == acknowledged
    assert (7, 1) in request.returned
    assert bench.permits.ready_at(now + 1.0) == now + 1.0
    assert bench.permits.solo
    assert bench.permits.account_rate == 4.0


def test_a_replica_uses_the_store_again_after_several_good_ticks_in_a_row(bench: Bench) -> None:
    now = bad_ticks(bench, NOW, 12)
    for number in range(GOOD_TICKS):
        assert bench.permits.solo
        now += BUSY_TICK_EVERY_S
        assert bench.permits.tick_at(now) <= now + BUSY_TICK_EVERY_S
        bench.tick(now, grant(20 + number))
    assert not bench.permits.solo
    assert bench.permits.take(now + LATE_S)
    assert not bench.permits.take(now + LATE_S), "the permits of ignored replies are returned"


def test_the_own_bucket_permits_no_more_than_its_burst_while_calls_are_under_way(bench: Bench) -> None:
    late = NOW + 30.0
    for calls in range(1, 4):
        assert bench.permits.take(late)
        bench.permits.under_way(late, calls)
    assert not bench.permits.take(late + 5.0)
    assert bench.permits.ready_at(late + 5.0) > late + 5.0
    bench.permits.under_way(late + 5.0, 2)
    assert bench.permits.take(late + 6.0)


def test_a_call_that_has_returned_is_reported_soon(bench: Bench) -> None:
    """Until then the store counts it against the burst, and the bucket of the fleet does not fill."""
    bench.tick(NOW, grant(7))
    assert bench.permits.take(NOW + 0.05)
    bench.permits.under_way(NOW + 0.05, 1)
    assert bench.permits.tick_at(NOW + 0.06) == NOW + TICK_EVERY_S
    bench.permits.under_way(NOW + 0.1, 0)
    assert bench.permits.tick_at(NOW + 0.1) == NOW + 0.1
    request = bench.tick(NOW + 0.1)
    assert (request.used, request.in_flight) == (((7, 1),), 0)
    assert bench.permits.tick_at(NOW + 0.14) == NOW + 0.1 + TICK_EVERY_S


def test_a_replica_whose_name_another_one_has_sends_nothing(bench: Bench) -> None:
    """Not even its own part: nothing is reserved for it."""
    bench.tick(NOW, grant(7, count=3))
    bench.tick(NOW + 0.1, epoch="", members=(), name_taken=True)
    for later_s in (0.15, SOLO_AFTER_S + 0.2, 10.0):
        assert not bench.permits.take(NOW + later_s)
        assert not bench.permits.solo
    bench.tick(NOW + 11.0, grant(9))
    assert bench.permits.take(NOW + 11.1)


def test_another_quota_is_told_with_the_next_tick(bench: Bench) -> None:
    """The store decides what applies to the fleet; until it has, nothing changes here."""
    bench.permits.set_quota(NOW, 4.0, 5.0)
    request = bench.permits.tick(NOW)
    assert (request.settings.call_rate, request.settings.call_burst) == (4.0, 5.0)
    assert bench.permits.ceiling == 10.0
    bench.reply(NOW, NOW + LATE_S, settings=request.settings, rate=4.0)
    assert bench.permits.ceiling == 4.0


@pytest.mark.parametrize(("rate", "part"), [(5.0, 2.0), (20.0, 4.0)])
def test_without_the_store_only_a_lower_quota_applies(bench: Bench, rate: float, part: float) -> None:
    """The others cannot know of a higher one, and have their own parts of the old one."""
    bench.demand.calls = 100
    now = NOW + SOLO_AFTER_S + LATE_S
    assert bench.permits.ready_at(now) > now
    assert (bench.permits.solo, bench.permits.rate) == (True, 4.0)
    bench.permits.set_quota(now, rate, 10.0)
    assert bench.permits.rate == part
    taken = 0
    for step in range(1, 2_001):
        taken += bench.permits.take(now + step * 0.01)
    assert taken <= 20 * part + 3
