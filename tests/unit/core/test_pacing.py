"""When calls may leave: the bucket, what a throttle does to it, and how it recovers."""

import random

import pytest

from gateway.core.pacing import CUT, FIRST_PAUSE_S, LONGEST_PAUSE_S, RECOVERY_S, SLACK, Pacer
from tests.unit.core.making import NOW


def burst_of(pacer: Pacer, now: float) -> int:
    """Take all permits there are; return how many."""
    taken = 0
    while taken < 1_000 and pacer.take(now):
        taken += 1
    return taken


def greedy_instants(pacer: Pacer, until: float) -> list[float]:
    """Take every permit the moment it is there; return when."""
    now, instants = NOW, []
    while (now := pacer.ready_at(now)) < until:
        assert pacer.take(now), "a permit was announced, and was not there"
        instants.append(now)
    return instants


def assert_within(instants: list[float], rate: float, burst: float) -> None:
    """Check that in no window are more permits than its share of the rate, and the burst."""
    level, before = burst, NOW
    for instant in instants:
        level = min(burst, level + (instant - before) * rate) - 1.0
        assert level > -1e-3
        before = instant


@pytest.mark.parametrize(("rate", "burst"), [(10.0, 10.0), (1.0, 1.0), (0.5, 3.0), (250.0, 2.0), (3.3, 7.7)])
def test_long_run_rate_and_burst(rate: float, burst: float) -> None:
    """Over 100 seconds the whole rate is used, and no window has more than burst + rate * t."""
    instants = greedy_instants(Pacer(rate, burst), NOW + 100.0)
    assert rate * 100.0 - 1.0 <= len(instants) <= burst + rate * 100.0
    assert_within(instants, rate, burst)


@pytest.mark.parametrize("seed", range(5))
def test_random_use_stays_within_every_window(seed: int) -> None:
    """However irregularly permits are taken, no window has too many."""
    rng, pacer = random.Random(seed), Pacer(10.0, 10.0)
    now, instants = NOW, []
    for _ in range(2_000):
        now += rng.choice([0.0, 0.001, 0.05, 0.3, 2.0])
        instants += [now] * (rng.random() < 0.8 and pacer.take(now))
    assert_within(instants, 10.0, 10.0)


def test_burst_keeps_slack() -> None:
    """A full bucket gives its burst but the slack, and no more after any idle time."""
    pacer = Pacer(10.0, 10.0)
    assert burst_of(pacer, NOW) == 10 - SLACK
    assert burst_of(pacer, NOW + 1e6) == 10 - SLACK


def test_burst_of_one() -> None:
    """With a burst of one there is a permit all the same."""
    pacer = Pacer(10.0, 1.0)
    assert burst_of(pacer, NOW) == 1
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 0.1)
    assert not pacer.take(NOW + 0.099)
    assert pacer.take(NOW + 0.1)


def test_ready_at_is_honest() -> None:
    """A permit is there at the announced instant, with no rounding in between."""
    for rate in (0.7, 3.0, 7.0, 10.0, 33.3, 1_000.0):
        pacer = Pacer(rate, 1.0)
        now = NOW
        for _ in range(200):
            assert pacer.take(now)
            assert pacer.ready_at(now) > now
            now = pacer.ready_at(now)


def test_asking_takes_nothing() -> None:
    """Asking when a permit is ready does not use one up."""
    pacer = Pacer(10.0, 10.0)
    assert [pacer.ready_at(NOW) for _ in range(20)] == [NOW] * 20
    assert burst_of(pacer, NOW) == 9


def test_throttle_cuts_the_rate_and_empties_the_bucket() -> None:
    """After a throttle the rate is a cut one, and nothing of the burst is left."""
    pacer = Pacer(10.0, 10.0)
    pacer.throttled(NOW, NOW)
    assert pacer.rate == pytest.approx(10.0 * CUT)
    assert not pacer.take(NOW)
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 1.0 / 7.0)


def test_one_cut_per_round_trip() -> None:
    """Calls that left before a cut and come back throttled after it change nothing."""
    pacer = Pacer(10.0, 10.0)
    pacer.throttled(NOW + 1.0, left_at=NOW)
    rate = pacer.rate
    for left_at in (NOW, NOW + 0.5, NOW + 0.999):
        pacer.throttled(NOW + 1.0, left_at)
    assert pacer.rate == rate
    pacer.throttled(NOW + 1.0, left_at=NOW + 1.0)
    assert pacer.rate == pytest.approx(rate * CUT)


def test_recovery_to_the_ceiling() -> None:
    """The rate grows back to the ceiling in its time, and not beyond."""
    pacer = Pacer(10.0, 10.0)
    pacer.throttled(NOW, NOW)
    pacer.ready_at(NOW + RECOVERY_S * (1 - CUT) / 2)
    assert pacer.rate == pytest.approx(8.5)
    pacer.ready_at(NOW + RECOVERY_S * (1 - CUT))
    assert pacer.rate == pytest.approx(10.0)
    pacer.ready_at(NOW + 10 * RECOVERY_S)
    assert pacer.rate == 10.0


def test_recovery_whatever_the_steps() -> None:
    """A rate that was asked for often has recovered as far as one that was not."""
    often, once = Pacer(10.0, 10.0), Pacer(10.0, 10.0)
    for pacer in (often, once):
        pacer.throttled(NOW, NOW)
    for step in range(1, 301):
        often.ready_at(NOW + step / 100)
    once.ready_at(NOW + 3.0)
    assert often.rate == pytest.approx(once.rate)


def test_the_rate_never_dies() -> None:
    """However often Connect throttles, a hundredth of the rate is left."""
    pacer = Pacer(10.0, 10.0)
    for _ in range(100):
        pacer.throttled(NOW, NOW)
    assert pacer.rate == pytest.approx(0.1)
    assert pacer.ready_at(NOW) <= NOW + 10.0


def test_no_limit() -> None:
    """Without a limit a permit is always there."""
    pacer = Pacer(0.0, 10.0)
    assert burst_of(pacer, NOW) == 1_000
    assert pacer.rate == 0.0


def test_no_limit_throttled() -> None:
    """Without a limit throttles make pauses, which double up to the longest."""
    pacer, now, pauses = Pacer(0.0, 10.0), NOW, []
    for _ in range(7):
        pacer.throttled(now, left_at=now)
        pauses.append(pacer.ready_at(now) - now)
        assert not pacer.take(now)
        now = pacer.ready_at(now)
        assert pacer.take(now)
    doubled = [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(7)]
    assert pauses == pytest.approx(doubled)


def test_no_limit_one_pause_per_round_trip() -> None:
    """Many calls throttled together make one pause."""
    pacer = Pacer(0.0, 10.0)
    for late in range(8):
        pacer.throttled(NOW + late / 100, left_at=NOW - 1.0)
    assert pacer.ready_at(NOW) == pytest.approx(NOW + FIRST_PAUSE_S)


def test_pauses_begin_small_again() -> None:
    """After a call went through the next pause is the first."""
    pacer = Pacer(0.0, 10.0)
    for second in range(4):
        pacer.throttled(NOW + second, left_at=NOW + second)
    pacer.succeeded()
    pacer.throttled(NOW + 10.0, left_at=NOW + 10.0)
    assert pacer.ready_at(NOW + 10.0) == pytest.approx(NOW + 10.0 + FIRST_PAUSE_S)
