"""The order of calls: callers take turns, then their campaigns. Doubtful campaigns get few calls."""

import itertools
from collections import Counter
from typing import Any

from gateway.core.errors import CampaignNotFound
from gateway.core.model import Batch, FlushReason, Priority, Source
from gateway.core.scheduling.proven import DOUBT_S, MISSES_LIMIT, PROVEN_FOR_S, PROVEN_LIMIT, Misses, Proven
from gateway.core.scheduling.ready import DOUBTFUL_EVERY
from tests.unit.core.making import NOW, Bench, Caller, dial, many, tokens_of


def caller_of(name: str, weight: int = 1) -> Caller:
    """Make a source of a named caller."""
    return Caller(Source(caller=name, weight=weight))


def calls_of(bench: Bench, count: int) -> list[Batch]:
    """Return so many calls, each accepted before the next is asked for."""
    batches: list[Batch] = []
    while len(batches) < count:
        for batch in bench.poll(NOW).batches:
            batches.append(batch)
            bench.complete(NOW, batch)
    return batches


def bench_of(**limits: Any) -> Bench:
    """Make a bench without a call rate, one call at a time."""
    return Bench(call_rate=0.0, linger_s=0.0, **{"concurrent_calls": 1, **limits})


def miss(bench: Bench, caller: Caller, count: int, now: float = NOW) -> None:
    """Let calls of a caller be answered that the campaign does not exist."""
    for number in range(count):
        bench.send_all(now, caller, "t", campaign=f"missed-{caller.source.caller}-{number}")
        bench.complete(now, bench.call(now), failure=CampaignNotFound())


def test_callers_take_turns_whatever_their_campaigns() -> None:
    """A caller with one campaign calls as often as one with ten; those of the other take turns."""
    bench, one, ten = bench_of(), caller_of("one"), caller_of("ten")
    bench.send_all(NOW, one, *many(250), campaign="own")
    for number in range(10):
        bench.send_all(NOW, ten, *many(25), campaign=f"c{number}")
    order = [batch.campaign_id for batch in calls_of(bench, 20)]
    assert order.count("own") == 10
    assert sorted(set(order) - {"own"}) == [f"c{number}" for number in range(10)]
    assert all((name == "own") != (after == "own") for name, after in itertools.pairwise(order))


def test_a_call_takes_what_its_caller_has_first() -> None:
    """In a shared campaign each caller's calls carry its own requests first; others fill the rest."""
    bench, large, small = bench_of(), caller_of("large"), caller_of("small")
    bench.send_all(NOW, large, *many(100, "l"))
    bench.send_all(NOW, small, *many(30, "s"))
    kinds = ["".join(sorted({token[0] for token in tokens_of(batch)})) for batch in calls_of(bench, 5)]
    assert kinds[:4] == ["l", "s", "l", "ls"]


def test_a_heavy_caller_has_several_calls_in_its_turn() -> None:
    """A caller of weight 3 calls three times in a row beside one of weight 1."""
    bench, heavy, light = bench_of(), caller_of("heavy", 3), caller_of("light")
    bench.send_all(NOW, heavy, *many(225), campaign="h")
    bench.send_all(NOW, light, *many(75), campaign="l")
    assert "".join(batch.campaign_id for batch in calls_of(bench, 12)) == "hhhlhhhlhhhl"


def test_doubtful_campaigns_have_every_fourth_call() -> None:
    """While others wait, the doubtful campaigns of all callers together get one call in four."""
    bench, honest = bench_of(), caller_of("honest")
    wrong = [caller_of(f"wrong-{number}") for number in range(3)]
    for caller in wrong:
        miss(bench, caller, 1)
    bench.send_all(NOW, honest, *many(1000), campaign="true")
    for caller in wrong:
        for number in range(5):
            bench.send_all(NOW, caller, "t", campaign=f"lead-{caller.source.caller}-{number}")
    order = [batch.campaign_id for batch in calls_of(bench, 40)]
    tries = [place for place, name in enumerate(order) if name != "true"]
    assert all(after - before >= DOUBTFUL_EVERY for before, after in itertools.pairwise(tries))
    assert len(tries) == 10


def test_a_try_counts_as_a_call_of_its_caller() -> None:
    """A caller with both regular and doubtful campaigns gains no calls by its tries."""
    bench, honest, mixed = bench_of(), caller_of("honest"), caller_of("mixed")
    bench.send_all(NOW, mixed, *many(25), campaign="mixed")
    calls_of(bench, 1)
    miss(bench, mixed, 1)
    bench.send_all(NOW, honest, *many(1000), campaign="honest")
    bench.send_all(NOW, mixed, *many(1000, "m"), campaign="mixed")
    for number in range(10):
        bench.send_all(NOW, mixed, "t", campaign=f"lead-{number}")
    found = Counter(batch.campaign_id.split("-")[0] for batch in calls_of(bench, 40))
    assert abs(found["honest"] - 20) <= 1
    assert 3 <= found["lead"] <= 6


def test_one_call_at_a_time_of_a_doubtful_campaign() -> None:
    """A doubtful campaign has one call in flight at most, until Connect has accepted something."""
    bench, caller = bench_of(concurrent_calls=8), caller_of("wrong")
    miss(bench, caller, 1)
    bench.send_all(NOW, caller, *many(200), campaign="new")
    batch = bench.call(NOW)
    assert bench.poll(NOW).batches == []
    bench.complete(NOW, batch)
    assert len(bench.poll(NOW).batches) == 7


def test_many_misses_slow_a_caller_down() -> None:
    """After a number of misses a caller has one try a second, and others do not wait for it."""
    bench, wrong, other = bench_of(), caller_of("wrong"), caller_of("other")
    miss(bench, wrong, MISSES_LIMIT)
    bench.send_all(NOW, wrong, "t", campaign="late")
    decision = bench.poll(NOW)
    assert decision.batches == []
    assert decision.wake_at == NOW + 1.0
    bench.send_all(NOW, other, "t", campaign="other")
    assert bench.call(NOW).flush is FlushReason.LINGER
    assert [batch.campaign_id for batch in bench.poll(NOW + 0.9).batches] == []


def test_a_slowed_caller_goes_on() -> None:
    """A slowed caller has its next try when the pause is over."""
    bench, wrong = bench_of(), caller_of("wrong")
    miss(bench, wrong, MISSES_LIMIT)
    bench.send_all(NOW, wrong, *many(60), campaign="late")
    assert bench.poll(NOW + 0.99).batches == []
    batch = bench.call(NOW + 1.0)
    bench.complete(NOW + 1.1, batch)
    assert bench.poll(NOW + 1.1).batches, "it is proven"


def test_priorities_within_what_is_doubtful() -> None:
    """A doubtful campaign of a higher priority still gets only one call in four."""
    bench, honest, wrong = bench_of(), caller_of("honest"), caller_of("wrong")
    miss(bench, wrong, 1)
    bench.send_all(NOW, honest, *many(1000), campaign="true", priority=Priority.BULK)
    for number in range(10):
        assert bench.send(NOW, wrong, dial("t", f"lead-{number}"), Priority.HIGH) is None
    order = [batch.campaign_id for batch in calls_of(bench, 20)]
    assert 4 <= 20 - order.count("true") <= 6


def test_a_doubtful_stream_beside_another() -> None:
    """The streams of a doubted caller take turns: one with many wrong ids does not delay another."""
    bench, wrong = bench_of(), caller_of("proxy")
    miss(bench, wrong, 1)
    for number in range(50):
        bench.send_all(NOW, wrong, "t", campaign=f"lead-{number}")
    fresh = caller_of("proxy")
    bench.send_all(NOW, fresh, "t", campaign="true")
    assert "true" in [batch.campaign_id for batch in calls_of(bench, 2)]


def test_what_is_proven_is_forgotten_in_time() -> None:
    """A campaign counts as proven for one to two spans after its last acceptance."""
    proven = Proven()
    proven.note(NOW, "old")
    proven.note(NOW + PROVEN_FOR_S, "new")
    assert "old" in proven
    proven.note(NOW + 2 * PROVEN_FOR_S, "new")
    assert "old" not in proven
    assert "new" in proven
    proven.forget("new")
    assert "new" not in proven


def test_the_memory_of_what_is_proven_is_bounded() -> None:
    """However many campaigns there are, at most two halves of them are remembered, the latest ones."""
    proven = Proven()
    for number in range(5 * PROVEN_LIMIT):
        proven.note(NOW, str(number))
    assert len(proven._latest) + len(proven._before) <= 2 * PROVEN_LIMIT
    assert str(5 * PROVEN_LIMIT - 1) in proven


def test_misses_fade() -> None:
    """One miss of a caller is forgotten each second, and its doubt ends some time after the last."""
    misses = Misses()
    for _ in range(3):
        misses.note(NOW, ["a"])
    assert misses.count(NOW, "a") == 3.0
    assert misses.count(NOW + 2.0, "a") == 1.0
    assert misses.doubts(NOW + DOUBT_S - 0.1, "a")
    assert not misses.doubts(NOW + DOUBT_S, "a")
    misses.note(NOW + DOUBT_S, ["b"])
    assert list(misses._counts) == ["b"]


def test_a_heavy_caller_has_its_calls_for_itself_in_a_shared_campaign() -> None:
    """In each of its three calls a caller of weight 3 sends its own requests, though others wait longer."""
    bench, heavy, light = bench_of(), caller_of("heavy", 3), caller_of("light")
    bench.send_all(NOW, heavy, *many(225, "h"))
    bench.send_all(NOW, light, *many(125, "l"))
    kinds = ["".join(sorted({token[0] for token in tokens_of(batch)})) for batch in calls_of(bench, 8)]
    assert "".join(kinds) == "hhhlhhhl"
