"""A replica uses permits only while the store counts on them, and reports what becomes of each."""

import pytest

from gateway.core.fleet.messages import FleetSettings, Member
from gateway.core.quota.fleet_permits import NEVER_S
from gateway.core.scheduling.pacing import FIRST_AUTHENTICATION_PAUSE_S
from tests.unit.core.quota.replica import LATE_S, NOW, Bench, grant


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


def test_a_refusal_of_credentials_pauses_this_replica(bench: Bench) -> None:
    bench.tick(NOW, grant(7, count=3))
    bench.permits.take(NOW + 0.1)
    bench.permits.authentication_failed(NOW + 0.1, NOW + 0.1)
    assert bench.permits.ready_at(NOW + 0.1) == pytest.approx(NOW + 0.1 + FIRST_AUTHENTICATION_PAUSE_S)
    assert bench.tick(NOW + 0.2).room == 1
    bench.permits.authenticated()
    assert not bench.permits.is_unauthenticated


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


def test_without_a_limit_calls_are_permitted_by_the_replica_itself() -> None:
    bench = Bench()
    unlimited = FleetSettings(0.0, 10.0, 1200.0)
    assert not bench.permits.take(NOW)
    bench.tick(NOW, settings=unlimited, rate=0.0, members=(Member("a-1", "a"),))
    assert all(bench.permits.take(NOW + 1.0) for _ in range(1000))
    assert all(bench.permits.take(NOW + 30.0) for _ in range(1000))


def test_another_quota_is_told_with_the_next_tick(bench: Bench) -> None:
    """The store decides what applies to the fleet; until it has, nothing changes here."""
    bench.permits.set_quota(NOW, 4.0, 5.0)
    request = bench.permits.tick(NOW)
    assert (request.settings.call_rate, request.settings.call_burst) == (4.0, 5.0)
    assert bench.permits.ceiling == 10.0
    bench.reply(NOW, NOW + LATE_S, settings=request.settings, rate=4.0)
    assert bench.permits.ceiling == 4.0


def test_a_lower_rate_of_the_account_is_cut_and_a_share_of_it_is_not(bench: Bench) -> None:
    bench.tick(NOW + 0.2, rate=10.0, backlog=30)
    assert bench.permits.rate < 10.0
    assert not bench.permits.is_cut
    bench.tick(NOW + 0.4, rate=7.0)
    assert bench.permits.is_cut
