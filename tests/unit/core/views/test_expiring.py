"""The estimate of the backlog that will expire, compared with what happens."""

import random

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Engine, Limits
from gateway.core.model import CallReport, Outcome, Source, Waiter
from gateway.core.scheduling.queues import QUEUES_PART
from gateway.core.views.expiring import POINTS
from tests.unit.core.making import NOW, Caller, census_of, dial

Backlog = list[tuple[str, int, float]]
"""Campaigns, each with the number of its requests and the seconds in which they give up."""


def engine_with(backlog: Backlog, *, call_rate: float) -> tuple[Engine, Caller]:
    """Return an engine with a backlog of one caller, which forecasts nothing."""
    limits = Limits(
        call_rate=call_rate, call_burst=1, concurrent_calls=100, expiry_headroom_s=0.0, forecast=False
    )
    engine, caller = Engine(limits, random.Random(1)), Caller()
    for campaign, count, within_s in backlog:
        numbers = range(caller.sent, caller.sent + count)
        requests = [(n, dial(f"t{n}", campaign, expires_at=NOW + within_s)) for n in numbers]
        engine.submit(NOW, [(Waiter(caller.source, n), request) for n, request in requests])
        caller.sent += count
    return engine, caller


def expired(engine: Engine, caller: Caller) -> int:
    """Let time pass until everything is answered, with calls that succeed; return how many expired."""
    now = NOW
    while engine.outstanding:
        decision = engine.poll(now)
        for batch in decision.batches:
            accepted = {entry.request.client_token: "id" for entry in batch.entries}
            engine.completed(now, batch, CallReport(accepted=accepted))
        for settled in engine.take_answers(now):
            caller.deliver(settled)
        now += 0.05
    return sum(answer.outcome is Outcome.EXPIRED for answer in caller.answers.values())


@pytest.mark.parametrize(
    ("backlog", "call_rate"),
    [
        ([("a", 1000, 10.0)], 10.0),
        ([("a", 1000, 10.0)], 2.0),
        ([("a", 1000, 10.0), ("b", 500, 10.0), ("c", 10, 10.0)], 2.0),
        ([("a", 1000, 1.0), ("b", 1000, 600.0)], 2.0),
        ([(f"c{n}", 3, 5.0) for n in range(100)], 4.0),
    ],
)
def test_about_as_many_expire_as_were_estimated(backlog: Backlog, call_rate: float) -> None:
    """The estimate differs from what happens by what is sent between two of its instants, at most."""
    engine, caller = engine_with(backlog, call_rate=call_rate)
    estimate = census_of(engine, NOW).backlog_expiring
    happened = expired(engine, caller)
    total = sum(count for _, count, _ in backlog)
    assert estimate == pytest.approx(happened, abs=total / POINTS + 50)
    assert (estimate == 0) == (happened == 0)


@pytest.mark.parametrize(
    "backlog",
    [
        [("a", 500, 5.0), ("b", 500, 10.0), ("c", 500, 20.0)],
        [("a", 2000, 20.0), ("b", 300, 2.0)],
    ],
)
def test_at_least_as_many_expire_if_campaigns_differ_in_urgency(backlog: Backlog) -> None:
    """Campaigns take turns, so an urgent one loses requests that the most urgent order would have sent."""
    engine, caller = engine_with(backlog, call_rate=2.0)
    estimate = census_of(engine, NOW).backlog_expiring
    assert 0 < estimate <= expired(engine, caller)


def test_nothing_expires_without_a_limit_of_the_rate() -> None:
    """Without a rate no request has to wait."""
    engine, _ = engine_with([("a", 1000, 0.5)], call_rate=0.0)
    assert census_of(engine, NOW).backlog_expiring == 0


def test_an_empty_backlog_does_not_expire() -> None:
    """There is nothing to expire, and no division by zero."""
    assert census_of(Engine(Limits(), random.Random(1)), NOW).backlog_expiring == 0


def test_a_campaign_on_hold_is_left_out() -> None:
    """Its requests wait for the operator, not for the quota."""
    engine, _ = engine_with([("a", 1000, 10.0)], call_rate=2.0)
    assert census_of(engine, NOW).backlog_expiring > 0
    engine.operator_actions.hold(NOW, "a", Hold("ops", "test", NOW))
    assert census_of(engine, NOW).backlog_expiring == 0


def test_the_wall_clock_decides_what_expires() -> None:
    """If the clock is set forward, less time is left for the same backlog."""
    engine, _ = engine_with([("a", 1000, 30.0)], call_rate=2.0)
    assert census_of(engine, NOW).backlog_expiring == 0
    engine.wall_clock_gained(20.0)
    assert census_of(engine, NOW).backlog_expiring > 0


def test_many_sources_are_read_in_parts() -> None:
    """One part reads a limited number of sources."""
    engine = Engine(Limits(call_rate=1.0, forecast=False), random.Random(1))
    for number in range(2 * QUEUES_PART):
        engine.submit(NOW, [(Waiter(Source(caller="c"), 0), dial(f"t{number}", "a", expires_at=NOW + 20))])
    parts = sum(1 for _ in engine.begin_snapshot(NOW))
    assert parts >= 2
    assert census_of(engine, NOW).backlog_expiring > 0
