"""Three replicas on virtual time use the quota of the account, whatever happens to them and to the store.

In each test the account refuses a call that comes too early, so `throttled` must stay 0.
"""

from collections import Counter
from collections.abc import Callable, Collection

import pytest

from gateway.core.model import Priority
from tests.simulation.quota.fleet import Fleet, Replica

READY_S = 2.0
"""Seconds after which the replicas know each other and the bucket has tokens."""


def backlog(fleet: Fleet, *replicas: Replica, campaign: str = "campaign", caller: str = "") -> None:
    """Give replicas more dial requests than the quota can carry, from now on."""

    def top_up(replica: Replica) -> Callable[[], None]:
        def more() -> None:
            if replica.waiting[campaign] < 200:
                replica.send(200, campaign, caller=caller)

        return more

    for replica in replicas:
        fleet.every(0.5, top_up(replica))


def ready(replicas: int = 3) -> Fleet:
    fleet = Fleet(replicas)
    fleet.run(READY_S)
    return fleet


def test_all_load_on_one_of_three_uses_the_whole_quota() -> None:
    fleet = ready()
    backlog(fleet, fleet.replicas[0])
    fleet.run(20.0)
    assert fleet.used(4.0, 20.0) >= 0.98
    assert fleet.throttled == 0
    assert set(fleet.by_replica()) == {"a"}


def test_load_that_jumps_between_replicas_uses_the_quota_and_is_followed_within_half_a_second() -> None:
    fleet, place = ready(), 0
    fleet.every(
        0.05, lambda: fleet.replicas[place].send(max(0, 100 - fleet.replicas[place].engine.outstanding))
    )
    delays = []
    for jump in range(1, 7):
        fleet.run(READY_S + 4.0 * jump)
        place = jump % 3
        begin = fleet.now
        fleet.run(begin + 0.5)
        mine = (call.at for call in fleet.calls if call.at > begin and call.replica == "abc"[place])
        delays.append(next(mine) - begin)
    assert fleet.used(3.0, 26.0) >= 0.96
    assert max(delays) <= 0.5
    assert fleet.throttled == 0


def test_the_share_of_a_killed_replica_is_used_two_seconds_later() -> None:
    fleet = ready()
    backlog(fleet, *fleet.replicas)
    fleet.run(6.0)
    fleet.replicas[1].kill()
    fleet.run(20.0)
    assert fleet.used(8.0, 20.0) >= 0.97
    assert fleet.throttled == 0


def test_the_share_of_a_replica_stays_reserved_while_it_may_be_alive() -> None:
    """Nobody knows that it has ended, so its part of the quota is not used."""
    fleet = ready()
    backlog(fleet, *fleet.replicas)
    fleet.run(6.0)
    fleet.replicas[1].partition()
    fleet.run(30.0)
    assert fleet.throttled == 0
    assert fleet.used(8.0, 30.0) >= 0.97
    calls = fleet.by_replica(8.0)
    assert calls["b"] == pytest.approx(22 * 10 / 3, rel=0.05)
    fleet.replicas[1].heal()
    fleet.run(45.0)
    assert fleet.used(31.5, 45.0) >= 0.97
    assert fleet.throttled == 0


def test_without_the_store_each_replica_uses_its_own_part() -> None:
    fleet = ready()
    backlog(fleet, *fleet.replicas)
    fleet.run(6.0)
    fleet.store.killed = True
    fleet.run(16.0)
    assert 0.6 <= fleet.used(6.0, 16.0) <= 1.1
    fleet.store.restart()
    fleet.run(32.0)
    assert fleet.used(19.5, 32.0) >= 0.96
    assert fleet.throttled == 0


def test_a_high_request_on_one_replica_goes_before_the_backlog_of_the_others() -> None:
    fleet = ready()
    backlog(fleet, *fleet.replicas[1:])
    for number in range(10):
        begin = 6.0 + 1.37 * number
        fleet.run(begin)
        fleet.replicas[0].send(5, "urgent", Priority.HIGH)
        fleet.run(begin + 1.3)
        first = min(call.at for call in fleet.calls if call.campaign_id == "urgent" and call.at > begin)
        assert first - begin <= 0.5
    assert fleet.throttled == 0


def test_campaigns_spread_unevenly_over_the_replicas_get_equal_calls() -> None:
    fleet = ready()
    places = {0: range(8), 1: range(6, 10), 2: (0, 10, 11)}
    for place, campaigns in places.items():
        for number in campaigns:
            backlog(fleet, fleet.replicas[place], campaign=f"campaign-{number}")
    fleet.run(40.0)
    counts = Counter(call.campaign_id for call in fleet.calls if call.at > 4.0)
    assert len(counts) == 12
    assert jain(counts.values()) >= 0.99
    assert fleet.throttled == 0


def test_callers_on_different_replicas_get_equal_calls() -> None:
    fleet = ready()
    for place, caller in enumerate(("alice", "bob")):
        for number in range(1 + 5 * place):
            backlog(fleet, fleet.replicas[place], campaign=f"{caller}-{number}", caller=caller)
    fleet.run(24.0)
    counts = Counter(call.replica for call in fleet.calls if call.at > 4.0)
    assert counts["a"] == pytest.approx(counts["b"], rel=0.03)


def jain(counts: Collection[int]) -> float:
    """Return Jain's index of fairness: 1 if all counts are equal."""
    return sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts))


def test_replicas_with_the_same_campaigns_get_equal_calls_for_each() -> None:
    """As many campaigns as twice the replicas: no campaign may always be called by the same replica."""
    fleet = ready()
    for number in range(6):
        backlog(fleet, *fleet.replicas, campaign=f"campaign-{number}")
    fleet.run(40.0)
    counts = Counter((call.campaign_id, call.replica) for call in fleet.calls if call.at > 4.0)
    assert len(counts) == 18
    assert jain(counts.values()) >= 0.99


def test_a_slow_store_costs_no_more_than_none() -> None:
    """Round trips of 0.1 to 0.4 s, with a time-out of 0.25 s: many ticks fail, and many are late."""
    fleet = ready()
    backlog(fleet, *fleet.replicas)
    fleet.run(6.0)
    fleet.link_s = lambda: fleet.rng.uniform(0.05, 0.2)
    fleet.run(26.0)
    assert fleet.used(10.0, 26.0) >= 0.9
    fleet.link_s = lambda: 0.001
    fleet.run(40.0)
    assert fleet.used(30.0, 40.0) >= 0.97
    assert fleet.throttled == 0
