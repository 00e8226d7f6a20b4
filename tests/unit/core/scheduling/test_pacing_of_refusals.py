"""Which permits return to the bucket, and how long calls pause while AWS refuses credentials."""

import pytest

from gateway.core.scheduling.pacing import (
    AUTHENTICATION_PATIENCE_S,
    FIRST_AUTHENTICATION_PAUSE_S,
    LONGEST_AUTHENTICATION_PAUSE_S,
    WINDOW_S,
    Pacer,
    RecentThroughput,
)
from tests.unit.core.making import NOW


def burst_of(pacer: Pacer, now: float) -> int:
    """Take all permits there are; return how many."""
    return next(taken for taken in range(1_000) if not pacer.take(now))


def test_as_many_permits_come_back_as_calls_did_not_leave() -> None:
    pacer = Pacer(10.0, 10.0)
    pacer.give_back(NOW, 3)
    assert burst_of(pacer, NOW) == 10
    pacer.give_back(NOW, 3)
    assert burst_of(pacer, NOW) == 3


def test_what_was_gained_before_a_new_quota_was_gained_at_the_old_rate() -> None:
    pacer = Pacer(1.0, 10.0)
    assert burst_of(pacer, NOW) == 10
    pacer.set_quota(NOW + 2.0, 100.0, 10.0)
    assert burst_of(pacer, NOW + 2.0) == 2


def test_what_was_gained_while_calls_were_in_flight_left_room_for_them() -> None:
    """The end of a call makes room from then on, not for the time before."""
    pacer = Pacer(10.0, 10.0)
    assert burst_of(pacer, NOW) == 10
    pacer.in_flight(NOW, 8)
    pacer.in_flight(NOW + 5.0, 0)
    assert burst_of(pacer, NOW + 5.0) == 2
    assert burst_of(pacer, NOW + 5.5) == 5


def pauses_s(pacer: Pacer, now: float, refusals: int) -> list[float]:
    """Let AWS refuse calls that leave as soon as they may; return the pauses in seconds after them."""
    pauses = []
    for _ in range(refusals):
        pacer.authentication_failed(now, now)
        ready_at = pacer.ready_at(now)
        pauses.append(ready_at - now)
        now = ready_at
    return pauses


def test_pauses_double_while_aws_refuses_the_credentials_and_begin_small_again() -> None:
    pacer = Pacer(0.0, 1.0)
    doubled = [min(FIRST_AUTHENTICATION_PAUSE_S * 2**n, LONGEST_AUTHENTICATION_PAUSE_S) for n in range(8)]
    assert doubled[-2:] == [LONGEST_AUTHENTICATION_PAUSE_S] * 2
    assert pauses_s(pacer, NOW, 8) == pytest.approx(doubled)
    pacer.authenticated()
    assert pauses_s(pacer, NOW + 1_000.0, 8) == pytest.approx(doubled)


def test_a_refusal_of_credentials_lasts_from_its_first_call_on() -> None:
    pacer = Pacer(10.0, 10.0)
    assert pacer.authentication_failed(NOW, NOW) is False
    assert pacer.authentication_failed(NOW + AUTHENTICATION_PATIENCE_S - 0.001, NOW) is False
    assert pacer.authentication_failed(NOW + AUTHENTICATION_PATIENCE_S, NOW) is True
    pacer.authenticated()
    assert pacer.authentication_failed(NOW + AUTHENTICATION_PATIENCE_S, NOW) is False


def test_calls_that_left_before_a_pause_do_not_lengthen_it() -> None:
    pacer = Pacer(0.0, 1.0)
    pacer.authentication_failed(NOW + 0.1, NOW)
    pacer.authentication_failed(NOW + 0.2, NOW + 0.05)
    assert pacer.ready_at(NOW + 0.2) == pytest.approx(NOW + 0.1 + FIRST_AUTHENTICATION_PAUSE_S)


def test_the_best_window_counts_though_a_worse_one_follows() -> None:
    throughput = RecentThroughput()
    for number in range(20):
        throughput.note(NOW + number * WINDOW_S / 20)
    throughput.note(NOW + WINDOW_S)
    throughput.note(NOW + 3 * WINDOW_S)
    assert throughput.best(0.0) == pytest.approx(20 / WINDOW_S)
