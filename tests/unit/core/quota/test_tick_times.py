"""When a replica wants its next tick: at once if permits are missing or not needed, else regularly."""

import pytest

from gateway.core.model import Priority
from gateway.core.quota.permits import BUSY_TICK_EVERY_S, LEAST_GAP_S, TICK_EVERY_S
from tests.unit.core.quota.replica import NOW, Bench, grant


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


def test_calls_that_wait_for_a_further_attempt_leave_room_for_its_permit(bench: Bench) -> None:
    """If calls that wait for a further attempt take all places, their permits can still be granted."""
    bench.permits.under_way(NOW, 8)
    bench.demand.retries = 8
    assert bench.tick(NOW + 10.0).room == 8


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
