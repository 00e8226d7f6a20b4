"""The cases by which a fleet is measured, each with its target, in virtual time.

Each with more seeds: `DIAL_GATEWAY_SCENARIO_SEEDS=5 python -m pytest tests/simulation/fleet -k scenarios`.
"""

import math
import os
import random
from collections import Counter

import pytest

from gateway.core.engine import Limits
from gateway.core.fleet.messages import FleetActionKind
from gateway.core.model import DialRequest, Outcome, Priority
from tests.simulation.connect_model import Bucket, Connect
from tests.simulation.fleet.callers import Stream
from tests.simulation.fleet.fleet import Fleet
from tests.simulation.fleet.replica import EPOCH_S
from tests.simulation.fleet.store_network import Weather
from tests.simulation.fleet.virtual_loop import run
from tests.simulation.test_callers import jain
from tests.simulation.test_scenarios import percentile
from tests.simulation.world import PHONE

RATE, BATCH = 10.0, 25
OPENING_S = 0.15
"""Seconds at most that the connections of a replica take to open after a pause."""
NAMES = ("a", "b", "c")
seeds = pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("DIAL_GATEWAY_SCENARIO_SEEDS", "1"))))


async def fleet_of(count: int, seed: int) -> Fleet:
    """Start replicas that share a quota, and let them join."""
    rng = random.Random(seed)
    connect = Connect(rng, Bucket(RATE, RATE))
    fleet = Fleet(Limits(call_rate=RATE, call_burst=RATE, forecast=False), connect, rng, weather=Weather())
    for name in NAMES[:count]:
        fleet.start(name)
    await fleet.run(2.0)
    return fleet


def dials(fleet: Fleet, campaign: str, count: int, life_s: float = 600.0) -> list[DialRequest]:
    """Make new dial requests."""
    until = EPOCH_S + fleet.now + life_s
    numbers = (next(fleet.numbers) for _ in range(count))
    return [DialRequest(campaign, f"t-{number}", PHONE, {}, until, 60) for number in numbers]


def taken(fleet: Fleet, begin: float, end: float) -> float:
    """Return the share of the quota that full calls have used in a span of time."""
    used = sum(seen.taken for seen in fleet.connect.seen if begin <= seen.at < end)
    return used / (BATCH * RATE * (end - begin))


def throttled_share(fleet: Fleet) -> float:
    """Return the share of calls that Connect throttled."""
    return sum(seen.failure == "RateThrottled" for seen in fleet.connect.seen) / len(fleet.connect.seen)


def feed(fleet: Fleet, stream: Stream, campaign: str, begin: float, end: float, rate: float) -> None:
    """Send so many dial requests a second, 20 times a second."""
    for number in range(int(20 * (end - begin))):
        fleet.at(begin + number / 20, lambda: stream.send(*dials(fleet, campaign, math.ceil(rate / 20))))


@seeds
def test_all_load_on_one_of_three(seed: int) -> None:
    """One replica alone may use the whole quota: 98% of it, with fewer than 0.5% of the calls throttled."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        fleet.stream("a", "s").send(*dials(fleet, "c0", 4000))
        await fleet.run(16.0)
        assert taken(fleet, 3.0, 16.0) >= 0.98
        assert throttled_share(fleet) < 0.005

    run(main())


@seeds
def test_load_that_jumps(seed: int) -> None:
    """Load that jumps from one replica to the next every 4 s uses 96%, and is followed within 0.5 s."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        streams = [fleet.stream(name, "s") for name in NAMES]
        for jump in range(4):
            begin = 2.0 + 4.0 * jump
            feed(fleet, streams[jump % 3], f"c{jump % 3}", begin, begin + 4.0, BATCH * RATE)
        await fleet.run(18.0)
        assert taken(fleet, 2.0, 18.0) >= 0.96
        for jump in range(1, 4):
            begin = 2.0 + 4.0 * jump
            campaign = f"c{jump % 3}"
            calls = [seen.at for seen in fleet.connect.seen if seen.campaign_id == campaign]
            first_s = min(at for at in calls if at >= begin) - begin
            assert first_s <= 0.5 + OPENING_S, "a jump is followed too late"

    run(main())


@seeds
def test_a_replica_is_killed(seed: int) -> None:
    """From 2 s after a replica is killed, the others use 97% of the quota."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for name in NAMES:
            fleet.stream(name, "s").send(*dials(fleet, f"c-{name}", 1800))
        await fleet.run(5.0)
        fleet.crash("b")
        await fleet.run(15.0)
        assert taken(fleet, 7.0, 15.0) >= 0.97

    run(main())


@seeds
def test_the_store_is_killed(seed: int) -> None:
    """Without the store the fleet uses 60% of the quota, and 96% from 3.5 s after its return."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for name in NAMES:
            fleet.stream(name, "s").send(*dials(fleet, f"c-{name}", 2000))
        await fleet.run(5.0)
        fleet.trouble()
        fleet.store.kill()
        await fleet.run(11.0)
        fleet.store.start()
        await fleet.run(20.5)
        assert taken(fleet, 5.0, 11.0) >= 0.60
        assert taken(fleet, 14.5, 20.5) >= 0.96

    run(main())


async def latencies(replicas: int, seed: int) -> tuple[float, float]:
    """Return the 99th percentile of waits of 20 producers at 80% of the quota, and the throttled share."""
    fleet = await fleet_of(replicas, seed)
    names = NAMES[:replicas]
    rng = random.Random(seed)
    for number in range(20):
        stream = fleet.stream(names[number % replicas], f"s{number}")
        instant = 2.0
        while (instant := instant + rng.expovariate(0.8 * BATCH * RATE / 20)) < 12.0:
            fleet.at(instant, lambda stream=stream, c=f"c{number}": stream.send(*dials(fleet, c, 1)))
    await fleet.run(16.0)
    assert all(told.answer.outcome is Outcome.ACCEPTED for told in fleet.promises.told)
    return percentile([told.waited_s for told in fleet.promises.told], 0.99), throttled_share(fleet)


@seeds
def test_twenty_producers_wait_no_longer_than_with_one_replica(seed: int) -> None:
    """At 80% of the quota, p99 over three replicas is at most 1.1 times that of one, without a 429."""
    alone, _ = run(latencies(1, seed))
    together, throttled = run(latencies(3, seed))
    assert throttled == 0.0
    assert together <= 1.1 * alone, (together, alone)


@seeds
def test_a_hold_stops_all_replicas_and_outlives_them(seed: int) -> None:
    """No call of any replica arrives more than 1 s after a hold, nor after all have been restarted."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for name in NAMES:
            fleet.stream(name, "s").send(*dials(fleet, "c0", 600))
        await fleet.run(5.0)
        await fleet.act("a", FleetActionKind.HOLD, "c0")
        await fleet.run(8.0)
        for name in NAMES:
            fleet.crash(name)
            fleet.start(name)
        await fleet.run(11.0)
        for name in NAMES:
            fleet.stream(name, "s").send(*dials(fleet, "c0", 100))
        await fleet.run(20.0)
        assert not [seen for seen in fleet.connect.seen if seen.at > 6.0]

    run(main())


@seeds
def test_the_same_tokens_through_a_second_replica(seed: int) -> None:
    """500 tokens that one replica has had accepted need no call of another, and are replayed by it."""

    async def main() -> None:
        fleet = await fleet_of(2, seed)
        requests = dials(fleet, "c0", 500)
        fleet.stream("a", "s").send(*requests)
        await fleet.run(8.0)
        before = len(fleet.connect.seen)
        fleet.stream("b", "s").send(*requests)
        await fleet.run(12.0)
        assert len(fleet.connect.seen) == before
        again = fleet.promises.told[500:]
        assert len(again) == 500
        assert all(told.answer.replayed for told in again)

    run(main())


@seeds
def test_the_same_tokens_through_two_replicas_at_once(seed: int) -> None:
    """500 tokens that two replicas get at once are sent once, and both callers get the same answers."""

    async def main() -> None:
        fleet = await fleet_of(2, seed)
        requests = dials(fleet, "c0", 500)
        for name in ("a", "b"):
            fleet.stream(name, name).send(*requests)
        await fleet.run(20.0)
        items = sum(seen.size for seen in fleet.connect.seen)
        assert items == 500
        ids = Counter((told.key, told.answer.dial_request_id) for told in fleet.promises.told)
        assert len(ids) == 500
        assert set(ids.values()) == {2}

    run(main())


@seeds
def test_high_priority_goes_first_whichever_replica_has_it(seed: int) -> None:
    """A HIGH request on one replica is sent within 0.5 s while the others have a backlog."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for name in ("b", "c"):
            fleet.stream(name, "bulk").send(*dials(fleet, f"c-{name}", 5000))
        await fleet.run(6.0)
        fleet.stream("a", "urgent").send(*dials(fleet, "c-a", 25), priority=Priority.HIGH)
        await fleet.run(7.0)
        first = min(seen.at for seen in fleet.connect.seen if seen.campaign_id == "c-a")
        assert first <= 6.5

    run(main())


@seeds
def test_campaigns_spread_unevenly_share_calls_fairly(seed: int) -> None:
    """Six campaigns of six callers, four of them on one replica, get equal parts: Jain's index is 0.99."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for number, name in enumerate("aaaabc"):
            fleet.stream(name, f"s{number}").send(*dials(fleet, f"c{number}", 1000))
        await fleet.run(20.0)
        counts = Counter(seen.campaign_id for seen in fleet.connect.seen if seen.at >= 4.0)
        assert jain([counts[f"c{number}"] for number in range(6)]) >= 0.99

    run(main())


@seeds
def test_few_store_commands(seed: int) -> None:
    """A dial request costs at most 0.15 commands of the store, not counting beats."""

    async def main() -> None:
        fleet = await fleet_of(3, seed)
        for name in NAMES:
            feed(fleet, fleet.stream(name, name), f"c-{name}", 2.0, 8.0, 80.0)
        await fleet.run(14.0)
        commands = Counter[str]()
        for replica in fleet.replicas.values():
            commands.update(replica.state.operations)
        del commands["beat"]
        assert sum(commands.values()) <= 0.15 * len(fleet.promises.told), commands

    run(main())
