"""A replica reports the turns that come next, and follows the turn of the fleet if it can."""

from collections import deque
from typing import Any

from gateway.core.errors import CampaignNotFound
from gateway.core.model import Priority, Source
from gateway.core.quota.demand import ROWS_LIMIT, Demand
from tests.unit.core.making import NOW, Bench, Caller, many

LATER = NOW + 1.0


def bench_of(**limits: Any) -> Bench:
    """Make a bench whose calls are ready at once, one call at a time."""
    return Bench(call_rate=0.0, linger_s=0.0, **{"concurrent_calls": 1, **limits})


def demand_of(bench: Bench, *retries: int) -> Demand:
    return Demand(bench.engine._scheduler, deque(retries))


def caller_of(name: str, weight: int = 1) -> Caller:
    return Caller(Source(caller=name, weight=weight))


def ready(bench: Bench) -> None:
    """Make one campaign call, so that the others are ready and wait."""
    bench.call(NOW)


def test_a_row_counts_the_calls_of_a_caller_for_a_campaign() -> None:
    bench = bench_of()
    bench.send_all(NOW, caller_of("first"), *many(25))
    bench.send_all(NOW, caller_of("second", 3), *many(60), campaign="large")
    bench.send_all(NOW, caller_of("third"), "t", campaign="small", priority=Priority.HIGH)
    ready(bench)
    rows = {row.campaign_id: row for row in demand_of(bench).rows(NOW)}
    assert set(rows) == {"campaign", "large"}, "the first call is the one of high priority"
    assert (rows["large"].caller, rows["large"].calls, rows["large"].weight) == ("second", 3, 3)
    assert (rows["campaign"].calls, rows["campaign"].full, rows["campaign"].priority) == (
        1,
        True,
        Priority.NORMAL,
    )


def test_nothing_is_reported_of_requests_that_linger() -> None:
    bench = Bench(linger_s=5.0)
    bench.send_all(NOW, Caller(), "t")
    bench.poll(NOW)
    demand = demand_of(bench)
    assert (demand.exists, demand.rows(NOW), demand.priority) == (False, (), len(Priority))


def test_a_call_that_may_wait_for_more_is_not_full() -> None:
    bench = Bench(linger_s=0.05, concurrent_calls=1)
    bench.send_all(NOW, Caller(), *many(25, "first"))
    bench.call(NOW)
    bench.send_all(NOW, Caller(), *many(3), campaign="small")
    bench.poll(NOW + 0.1)
    assert [row.full for row in demand_of(bench).rows(NOW + 0.1)] == [False]
    assert [row.full for row in demand_of(bench).rows(NOW + 0.7)] == [True], "it has waited long"


def test_the_turns_that_come_next_are_reported_and_the_first_of_each_priority() -> None:
    bench, source = bench_of(), caller_of("one")
    for number in range(ROWS_LIMIT + 8):
        bench.send_all(NOW, source, *many(25), campaign=f"c{number}")
    bench.send_all(NOW, caller_of("two"), *many(25), campaign="other")
    bench.send_all(NOW, source, "t", campaign="bulk", priority=Priority.BULK)
    ready(bench)
    campaigns = [row.campaign_id for row in demand_of(bench).rows(NOW)]
    assert len(campaigns) == ROWS_LIMIT + 1
    assert campaigns[0] == "other", "the caller of the first call is behind the other"
    assert campaigns[1:4] == ["c1", "c2", "c3"]
    assert campaigns[-1] == "bulk"


def test_further_attempts_are_the_most_urgent() -> None:
    demand = demand_of(bench_of(), 7, 8)
    assert (demand.exists, demand.retries, demand.priority) == (True, 2, -1)


def test_a_doubtful_campaign_is_reported_if_no_other_waits() -> None:
    bench, lost = bench_of(), caller_of("lost")
    for number in range(3):
        bench.send_all(NOW, lost, "t", campaign=f"missed-{number}")
        bench.complete(NOW, bench.call(NOW), failure=CampaignNotFound())
    bench.send_all(NOW, Caller(), *many(25), campaign="first")
    bench.call(NOW)
    bench.send_all(NOW, lost, "t", campaign="made-up")
    bench.poll(NOW)
    assert [(row.campaign_id, row.doubtful) for row in demand_of(bench).rows(NOW)] == [("made-up", True)]
    bench.send_all(NOW, Caller(), *many(25), campaign="known")
    bench.poll(NOW)
    assert [row.campaign_id for row in demand_of(bench).rows(NOW)] == ["known"]


def form(bench: Bench, hint: tuple[str, str]) -> str:
    scheduler = bench.engine._scheduler
    entries, _ = scheduler.form(NOW, hint)
    scheduler.formed(NOW, entries[0].request.campaign_id)
    return entries[0].request.campaign_id


def three_campaigns() -> Bench:
    bench = bench_of()
    bench.send_all(NOW, Caller(), *many(25), campaign="first")
    bench.call(NOW)
    for name in ("a", "b", "c"):
        bench.send_all(NOW, caller_of("one"), *many(75, name), campaign=name)
    bench.poll(NOW)
    return bench


def test_the_turn_of_the_fleet_goes_before_the_local_one() -> None:
    bench = three_campaigns()
    assert [form(bench, ("one", name)) for name in ("c", "c", "b")] == ["c", "c", "b"]
    assert [form(bench, ("", "")) for _ in range(3)] == ["a", "c", "b"], "each turn moved its campaign back"


def test_a_turn_of_the_fleet_that_is_not_ready_here_leaves_the_local_order() -> None:
    bench = three_campaigns()
    assert [form(bench, hint) for hint in (("one", "gone"), ("two", "c"), ("one", "c"))] == ["a", "b", "c"]


def test_a_more_urgent_local_call_goes_before_the_turn_of_the_fleet() -> None:
    bench = three_campaigns()
    bench.send_all(NOW, caller_of("one"), *many(25), campaign="urgent", priority=Priority.HIGH)
    assert [form(bench, ("one", "c")) for _ in range(2)] == ["urgent", "c"]
