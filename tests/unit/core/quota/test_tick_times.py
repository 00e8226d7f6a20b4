"""When a replica wants its next tick: at once if permits are missing or not needed, otherwise regularly."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.fleet.messages import Member
from gateway.core.model import Priority
from gateway.core.quota.beat_times import BEAT_EVERY_S, BUSY_BEAT_EVERY_S, IDLE_AFTER_S, IDLE_BEAT_EVERY_S
from gateway.core.quota.fleet_permits import LEAST_GAP_S, SOLO_AFTER_S
from tests.unit.core.quota.replica import LATE_S, NOW, SETTINGS, Bench, grant


def settled(bench: Bench, now: float = NOW + 0.2) -> float:
    """Let the replica exchange a tick with nothing to do; return when it was sent."""
    bench.tick(now)
    return now


def idle(bench: Bench, **reply: Any) -> float:
    """Exchange ticks with nothing to do until the replica is idle; return when the last one was sent."""
    now = NOW + 0.2
    while now < NOW + 0.2 + IDLE_AFTER_S:
        bench.tick(now, **reply)
        now += BEAT_EVERY_S
    return now - BEAT_EVERY_S


def gap_s(bench: Bench, sent_at: float) -> float:
    """Return the time between the last tick and the next, if nothing happens."""
    return round(bench.permits.tick_at(sent_at + 2 * LATE_S) - sent_at, 6)


def test_a_replica_ticks_five_times_a_second_until_it_has_been_idle_for_a_while(bench: Bench) -> None:
    sent_at = settled(bench)
    while sent_at < NOW + IDLE_AFTER_S:
        assert gap_s(bench, sent_at) == BEAT_EVERY_S
        sent_at += BEAT_EVERY_S
        bench.tick(sent_at)
    assert gap_s(bench, sent_at) == IDLE_BEAT_EVERY_S
    bench.tick(sent_at + IDLE_BEAT_EVERY_S, grant(7))  # a permit in advance is nothing to do
    assert gap_s(bench, sent_at + IDLE_BEAT_EVERY_S) == IDLE_BEAT_EVERY_S


@pytest.mark.parametrize(
    "reply",
    [
        {"epoch": "e2"},
        {"members": (Member("a-1", "a", False, 4.0, 3.0), Member("b-1", "b", True, 5.0, 5.0))},
        {"rate": 5.0},
        {"settings": replace(SETTINGS, call_rate=9.0)},
        {"differing": ("call_rate",)},
        {"backlog": 1},
    ],
    ids=lambda reply: str(*reply),
)
def test_news_of_the_fleet_end_idleness(bench: Bench, reply: dict[str, Any]) -> None:
    """A member that is lost or has calls to make, or another rate: it is followed as closely as before."""
    sent_at = idle(bench)
    assert gap_s(bench, sent_at) == IDLE_BEAT_EVERY_S
    sent_at += IDLE_BEAT_EVERY_S
    bench.tick(sent_at, **reply)
    assert gap_s(bench, sent_at) <= BEAT_EVERY_S
    bench.tick(sent_at + BEAT_EVERY_S, **reply)
    assert gap_s(bench, sent_at + BEAT_EVERY_S) == BEAT_EVERY_S


def test_an_idle_replica_asks_for_its_first_permit_at_once(bench: Bench) -> None:
    sent_at = idle(bench)
    bench.demand.calls = 1
    assert bench.permits.tick_at(sent_at + 0.05) == sent_at + 0.05
    bench.demand.calls = 0
    assert gap_s(bench, sent_at) == IDLE_BEAT_EVERY_S


def test_a_replica_that_had_calls_to_make_is_not_idle_at_once(bench: Bench) -> None:
    sent_at = idle(bench) + IDLE_BEAT_EVERY_S
    bench.demand.calls = 1
    bench.tick(sent_at)
    bench.demand.calls = 0
    assert gap_s(bench, sent_at) == BEAT_EVERY_S


def test_a_call_with_a_permit_in_advance_ends_idleness(bench: Bench) -> None:
    """The store must learn of it, and grants another permit in advance, as soon as otherwise."""
    sent_at = idle(bench)
    bench.tick(sent_at + 0.3, grant(7))
    assert bench.permits.take(sent_at + 0.35)
    bench.permits.in_flight(sent_at + 0.35, 1)
    assert gap_s(bench, sent_at + 0.3) == BEAT_EVERY_S
    bench.tick(sent_at + 0.5)
    bench.permits.in_flight(sent_at + 0.55, 0)
    bench.tick(sent_at + 0.6)
    assert gap_s(bench, sent_at + 0.6) == BEAT_EVERY_S, "for a while"


def test_calls_in_flight_end_idleness(bench: Bench) -> None:
    sent_at = idle(bench)
    bench.permits.in_flight(sent_at + 0.01, 1)
    assert gap_s(bench, sent_at) == BEAT_EVERY_S


def test_an_idle_replica_repeats_a_tick_that_failed_after_the_shorter_time(bench: Bench) -> None:
    sent_at = idle(bench) + IDLE_BEAT_EVERY_S
    bench.permits.tick(sent_at)
    bench.permits.tick_failed(sent_at + 0.01)
    assert gap_s(bench, sent_at) == BEAT_EVERY_S


def test_a_replica_without_the_store_is_not_idle(bench: Bench) -> None:
    sent_at = idle(bench)
    late = sent_at + SOLO_AFTER_S + 0.1
    assert bench.permits.tick_at(late) == late
    bench.permits.tick(late)
    assert bench.permits.solo
    assert gap_s(bench, late) == BEAT_EVERY_S


def test_a_tick_is_wanted_at_once_when_calls_appear_and_no_permit_is_left(bench: Bench) -> None:
    sent_at = settled(bench)
    bench.demand.calls = 1
    assert bench.permits.tick_at(sent_at + LEAST_GAP_S / 2) == pytest.approx(sent_at + LEAST_GAP_S)
    assert bench.permits.tick_at(sent_at + 0.05) == sent_at + 0.05


def test_calls_that_were_reported_without_a_grant_wait_for_the_next_regular_tick(bench: Bench) -> None:
    settled(bench)
    bench.demand.calls = 1
    bench.tick(NOW + 0.3)
    assert bench.permits.tick_at(NOW + 0.35) == pytest.approx(NOW + 0.3 + BUSY_BEAT_EVERY_S)


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
    assert bench.permits.tick_at(NOW + 0.25) == pytest.approx(NOW + 0.2 + BEAT_EVERY_S)


def test_a_replica_whose_calls_all_take_long_asks_for_nothing(bench: Bench) -> None:
    bench.permits.in_flight(NOW, 8)
    assert bench.tick(NOW + 0.1).room == 8
    request = bench.tick(NOW + 0.4)
    assert (request.room, request.in_flight) == (0, 8)
    request = bench.tick(NOW + 1.1)
    assert (request.room, request.in_flight) == (0, 0)
    bench.demand.calls = 1
    assert bench.permits.tick_at(NOW + 1.15) > NOW + 1.15
    bench.permits.in_flight(NOW + 1.2, 7)
    assert bench.permits.tick_at(NOW + 1.2) == NOW + 1.2


def test_calls_that_wait_for_a_further_attempt_leave_room_for_its_permit(bench: Bench) -> None:
    """If calls that wait for a further attempt take all places, their permits can still be granted."""
    bench.permits.in_flight(NOW, 8)
    bench.demand.retries = 8
    assert bench.tick(NOW + 10.0).room == 8


def test_a_call_that_has_returned_is_reported_soon(bench: Bench) -> None:
    """Until then the store counts it against the burst, and the bucket of the fleet does not fill."""
    bench.tick(NOW, grant(7))
    assert bench.permits.take(NOW + 0.05)
    bench.permits.in_flight(NOW + 0.05, 1)
    assert bench.permits.tick_at(NOW + 0.06) == NOW + BEAT_EVERY_S
    bench.permits.in_flight(NOW + 0.1, 0)
    assert bench.permits.tick_at(NOW + 0.1) == NOW + 0.1
    request = bench.tick(NOW + 0.1)
    assert (request.used, request.in_flight) == (((7, 1),), 0)
    assert bench.permits.tick_at(NOW + 0.14) == NOW + 0.1 + BEAT_EVERY_S
