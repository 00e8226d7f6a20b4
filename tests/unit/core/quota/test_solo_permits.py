"""Which calls a replica permits while the store does not answer, or answers too late to be trusted."""

from typing import Any

import pytest

from gateway.core.fleet.messages import Member
from gateway.core.quota.beat_times import BUSY_BEAT_EVERY_S
from gateway.core.quota.fleet_permits import SOLO_AFTER_S
from gateway.core.quota.pause_watch import HEAR_S
from gateway.core.quota.store_trust import BAD_TICKS, GOOD_TICKS, SLOW_S
from gateway.core.scheduling.pacing import RATE_CUT
from gateway.shared_state.rules.membership import LOST_MS
from tests.unit.core.quota.replica import LATE_S, NOW, Bench, grant


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
    assert not bench.permits.is_cut, "Connect has throttled no call"


def test_the_store_limits_a_replica_before_the_first_reply_and_while_it_is_solo_or_suspended() -> None:
    """It is then not the rate that its calls wait for."""
    bench = Bench()
    found = [bench.permits.limited_by_store]
    bench.tick(NOW)
    found.append(bench.permits.limited_by_store)
    bench.permits.suspended = True
    found.append(bench.permits.limited_by_store)
    bench.permits.suspended = False
    bench.permits.ready_at(NOW + 10.0)
    found.append(bench.permits.limited_by_store)
    assert found == [True, False, True, True]


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
    assert bench.permits.is_cut
    assert bench.permits.rate == bench.permits.account_rate == pytest.approx(4.0 * RATE_CUT)
    assert bench.tick(late + 2.0).throttled == ()


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
        now += BUSY_BEAT_EVERY_S
        assert bench.permits.tick_at(now) <= now + BUSY_BEAT_EVERY_S
        bench.tick(now, grant(20 + number))
    assert not bench.permits.solo
    assert bench.permits.take(now + LATE_S)
    assert not bench.permits.take(now + LATE_S), "the permits of ignored replies are returned"


def test_the_own_bucket_permits_no_more_than_its_burst_while_calls_are_in_flight(bench: Bench) -> None:
    late = NOW + 30.0
    for calls in range(1, 4):
        assert bench.permits.take(late)
        bench.permits.in_flight(late, calls)
    assert not bench.permits.take(late + 5.0)
    assert bench.permits.ready_at(late + 5.0) > late + 5.0
    bench.permits.in_flight(late + 5.0, 2)
    assert bench.permits.take(late + 6.0)


def test_a_replica_whose_name_another_one_has_sends_nothing(bench: Bench) -> None:
    """It does not send even its own part, since nothing is reserved for it."""
    bench.tick(NOW, grant(7, count=3))
    bench.tick(NOW + 0.1, epoch="", members=(), name_taken=True)
    for later_s in (0.15, SOLO_AFTER_S + 0.2, 10.0):
        assert not bench.permits.take(NOW + later_s)
        assert not bench.permits.solo
    bench.tick(NOW + 11.0, grant(9))
    assert bench.permits.take(NOW + 11.1)


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


def paused(bench: Bench, until: float) -> None:
    """Let the process of a replica be paused from `NOW` on, for example since its machine is suspended."""
    bench.permits.pauses.runs(NOW)
    bench.permits.pauses.runs(until)


def test_a_replica_that_was_paused_first_hears_from_the_store(bench: Bench) -> None:
    """The fleet may have held campaigns meanwhile; holds are in force before the permits of their reply."""
    awake = NOW + 30.0
    paused(bench, awake)
    assert bench.permits.ready_at(awake) == awake + HEAR_S
    assert not bench.permits.solo
    bench.tick(awake, grant(7))
    assert bench.permits.take(awake + LATE_S)


def test_a_replica_that_was_paused_uses_its_own_part_if_the_store_stays_silent(bench: Bench) -> None:
    begin = NOW + 30.0 + HEAR_S
    paused(bench, NOW + 30.0)
    instants = solo_calls(bench, begin, begin + 10.0)
    assert bench.permits.solo
    assert instants[0] == pytest.approx(begin + 1 / 4.0)


def test_a_solo_replica_that_was_paused_waits_as_well(bench: Bench) -> None:
    assert bench.permits.take(NOW + 10.0)
    paused(bench, NOW + 30.0)
    assert not bench.permits.take(NOW + 30.1)
    assert bench.permits.take(NOW + 30.0 + HEAR_S)


def test_a_reply_from_before_a_pause_is_not_used(bench: Bench) -> None:
    """Its holds are as old as its permits."""
    awake = NOW + 30.0
    bench.permits.tick(NOW + 0.1)
    paused(bench, awake)
    bench.reply(NOW + 0.1, awake, grant(7, end_in_ms=60_000))
    assert bench.permits.ready_at(awake) == awake + HEAR_S
    assert bench.permits.tick(awake).returned == ((7, 1),)


def test_a_short_delay_is_no_pause(bench: Bench) -> None:
    for step in range(10):
        bench.permits.pauses.runs(NOW + 0.55 * step)
    assert bench.permits.take(NOW + 5.0)
