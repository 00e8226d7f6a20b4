"""How callers share the calls of an account, against the model of Connect."""

from collections import Counter

import pytest

from gateway.core.model import Outcome, Priority
from gateway.core.scheduling.proven import MISSES_LIMIT, MISSES_PER_S
from tests.oracle.records import Caller
from tests.simulation.test_scenarios import percentile, send, world_of
from tests.simulation.world import World

CONCURRENT = 8
"""Calls in flight at once, as the worlds here have it."""


def make_up(world: World, caller: Caller, count: int, life_s: float = 600.0) -> list[str]:
    """Send a request for each of so many campaigns that Connect does not have; return their ids."""
    names = [f"lead-{caller.name}-{number}" for number in range(count)]
    for name in names:
        world.connect.states[name] = "NotFound"
        send(world, caller, name, life_s=life_s)
    return names


def run(world: World, until: float) -> None:
    """Poll once for what has been sent, then let everything happen until that instant."""
    world.poll()
    world.run(until)


def shares(world: World, begin: float, end: float) -> Counter[str]:
    """Count the dial requests accepted in a span of time, by service."""
    accepted = (told for told in world.told if told.answer.outcome is Outcome.ACCEPTED)
    return Counter(told.caller.service for told in accepted if begin <= told.at < end)


def jain(values: list[int]) -> float:
    """Return Jain's index of fairness: 1 where all are equal, 1/n where one has all."""
    return sum(values) ** 2 / (len(values) * sum(value**2 for value in values))


def calls(world: World, *campaigns: str, begin: float = 0.0) -> int:
    """Count the calls that reached Connect for campaigns."""
    return sum(seen.campaign_id in campaigns for seen in world.connect.seen if seen.at >= begin)


@pytest.mark.parametrize("other", ["other", "mistaken"])
def test_a_thousand_wrong_ids(other: str) -> None:
    """A service that sends lead ids as campaign ids delays another for seconds, and costs few calls.

    Also where both are one caller to the gateway, as services without identities behind a proxy are.
    """
    world = world_of(1, forecast=True)
    wrong = make_up(world, Caller("mistaken", "mistaken"), 1000)
    run(world, 5.0)
    late = Caller("late", other)
    send(world, late, "c0", life_s=60.0)
    run(world, 25.0)
    (told,) = (told for told in world.told if told.caller is late)
    assert told.answer.outcome is Outcome.ACCEPTED
    assert told.waited_s <= 3.0
    wasted = calls(world, *wrong)
    assert wasted <= MISSES_LIMIT + CONCURRENT + 25.0 * MISSES_PER_S


def test_wrong_ids_in_lists_of_their_own() -> None:
    """Wrong ids in one unary call each cost another caller no more than those of one stream."""
    world = world_of(1)
    for number in range(300):
        make_up(world, Caller(f"call-{number}", "mistaken"), 1)
    run(world, 5.0)
    late = Caller("late", "other")
    send(world, late, "c0", life_s=60.0)
    run(world, 20.0)
    outcome = late.answers[0].outcome
    assert outcome is Outcome.ACCEPTED


def test_invented_ids_give_no_caller_more_calls() -> None:
    """Two callers have backlogs and one invents ids: the other gets at least half of the calls."""
    world = world_of(1)
    honest, greedy = Caller("honest", "honest"), Caller("greedy", "greedy")
    send(world, honest, "c0", 2500)
    send(world, greedy, "c1", 2500)
    for second in range(14):
        world.at(second, make_up, world, Caller(f"greedy-{second}", "greedy"), 100)
    run(world, 14.0)
    found = shares(world, 2.0, 14.0)
    assert found["honest"] >= 0.5 * 25 * 10 * 11.5
    assert sum(found.values()) >= 0.85 * 25 * 10 * 12, "the calls of made-up ids are few"


@pytest.mark.parametrize("services", [5, 40])
def test_callers_with_invented_ids_share_a_quarter_of_the_calls(services: int) -> None:
    """Any number of callers with invented ids together get a quarter of the calls while others wait."""
    world = world_of(1)
    honest = Caller("honest", "honest")
    send(world, honest, "c0", 4500)
    wrong: list[str] = []
    for number in range(services):
        wrong += make_up(world, Caller(f"s{number}", f"service-{number}"), 30)
    run(world, 20.0)
    first_s = services / 10.0 + 1.0  # a caller is trusted until a call of it has found no campaign
    wasted, useful = calls(world, *wrong, begin=first_s), calls(world, "c0", begin=first_s)
    assert wasted <= 0.26 * 10 * (20.0 - first_s)
    assert useful >= 0.74 * 10 * (20.0 - first_s)


def test_one_campaign_gets_as_many_calls_as_three_hundred() -> None:
    """A caller with one campaign gets as many calls as one with 300, and all calls are full."""
    world = world_of(1)
    send(world, Caller("one", "one"), "c0", 2500)
    many = Caller("many", "many")
    for number in range(300):
        send(world, many, f"m{number}", 25)
    run(world, 14.0)
    found = shares(world, 0.0, 14.0)
    assert jain([found["one"], found["many"]]) >= 0.999
    assert sum(found.values()) >= 0.98 * 25 * (10 + 10 * 13.9)


def test_a_lone_request_waits_a_round_of_callers() -> None:
    """A small request waits for a call of each other caller at most, however many campaigns they have."""
    world = world_of(1)
    for number in range(10):
        caller = Caller(f"s{number}", f"service-{number}")
        for campaign in range(30):
            send(world, caller, f"c{number}-{campaign}", 25)
    late = Caller("late", "late")
    for second in range(2, 16, 2):
        world.at(second, send, world, late, "mine")
    run(world, 18.0)
    waits = [told.waited_s for told in world.told if told.caller is late]
    assert len(waits) == late.sent
    assert percentile(waits, 0.99) <= (10 + 2) / 10.0


def test_callers_share_one_campaign_equally() -> None:
    """Callers of one campaign get equal parts of it, whatever their streams; its calls are full."""
    world = world_of(1)
    send(world, Caller("few", "few"), "c0", 2000)
    for number in range(50):
        send(world, Caller(f"many-{number}", "many"), "c0", 40)
    run(world, 12.0)
    found = shares(world, 0.0, 12.0)
    assert jain([found["few"], found["many"]]) >= 0.999
    sizes = {seen.size for seen in world.connect.seen}
    assert sizes == {25}


def test_small_callers_fill_the_calls_of_others() -> None:
    """Callers with few requests for one campaign need no calls of their own: calls stay full."""
    world = world_of(1)
    for number in range(200):
        send(world, Caller(f"s{number}", f"service-{number}"), "c0", 10)
    run(world, 12.0)
    sizes = {seen.size for seen in world.connect.seen}
    assert sizes == {25}
    assert len(world.told) == 2000


def test_weights_are_calls_of_a_turn() -> None:
    """A caller of weight 3 gets three times the calls of one of weight 1, in one campaign or two."""
    for campaigns in (("c0", "c1"), ("c0", "c0")):
        world = world_of(1)
        for weight, campaign in zip((3, 1), campaigns, strict=True):
            caller = Caller(f"weight-{weight}", f"weight-{weight}")
            caller.source.weight = weight
            send(world, caller, campaign, 2200)
        run(world, 10.0)
        found = shares(world, 0.0, 10.0)
        assert 2.8 <= found["weight-3"] / found["weight-1"] <= 3.2


def test_priorities_hold_among_callers() -> None:
    """HIGH goes before the BULK of other callers, which gets every tenth call."""
    world = world_of(1)
    send(world, Caller("bulk", "bulk"), "c0", 600, Priority.BULK)
    send(world, Caller("high", "high"), "c1", 3500, Priority.HIGH)
    run(world, 12.0)
    found = shares(world, 2.0, 12.0)
    assert 0.09 <= found["bulk"] / sum(found.values()) <= 0.11


def test_a_new_campaign_of_a_doubted_caller_starts() -> None:
    """A caller that has named wrong ids starts a true campaign within seconds; then it is regular."""
    world = world_of(1)
    send(world, Caller("busy", "busy"), "c0", 4500)
    make_up(world, Caller("mistaken", "mistaken"), 200)
    run(world, 5.0)
    fresh = Caller("fresh", "mistaken")
    send(world, fresh, "true", 500)
    run(world, 15.0)
    first = min(told.at for told in world.told if told.caller is fresh)
    assert first <= 8.0
    outcomes = {answer.outcome for answer in fresh.answers.values()}
    assert outcomes == {Outcome.ACCEPTED}
    last = max(told.at for told in world.told if told.caller is fresh)
    assert last - first <= 500 / (25 * 10) / 0.35


@pytest.mark.parametrize("campaigns", [1, 50])
def test_a_fresh_start_uses_all_of_the_quota(campaigns: int) -> None:
    """At the start no campaign is proven, and no permit is left unused."""
    world = world_of(1)
    caller = Caller("only", "only")
    for number in range(campaigns):
        send(world, caller, f"c{number}", 3000 if campaigns == 1 else 75)
    run(world, 10.0)
    accepted = sum(seen.taken for seen in world.connect.seen)
    assert accepted >= 0.98 * 25 * (10 + 10 * 9.9)
