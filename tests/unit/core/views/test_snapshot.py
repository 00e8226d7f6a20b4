"""Snapshots of the core have the right figures, and change nothing in it."""

import random

import pytest

from gateway.core.campaigns.condition import Condition, ConditionChange
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.engine import Engine, Limits
from gateway.core.errors import CampaignNotRunning, CredentialsRefused
from gateway.core.fleet.messages import FleetSettings
from gateway.core.model import CallReport, ItemFailure, Source, Waiter
from gateway.core.quota.fleet_permits import QuotaMember
from gateway.core.scheduling.source_queue import SCANNED_PART
from gateway.core.views.snapshot import (
    CONCURRENCY,
    CREDENTIALS,
    RATE,
    SHARED_STATE,
    CampaignFigures,
    PermitWait,
)
from tests.unit.core.making import NOW, census_of, dial

NO_LINGER = {"linger_s": 0.0, "call_rate": 0.0}


def engine_with(campaigns: dict[str, int], **limits: float) -> Engine:
    """Return an engine that was sent so many requests for each campaign."""
    engine = Engine(Limits(**{**NO_LINGER, **limits}), random.Random(1))  # type: ignore[arg-type]
    for campaign, count in campaigns.items():
        for number in range(count):
            engine.submit(NOW, [(Waiter(Source(), number), dial(f"t{number}", campaign))])
    return engine


def by_campaign(engine: Engine, now: float) -> dict[str, CampaignFigures]:
    return {figures.campaign_id: figures for figures in census_of(engine, now).campaigns}


def test_queued_and_in_flight_requests_are_counted_per_campaign() -> None:
    """Each request is queued or in flight; the oldest wait is that of the first queued one."""
    engine = engine_with({"a": 60, "b": 3}, concurrent_calls=1)
    (batch,) = engine.poll(NOW + 1).batches
    snapshot = census_of(engine, NOW + 3)
    found = {f.campaign_id: (f.queued, f.in_flight, f.oldest_wait_s) for f in snapshot.campaigns}
    assert batch.campaign_id == "a"
    assert found == {"a": (35, 25, 3.0), "b": (3, 0, 3.0)}
    assert (snapshot.outstanding, snapshot.calls_in_flight, snapshot.draining) == (63, 1, False)
    assert snapshot.outstanding_bytes == engine.outstanding_bytes


@pytest.mark.parametrize("campaigns", [1, 30])
def test_the_oldest_wait_of_large_backlogs_is_read_in_parts(campaigns: int) -> None:
    """A part of a snapshot reads a bounded number of requests, in one campaign or in several."""
    engine, source, each = (
        engine_with({}, concurrent_calls=campaigns),
        Source(),
        3 * SCANNED_PART // campaigns,
    )
    for number in range(campaigns):
        arrivals = [(Waiter(source, n), dial(f"t{n}", f"c{number}")) for n in range(each)]
        engine.submit(NOW, arrivals)
    assert len(engine.poll(NOW + 1).batches) == campaigns
    assert 2 <= sum(1 for _ in engine.begin_snapshot(NOW + 2)) <= 3
    assert {figures.oldest_wait_s for figures in census_of(engine, NOW + 2).campaigns} == {2.0}


def test_a_flowing_campaign_leaves_the_snapshot_after_its_last_answer() -> None:
    """A campaign that flows and has nothing outstanding is not in the snapshot."""
    engine = engine_with({"a": 1})
    (batch,) = engine.poll(NOW).batches
    engine.completed(NOW, batch, CallReport(accepted={"t0": "id"}))
    assert census_of(engine, NOW).campaigns == []


def test_held_campaigns_are_listed_with_the_age_of_the_hold() -> None:
    """A held campaign is listed until its release, even if nobody has sent for it."""
    engine = engine_with({"a": 1})
    engine.operator_actions.hold(NOW, "a", Hold("somebody", "why not", NOW))
    engine.operator_actions.hold(NOW + 2, "b", Hold("somebody", "why not", NOW + 2))
    assert census_of(engine, NOW + 5).held_s == {"a": 5.0, "b": 3.0}
    engine.operator_actions.release(NOW + 5, "a", OperatorAction(ActionKind.RELEASE, "somebody", "", NOW + 5))
    assert census_of(engine, NOW + 6).held_s == {"b": 4.0}


def test_a_parked_campaign_is_listed_with_state_and_duration() -> None:
    """A parked campaign is listed with its state and for how long, whether anything waits or not."""
    engine = engine_with({"a": 1})
    (batch,) = engine.poll(NOW).batches
    engine.completed(NOW, batch, CallReport(failure=CampaignNotRunning("Paused")))
    figures = by_campaign(engine, NOW + 5)["a"]
    assert figures.condition is not None
    assert (figures.condition.condition, figures.condition.state) == (Condition.PARKED, "Paused")
    assert (figures.queued, figures.not_flowing_s) == (1, 5.0)
    engine.source_gone(NOW, batch.entries[0].waiters[0].source)
    assert by_campaign(engine, NOW + 6)["a"].not_flowing_s == 6.0


def test_joins_are_counted() -> None:
    """A request under an outstanding token counts as joined."""
    engine = engine_with({"a": 1})
    engine.submit(NOW, [(Waiter(Source(), 0), dial("t0", "a"))])
    assert census_of(engine, NOW).joined == 1


def test_each_change_of_condition_is_reported_once() -> None:
    """Parking and flowing again are each reported once; parking again is no change."""
    engine = engine_with({"a": 50}, concurrent_calls=2)
    first, second = engine.poll(NOW).batches
    for batch in (first, second):
        engine.completed(NOW, batch, CallReport(failure=CampaignNotRunning("Paused")))
    assert engine.poll(NOW).changes == [ConditionChange("a", Condition.PARKED, "Paused")]
    assert engine.poll(NOW).changes == []
    engine.looked_up(NOW, ["a"], {"a": "Running"})
    assert engine.poll(NOW).changes == [ConditionChange("a", None, "Running")]


def test_a_campaign_cools_probes_and_cools_again() -> None:
    """Each cooling is reported with its pause and whether it is the first; the probe between is too."""
    engine = engine_with({"a": 1})
    throttled = CallReport(failed={"t0": ItemFailure.CAPACITY})
    (batch,) = engine.poll(NOW).batches
    engine.completed(NOW, batch, throttled)
    (first,) = engine.poll(NOW).changes
    later = NOW + first.pause_s + 0.01
    probing = engine.poll(later)
    engine.completed(later, probing.batches[0], throttled)
    (second,) = engine.poll(later).changes
    assert (first.condition, first.again) == (Condition.COOLING, False)
    assert first.pause_s > 0.5
    assert probing.changes == [ConditionChange("a", Condition.PROBING, "", again=True)]
    assert (second.condition, second.again) == (Condition.COOLING, True)


def waits(seconds: dict[str, float]) -> dict[str, float]:
    """Return the seconds of each cause of a wait that occurred."""
    return {lacking: waited_s for lacking, waited_s in seconds.items() if waited_s}


def test_time_without_a_permit_adds_up() -> None:
    """The time from a call being ready until its permit comes is counted by cause; idle time is not."""
    permit_wait = PermitWait()
    for now, lacking in ((0.0, None), (10.0, RATE), (12.0, CONCURRENCY), (12.5, None), (20.0, None)):
        permit_wait.note(now, lacking)
    assert waits(permit_wait.seconds(30.0)) == {RATE: 2.0, CONCURRENCY: 0.5}
    permit_wait.note(30.0, RATE)
    assert permit_wait.seconds(31.0)[RATE] == 3.0


def test_the_engine_names_the_limit_that_delays_calls() -> None:
    """One permit a second lacks rate; a single concurrent call lacks concurrency."""
    rate = engine_with({"a": 60}, call_rate=1.0, call_burst=1.0)
    rate.poll(NOW)
    assert waits(census_of(rate, NOW + 0.5).permit_wait_s) == {RATE: 0.5}
    calls = engine_with({"a": 60}, concurrent_calls=1)
    calls.poll(NOW)
    assert waits(census_of(calls, NOW + 0.5).permit_wait_s) == {CONCURRENCY: 0.5}


def test_the_engine_does_not_blame_the_rate_while_aws_refuses_its_credentials() -> None:
    """Calls that pause for that do not say that the quota is used up."""
    engine = engine_with({"a": 60})
    for batch in engine.poll(NOW).batches:
        engine.completed(NOW, batch, CallReport(failure=CredentialsRefused("expired"), started_at=NOW))
    engine.poll(NOW)
    assert waits(census_of(engine, NOW + 0.25).permit_wait_s) == {CREDENTIALS: 0.25}


def test_the_engine_does_not_blame_the_rate_while_the_shared_state_does_not_answer() -> None:
    """A replica that has never reached it permits nothing, and the quota is not used up."""
    quota = QuotaMember("a-1", "a", FleetSettings(10.0, 10.0, 1200.0))
    engine = Engine(Limits(linger_s=0.0), random.Random(1), fleet_member="a", fleet_quota=quota)
    engine.submit(NOW, [(Waiter(Source(), 0), dial("t0", "a"))])
    assert engine.poll(NOW).batches == []
    assert waits(census_of(engine, NOW + 2.0).permit_wait_s) == {SHARED_STATE: 2.0}


def test_snapshots_change_no_decision() -> None:
    """However often a snapshot is taken, the engine decides the same."""
    looked_at, left_alone = (engine_with({"a": 70, "b": 3}, call_rate=5.0) for _ in range(2))
    for step in range(20):
        now = NOW + step * 0.1
        for _ in range(3):
            census_of(looked_at, now)
        decisions = [engine.poll(now) for engine in (looked_at, left_alone)]
        shown = [([len(b.entries) for b in d.batches], d.wake_at) for d in decisions]
        assert shown[0] == shown[1]
