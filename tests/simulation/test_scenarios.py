"""The scenarios by which the scheduler is measured, each with its bar, against the model of Connect.

One seed of each in `make test`, three in `make cases`.
"""

import random
from collections.abc import Callable

import pytest

from gateway.core.engine import Limits
from gateway.core.model import Outcome, Priority, Reason
from tests.cases import cases
from tests.oracle.records import Caller
from tests.simulation.connect_model import RUNNING, Bucket, Buffer, Connect
from tests.simulation.traffic import dial
from tests.simulation.world import World

CAMPAIGNS = [f"c{number}" for number in range(5)]
LIFE_S = 600.0
seeds = pytest.mark.parametrize("seed", range(1, 1 + cases(1, 3)))


def world_of(seed: int, *, rate: float = 10.0, true_rate: float = 10.0, forecast: bool = False) -> World:
    """Make a world with a quota as configured, or another true one."""
    rng = random.Random(seed)
    connect = Connect(rng, Bucket(true_rate, true_rate))
    return World(Limits(call_rate=rate, call_burst=rate, forecast=forecast), connect, rng)


def send(
    world: World,
    caller: Caller,
    campaign: str,
    count: int = 1,
    priority: Priority = Priority.NORMAL,
    life_s: float = LIFE_S,
) -> None:
    """Send new dial requests now."""
    tokens = [f"{caller.name}-{number}" for number in range(caller.sent, caller.sent + count)]
    requests = (dial(token, campaign, expires_at=world.now + life_s) for token in tokens)
    world.submit(caller, *requests, priority=priority)


def flood(world: World, until: float, *, first_share: int = 1, times: float = 1.5) -> None:
    """Send `times` the quota of 250 a second to five campaigns, in equal parts.

    The first campaign gets `first_share` such parts, each from a caller of its own.
    """
    for number, campaign in enumerate(CAMPAIGNS):
        for part in range(first_share if number == 0 else 1):
            caller = Caller(f"{campaign}-{part}")
            world.at(0.0, send, world, caller, campaign, 250)
            for tick in range(int(2 * until)):
                world.at(tick / 2, send, world, caller, campaign, int(25 * times))


def arrivals(world: World, rate: float, begin: float, end: float, arrive: Callable[[], None]) -> None:
    """Let something arrive at random instants, `rate` times a second."""
    instant = begin
    while (instant := instant + world.rng.expovariate(rate)) < end:
        world.at(instant, arrive)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of all lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def taken(world: World, begin: float, end: float, *campaigns: str) -> int:
    """Count the dial requests that Connect accepted in a span of time."""
    return sum(
        seen.taken
        for seen in world.connect.seen
        if begin <= seen.at < end and seen.campaign_id in (campaigns or CAMPAIGNS)
    )


def throttled_share(world: World, begin: float = 0.0) -> float:
    """Return the share of calls that were answered with 429."""
    calls = [seen for seen in world.connect.seen if seen.at >= begin]
    return sum(seen.failure == "RateThrottled" for seen in calls) / len(calls)


@seeds
def test_two_hundred_requests_a_second_are_accepted_quickly(seed: int) -> None:
    """20 services, 5 campaigns, 200 a second: all accepted, p50 0.35 s, p99 0.7 s, few throttles."""
    world = world_of(seed, forecast=True)
    services = [Caller(f"s{number}") for number in range(20)]
    arrivals(
        world, 200.0, 0.0, 12.0, lambda: send(world, world.rng.choice(services), world.rng.choice(CAMPAIGNS))
    )
    world.run(30.0)
    assert {told.answer.outcome for told in world.told} == {Outcome.ACCEPTED}
    waits = [told.waited_s for told in world.told]
    assert percentile(waits, 0.5) <= 0.35
    assert percentile(waits, 0.99) <= 0.7
    assert throttled_share(world) <= 0.01


@seeds
def test_three_times_the_quota_is_shared_equally(seed: int) -> None:
    """With three times the quota and one longer backlog, all of the quota is used in equal shares."""
    world = world_of(seed)
    flood(world, 14.0, first_share=5, times=3.0)
    world.run(14.0)
    shares = [taken(world, 2.0, 14.0, campaign) for campaign in CAMPAIGNS]
    assert sum(shares) >= 0.99 * 25 * 120
    assert sum(shares) ** 2 / (5 * sum(share**2 for share in shares)) >= 0.99
    assert throttled_share(world) <= 0.01


@seeds
def test_a_rate_set_twice_too_high_adapts(seed: int) -> None:
    """Set to 20 with a true rate of 10: 95% of the true rate, at most 5% throttles after 10 s."""
    world = world_of(seed, rate=20.0)
    flood(world, 25.0)
    world.run(25.0)
    assert taken(world, 0.0, 25.0) >= 0.95 * 25 * (10 + 250)
    assert throttled_share(world, 10.0) <= 0.05


@seeds
def test_the_rate_adapts_to_another_user_of_the_account(seed: int) -> None:
    """Another user takes half for 10 s: 95% of the rest is used, and 90% of all 5 s after its end."""
    world = world_of(seed)
    flood(world, 30.0)
    others: list[bool] = []
    for number in range(50):
        instant = 10.0 + number / 5
        world.at(
            instant, lambda instant=instant: others.append(world.connect.bucket.take_for_others(instant))
        )
    world.run(30.0)
    assert taken(world, 10.0, 20.0) >= 0.95 * 25 * (100 - sum(others))
    assert taken(world, 25.0, 30.0) >= 0.9 * 25 * 50


@seeds
def test_a_throttled_campaign_does_not_slow_others(seed: int) -> None:
    """One campaign takes nothing for 10 s: others keep their share, and it is back within 5 s."""
    world = world_of(seed)
    flood(world, 30.0)
    world.at(5.0, world.connect.buffers.__setitem__, "c1", Buffer(0.0))
    world.at(15.0, world.connect.buffers.clear)
    world.run(30.0)
    assert taken(world, 5.0, 15.0, "c0", "c2", "c3", "c4") >= 0.99 * 25 * 80
    assert taken(world, 20.0, 25.0, "c1") >= 0.9 * 25 * 10
    wasted = [seen for seen in world.connect.seen if 5.0 <= seen.at < 15.0 and seen.campaign_id == "c1"]
    assert len(wasted) <= 10


@seeds
def test_a_paused_campaign_loses_nothing(seed: int) -> None:
    """One campaign is Paused for 15 s: at most 3 calls are wasted, and it resumes within 3 s."""
    world = world_of(seed)
    flood(world, 30.0)
    world.at(5.0, world.connect.states.__setitem__, "c1", "Paused")
    world.at(20.0, world.connect.states.__setitem__, "c1", RUNNING)
    world.run(30.0)
    assert {told.answer.outcome for told in world.told} == {Outcome.ACCEPTED}
    assert sum(seen.failure == "CampaignNotRunning" for seen in world.connect.seen) <= 3
    assert taken(world, 20.0, 23.0, "c1") > 0


@seeds
def test_high_requests_pass_a_bulk_backlog(seed: int) -> None:
    """HIGH requests among 4,000 BULK ones: p99 at most 0.5 s, and BULK still moves."""
    world = world_of(seed)
    for campaign in CAMPAIGNS:
        world.at(0.0, send, world, Caller(f"bulk-{campaign}"), campaign, 800, Priority.BULK)
    urgent = Caller("high")
    arrivals(
        world, 20.0, 1.0, 14.0, lambda: send(world, urgent, world.rng.choice(CAMPAIGNS[:3]), 1, Priority.HIGH)
    )
    world.run(15.0)
    waits = [told.waited_s for told in world.told if told.caller is urgent]
    assert len(waits) == urgent.sent
    assert percentile(waits, 0.99) <= 0.5
    assert len(world.told) - len(waits) >= 0.85 * 25 * 140


@pytest.mark.parametrize("seed", range(cases(2, 4)))
def test_the_forecast_is_honest(seed: int) -> None:
    """The wait that WOULD_EXPIRE states is within a factor of two of the real one."""
    said = _forecast(seed, life_s=8.0, reason=Reason.WOULD_EXPIRE)
    waited = _forecast(seed, life_s=4000.0)
    assert waited / 2 <= said <= 2 * waited


def _forecast(seed: int, life_s: float, reason: Reason | None = None) -> float:
    """Return how long a request behind a backlog is told it would wait, or waits where it has the time.

    `reason` is that of the answer that it gets at once, None if it gets none.
    """
    world = world_of(seed, forecast=True)
    longest = Caller("longest")
    send(world, longest, "c0", 800, life_s=life_s)
    for number in range(world.rng.randint(12, 30)):
        campaign = world.rng.choice(CAMPAIGNS)
        send(world, Caller(f"s{number}"), campaign, world.rng.randint(70, 300), life_s=life_s)
    world.poll()
    world.run(1.0)
    send(world, longest, "c0", life_s=life_s)
    world.poll()
    answer = longest.answers.get(longest.sent - 1)
    assert (answer.reason if answer else None) is reason
    if answer is not None:
        assert answer.retry_after_s is not None
        return answer.retry_after_s
    world.run(150.0)
    return next(told.waited_s for told in world.told if told.token == f"longest-{longest.sent - 1}")
