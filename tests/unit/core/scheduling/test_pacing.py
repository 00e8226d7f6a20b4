"""When calls may leave: the token bucket, how a throttle reduces its rate, and how the rate recovers."""

import heapq
import math
import random

import pytest

from gateway.core.scheduling.pacing import (
    FIRST_PAUSE_S,
    FORGIVEN_S,
    LONGEST_PAUSE_S,
    RATE_CUT,
    RECOVERY_S,
    RETRY_CREDIT,
    RETRY_SHARE,
    WINDOW_S,
    Pacer,
    RecentThroughput,
    RetryBudget,
)
from gateway.simulator.quota import TokenBucket
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
    """Check that no window has more permits than its length times the rate, plus the burst."""
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


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("longest_s", [0.3, 2.0])
def test_however_long_calls_travel_they_find_room(seed: int, longest_s: float) -> None:
    """Connect counts calls on arrival: slow or fast, none exceeds its bucket."""
    rng, pacer, bucket = random.Random(seed), Pacer(10.0, 10.0), TokenBucket(10.0, 10.0)
    arrivals: list[float] = []
    returns: list[float] = []
    now, made = NOW, 0
    while now < NOW + 60.0:
        if returns and returns[0] <= now:
            heapq.heappop(returns)
            pacer.in_flight(now, len(returns))
        elif len(returns) < 8 and pacer.take(now):
            arrival = now + rng.choice([0.001, rng.uniform(0.0, longest_s)])
            arrivals.append(arrival)
            heapq.heappush(returns, arrival + rng.uniform(0.0, 0.05))
            pacer.in_flight(now, len(returns))
            made += 1
            if rng.random() < 0.02:
                now += rng.uniform(0.0, 3.0)  # nothing to send
                while returns and returns[0] <= now:
                    pacer.in_flight(heapq.heappop(returns), len(returns))
        else:
            ready_at = pacer.ready_at(now) if len(returns) < 8 else math.inf
            now = min(ready_at, returns[0]) if returns else ready_at
    assert all(bucket.take(arrival) for arrival in sorted(arrivals))
    assert made > 150


def test_calls_that_do_not_return_do_not_stop_others() -> None:
    """With any number of unreturned calls the rate is used in full; only the burst is not."""
    pacer = Pacer(10.0, 10.0)
    pacer.in_flight(NOW, 20)
    burst_of(pacer, NOW)
    assert len(greedy_instants(pacer, NOW + 10.0)) in {99, 100}
    assert burst_of(pacer, NOW + 20.0) == 1


def test_a_full_bucket_has_one_burst() -> None:
    """A full bucket gives its burst, and no more after any idle time."""
    pacer = Pacer(10.0, 10.0)
    assert burst_of(pacer, NOW) == 10
    assert burst_of(pacer, NOW + 1e6) == 10


def test_a_burst_of_one_gives_a_permit() -> None:
    """With a burst of one there is still a permit."""
    pacer = Pacer(10.0, 1.0)
    assert burst_of(pacer, NOW) == 1
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 0.1)
    assert not pacer.take(NOW + 0.099)
    assert pacer.take(NOW + 0.1)


def test_a_permit_is_there_at_the_announced_instant() -> None:
    """A permit is available at the announced instant, despite rounding."""
    for rate in (0.7, 3.0, 7.0, 10.0, 33.3, 1_000.0):
        pacer = Pacer(rate, 1.0)
        now = NOW
        for _ in range(200):
            assert pacer.take(now)
            assert pacer.ready_at(now) > now
            now = pacer.ready_at(now)


def test_asking_takes_nothing() -> None:
    """Asking when a permit is ready takes none."""
    pacer = Pacer(10.0, 10.0)
    assert [pacer.ready_at(NOW) for _ in range(20)] == [NOW] * 20
    assert burst_of(pacer, NOW) == 10


def cut_once(pacer: Pacer, now: float) -> None:
    """Throttle twice in a row, which reduces the rate once: a single throttle does not."""
    pacer.throttled(now, now)
    pacer.throttled(now, now)


def test_lone_throttle_is_forgiven() -> None:
    """A throttle after a quiet time empties the bucket and costs a call's time, but nothing of the rate."""
    pacer = Pacer(10.0, 10.0)
    pacer.throttled(NOW, NOW)
    assert pacer.rate == 10.0
    assert not pacer.take(NOW)
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 0.2)


@pytest.mark.parametrize(("quiet_s", "cut"), [(0.5, True), (FORGIVEN_S, True), (FORGIVEN_S + 0.1, False)])
def test_throttle_soon_after_another_cuts(quiet_s: float, cut: bool) -> None:
    """Only a throttle that comes within the quiet time after another cuts the rate."""
    pacer = Pacer(10.0, 10.0)
    pacer.throttled(NOW, NOW)
    pacer.throttled(NOW + quiet_s, NOW + quiet_s)
    assert pacer.rate == pytest.approx(10.0 * RATE_CUT if cut else 10.0)


def test_throttle_cuts_the_rate_and_empties_the_bucket() -> None:
    """After throttles the rate is cut and the bucket is empty."""
    pacer = Pacer(10.0, 10.0)
    cut_once(pacer, NOW)
    assert pacer.rate == pytest.approx(10.0 * RATE_CUT)
    assert not pacer.take(NOW)
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 2.0 / 7.0)


def test_one_cut_per_round_trip() -> None:
    """Calls that left before a cut and come back throttled after it change nothing."""
    pacer = Pacer(10.0, 10.0)
    cut_once(pacer, NOW + 1.0)
    rate = pacer.rate
    for left_at in (NOW, NOW + 0.5, NOW + 0.999):
        pacer.throttled(NOW + 1.0, left_at)
    assert pacer.rate == rate
    pacer.throttled(NOW + 1.0, left_at=NOW + 1.0)
    assert pacer.rate == pytest.approx(rate * RATE_CUT)


def test_recovery_to_the_ceiling() -> None:
    """The rate grows back to the ceiling in its time, and not beyond."""
    pacer = Pacer(10.0, 10.0)
    cut_once(pacer, NOW)
    pacer.ready_at(NOW + RECOVERY_S * (1 - RATE_CUT) / 2)
    assert pacer.rate == pytest.approx(8.5)
    pacer.ready_at(NOW + RECOVERY_S * (1 - RATE_CUT))
    assert pacer.rate == pytest.approx(10.0)
    pacer.ready_at(NOW + 10 * RECOVERY_S)
    assert pacer.rate == 10.0


def test_recovery_whatever_the_steps() -> None:
    """A rate that was asked for often has recovered as far as one that was not."""
    often, once = Pacer(10.0, 10.0), Pacer(10.0, 10.0)
    for pacer in (often, once):
        cut_once(pacer, NOW)
    for step in range(1, 301):
        often.ready_at(NOW + step / 100)
    once.ready_at(NOW + 3.0)
    assert often.rate == pytest.approx(once.rate)


def test_the_rate_has_a_lower_bound() -> None:
    """However often Connect throttles, a hundredth of the rate remains."""
    pacer = Pacer(10.0, 10.0)
    for _ in range(100):
        pacer.throttled(NOW, NOW)
    assert pacer.rate == pytest.approx(0.1)
    assert pacer.ready_at(NOW) <= NOW + 20.0 + 1e-6


def test_without_a_limit_there_is_always_a_permit() -> None:
    """Without a limit a permit is always available."""
    pacer = Pacer(0.0, 10.0)
    assert burst_of(pacer, NOW) == 1_000
    assert pacer.rate == 0.0


def test_without_a_limit_throttles_cause_pauses() -> None:
    """Without a limit, throttles cause pauses that double up to the longest."""
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
    """Many calls throttled together cause one pause."""
    pacer = Pacer(0.0, 10.0)
    for late in range(8):
        pacer.throttled(NOW + late / 100, left_at=NOW - 1.0)
    assert pacer.ready_at(NOW) == pytest.approx(NOW + FIRST_PAUSE_S)


def test_a_throttle_does_not_shorten_a_longer_pause() -> None:
    """A throttle that is told during a pause for refused credentials does not end that pause early."""
    pacer = Pacer(0.0, 10.0)
    for _ in range(3):
        pacer.authentication_failed(NOW, left_at=NOW)
    paused_until = pacer.ready_at(NOW)
    pacer.throttled(NOW, left_at=NOW)
    assert paused_until > NOW + FIRST_PAUSE_S
    assert pacer.ready_at(NOW) == paused_until


def test_pauses_begin_small_again() -> None:
    """After a call that Connect did not throttle, the next pause is the first one again."""
    pacer = Pacer(0.0, 10.0)
    for second in range(4):
        pacer.throttled(NOW + second, left_at=NOW + second)
    pacer.not_throttled(NOW + 4.0)
    pacer.throttled(NOW + 10.0, left_at=NOW + 10.0)
    assert pacer.ready_at(NOW + 10.0) == pytest.approx(NOW + 10.0 + FIRST_PAUSE_S)


def test_recovery_is_towards_what_connect_takes() -> None:
    """A rate that Connect never took grows back more slowly: by what it is known to take."""
    pacer = Pacer(100.0, 100.0)
    for number in range(200):
        pacer.not_throttled(NOW + number / 40)  # 40 calls a second
    cut_once(pacer, NOW + 5.0)
    before = pacer.rate
    pacer.ready_at(NOW + 6.0)
    assert pacer.rate - before == pytest.approx(40.0 / RECOVERY_S, rel=0.05)


def test_recovery_never_stops() -> None:
    """Even if Connect took almost nothing, the rate grows as from a quarter of the ceiling."""
    pacer = Pacer(100.0, 100.0)
    for number in range(6):
        pacer.not_throttled(NOW + number)
    for _ in range(100):
        pacer.throttled(NOW + 6.0, NOW + 6.0)
    pacer.ready_at(NOW + 7.0)
    assert pacer.rate == pytest.approx(1.0 + 25.0 / RECOVERY_S, rel=0.01)


def test_taken_is_the_best_window() -> None:
    """What Connect is known to take is the best of the last windows, and nothing before the first is full."""
    taken = RecentThroughput()
    taken.note(NOW)
    assert taken.best(7.0) == 7.0
    for number in range(1, int(WINDOW_S * 10)):
        taken.note(NOW + number / 10)
    taken.note(NOW + WINDOW_S)
    assert taken.best(7.0) == pytest.approx(10.0)
    for number in range(100):
        taken.note(NOW + WINDOW_S + 100.0 * (number + 1))
    assert taken.best(7.0) < 0.1


def test_plenty_is_the_share_of_the_burst() -> None:
    """Permits are plentiful with the whole burst, and not at all with none."""
    pacer = Pacer(10.0, 10.0)
    assert pacer.available_share(NOW) == 1.0
    for _ in range(9):
        pacer.take(NOW)
    assert pacer.available_share(NOW) == pytest.approx(0.0)
    pacer.take(NOW)
    assert pacer.available_share(NOW) == 0.0
    assert pacer.available_share(NOW + 0.5) == pytest.approx(4.0 / 9.0)
    assert Pacer(0.0, 1.0).available_share(NOW) == 1.0


def test_retry_budget_begins_with_its_credit() -> None:
    """A new budget allows as many retries as its credit."""
    budget = RetryBudget()
    assert [budget.spend() for _ in range(int(RETRY_CREDIT) + 3)].count(True) == RETRY_CREDIT


def test_retry_budget_is_a_share_of_the_calls() -> None:
    """In the long run retries are their share of the first attempts, and no idle time saves up more."""
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    granted = 0
    for _ in range(1_000):
        budget.earn()
        granted += budget.spend()
    assert granted <= 1_000 * RETRY_SHARE + RETRY_CREDIT
    assert granted >= 1_000 * RETRY_SHARE


@pytest.mark.parametrize(("rate", "burst"), [(20.0, 15.0), (2.0, 3.0)])
def test_another_quota_applies_from_its_instant_on(rate: float, burst: float) -> None:
    """No window has more permits than its quota, and the whole new rate is used."""
    pacer = Pacer(10.0, 10.0)
    greedy_instants(pacer, NOW + 5.0)
    pacer.set_quota(NOW + 5.0, rate, burst)
    after = []
    now = NOW + 5.0
    while (now := pacer.ready_at(now)) < NOW + 25.0:
        assert pacer.take(now)
        after.append(now - 5.0)
    assert rate * 20.0 - 1.0 <= len(after) <= burst + rate * 20.0
    assert_within(after, rate, burst)


def test_a_smaller_burst_takes_permits_away() -> None:
    """They were saved up under the larger one."""
    pacer = Pacer(10.0, 10.0)
    pacer.set_quota(NOW, 10.0, 4.0)
    assert burst_of(pacer, NOW) == 4


def test_a_rate_that_was_cut_does_not_jump_to_a_higher_quota() -> None:
    """Connect has just throttled. A lower quota applies at once."""
    pacer = Pacer(10.0, 10.0)
    for later in (0.0, 0.1):
        pacer.throttled(NOW + later, NOW + later)
    cut = pacer.rate
    assert cut < 10.0
    pacer.set_quota(NOW + 0.1, 20.0, 10.0)
    assert (pacer.rate, pacer.ceiling) == (cut, 20.0)
    pacer.ready_at(NOW + 2 * RECOVERY_S)
    assert pacer.rate > 10.0
    pacer.set_quota(NOW + 2 * RECOVERY_S, 1.0, 10.0)
    assert (pacer.rate, pacer.ceiling) == (1.0, 1.0)


def test_a_quota_after_none_begins_with_an_empty_bucket() -> None:
    """Connect's bucket may be empty; without a limit there is always a permit."""
    pacer = Pacer(0.0, 10.0)
    assert burst_of(pacer, NOW) == 1_000
    pacer.set_quota(NOW, 10.0, 10.0)
    assert burst_of(pacer, NOW) == 0
    assert pacer.ready_at(NOW) == pytest.approx(NOW + 0.1)
    pacer.set_quota(NOW, 0.0, 10.0)
    assert burst_of(pacer, NOW) == 1_000
