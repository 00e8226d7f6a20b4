"""Priorities, cooling, parking, notices and the retry budget, as the shell sees them."""

from typing import Any

import pytest

from gateway.core.campaigns.conditions import PROBE_STEP
from gateway.core.errors import (
    AccessDenied,
    AnswerLost,
    CallFailure,
    CampaignNotFound,
    CampaignNotRunning,
    ConnectFailed,
    ConnectUnreachable,
)
from gateway.core.model import Batch, FlushReason, ItemFailure, NoticeKind, Outcome, Priority, Reason
from gateway.core.scheduling.pacing import RETRY_CREDIT
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT
from tests.unit.core.making import NOW, Bench, Caller, dial, many, tokens_of

HIGH, NORMAL, BULK = Priority.HIGH, Priority.NORMAL, Priority.BULK
COOLING, PARKED, RESUMED = (
    NoticeKind.CAMPAIGN_COOLING,
    NoticeKind.CAMPAIGN_PARKED,
    NoticeKind.CAMPAIGN_RESUMED,
)


def throttle(bench: Bench, now: float, batch: Batch) -> None:
    """End a call with every item throttled for capacity."""
    bench.complete(now, batch, failed=dict.fromkeys(tokens_of(batch), ItemFailure.CAPACITY))


def parked_bench(state: str = "Paused", **limits: Any) -> tuple[Bench, Caller]:
    """Make a bench with 30 requests of a campaign that has been parked just now."""
    bench, caller = Bench(**limits), Caller()
    bench.send_all(NOW, caller, *many(30))
    bench.complete(NOW, bench.call(NOW), failure=CampaignNotRunning(state))
    return bench, caller


def next_look(bench: Bench, now: float) -> tuple[float, list[str]]:
    """Poll whenever the engine wants it until it asks for states; no call leaves meanwhile."""
    for _ in range(20):
        decision = bench.poll(now)
        assert decision.batches == []
        if decision.look_up:
            return now, decision.look_up
        assert decision.wake_at is not None
        assert decision.wake_at > now
        now = decision.wake_at
    raise AssertionError("nobody asks")


# --- priorities --------------------------------------------------------------------------------------


def test_priorities_within_a_campaign() -> None:
    """HIGH leaves before NORMAL and BULK; lower priorities fill the rest of a call."""
    bench, caller = Bench(call_rate=0.0), Caller()
    for priority in (BULK, NORMAL, HIGH):
        bench.send_all(NOW, caller, *many(20, priority.name), priority=priority)
    calls = [[token.rstrip("0123456789") for token in tokens_of(batch)] for batch in bench.poll(NOW).batches]
    assert calls == [["HIGH"] * 20 + ["NORMAL"] * 5, ["NORMAL"] * 15 + ["BULK"] * 10]


def test_priorities_among_campaigns() -> None:
    """A campaign with HIGH requests calls first; BULK is passed over a limited number of times."""
    bench, caller = Bench(call_rate=0.0, concurrent_calls=100), Caller()
    bench.send_all(NOW, caller, *many(250), campaign="bulk", priority=BULK)
    bench.send_all(NOW, caller, *many(25 * 40), campaign="high", priority=HIGH)
    order = "".join(batch.campaign_id[0] for batch in bench.poll(NOW).batches)
    assert order.startswith(("h" * PASSED_OVER_LIMIT + "b") * 4)


def test_priorities_under_scarce_permits() -> None:
    """A HIGH request in a long BULK backlog leaves with the next call of its campaign."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    bench.send_all(NOW, caller, *many(1_000), priority=BULK)
    bench.complete(NOW, bench.call(NOW))
    bench.send_all(NOW, caller, "urgent", priority=HIGH)
    assert tokens_of(bench.call(NOW + 1.0))[0] == "urgent"


def test_join_raises_the_priority() -> None:
    """A join with a higher priority moves the request ahead; a lower one changes nothing."""
    bench, caller, hasty = Bench(call_rate=1.0, call_burst=1.0), Caller(), Caller()
    bench.send_all(NOW, caller, *many(60), priority=BULK)
    bench.complete(NOW, bench.call(NOW))
    bench.send_all(NOW, hasty, "t59", priority=HIGH)
    bench.send_all(NOW, caller, "t59", priority=BULK)
    assert tokens_of(bench.call(NOW + 1.0))[0] == "t59"


# --- capacity ----------------------------------------------------------------------------------------


def test_capacity_cools_the_campaign_alone() -> None:
    """A capacity-throttled campaign waits, probes with one item, grows and flows; others go on."""
    bench, caller, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, caller, *many(100))
    batches = bench.poll(NOW).batches
    for batch in batches:
        throttle(bench, NOW, batch)
    bench.send_all(NOW, other, *many(25), campaign="other")
    assert [batch.campaign_id for batch in bench.poll(NOW).batches] == ["other"]
    assert caller.told == [COOLING]
    now, sizes = NOW, []
    for _ in range(3):
        now, batch = bench.next_call(now)
        sizes.append((len(batch.entries), batch.attempts_left))
        bench.complete(now, batch)
    assert sizes == [(1, 5), (1 + PROBE_STEP, 5), (25, 5)]
    assert now - NOW < 2.0
    bench.poll(now)
    assert caller.told == [COOLING, RESUMED]
    assert other.told == []


@pytest.mark.parametrize("failure", [None, *ItemFailure])
def test_a_probe_without_an_accepted_item_is_not_taken(failure: ItemFailure | None) -> None:
    """After a probe of failed items the next call is no larger."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(100))
    for batch in bench.poll(NOW).batches:
        throttle(bench, NOW, batch)
    now, sizes = NOW, []
    for _ in range(4):
        now, batch = bench.next_call(now)
        sizes.append(len(batch.entries))
        failed = dict.fromkeys(tokens_of(batch), failure) if failure is not None else {}
        bench.complete(now + 0.1, batch, failed=failed, started_at=now)
        now += 0.1
    assert sizes == [1, 1, 1, 1]
    assert RESUMED not in caller.told


@pytest.mark.parametrize(
    ("failure", "grows"),
    [
        (ItemFailure.INVALID_INPUT, True),
        (ItemFailure.UNKNOWN_ERROR, True),
        (ItemFailure.CAPACITY, False),
        (ItemFailure.RATE, False),
    ],
)
def test_a_probe_with_an_accepted_item(failure: ItemFailure, grows: bool) -> None:
    """A probe succeeds if an item was accepted and none was throttled."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(100))
    for batch in bench.poll(NOW).batches:
        throttle(bench, NOW, batch)
    now, batch = bench.next_call(NOW)
    bench.complete(now, batch)
    now, batch = bench.next_call(now)
    first, *others = tokens_of(batch)
    failed = dict.fromkeys(others, failure)
    bench.complete(now, batch, accepted={first: "id"}, failed=failed, started_at=now)
    now, batch = bench.next_call(now)
    assert (len(batch.entries) > 1 + PROBE_STEP) is grows


def test_requests_of_a_throttled_campaign_expire_as_throttled() -> None:
    """Requests of a campaign that never recovers expire as THROTTLED, sent or not."""
    bench, caller = Bench(), Caller()
    for token in many(30):
        bench.send(NOW, caller, dial(token, expires_at=NOW + 20.0))
    now, batch = NOW, bench.call(NOW)
    calls = 0
    while bench.engine.outstanding:
        throttle(bench, now, batch)
        calls += 1
        while not (decision := bench.poll(now)).batches and bench.engine.outstanding:
            assert decision.wake_at is not None
            now = decision.wake_at
        batch = decision.batches[0] if decision.batches else batch
    assert {(told.outcome, told.reason) for told in caller.answers.values()} == {
        (Outcome.EXPIRED, Reason.THROTTLED)
    }
    assert len(caller.answers) == 30
    assert calls <= 10


# --- states ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["Paused", "Initialized", "Unheard"])
def test_parked_waits_for_running(state: str) -> None:
    """A parked campaign is looked up, not called; when it runs, everything is sent."""
    bench, caller = parked_bench(state)
    now, asked = next_look(bench, NOW)
    assert (asked, caller.told) == (["campaign"], [PARKED])
    bench.looked_up(now, asked, campaign=state)
    now, asked = next_look(bench, now)
    bench.looked_up(now, asked, campaign="Running")
    decision = bench.poll(now)
    assert len(decision.batches[0].entries) == 25
    assert caller.told == [PARKED, RESUMED]
    assert caller.answers == {}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        *((state, Reason.CAMPAIGN_NOT_RUNNING) for state in ("Stopped", "Failed", "Completed")),
        ("NotFound", Reason.CAMPAIGN_NOT_FOUND),
    ],
)
def test_a_parked_campaign_that_ends_settles_its_requests(state: str, reason: Reason) -> None:
    """A parked campaign that ends settles waiting requests and those that come soon after."""
    bench, caller = parked_bench()
    now, asked = next_look(bench, NOW)
    assert len(bench.looked_up(now, asked, campaign=state)) == 30
    late = bench.send(now, caller, dial("late"))
    assert late is not None
    assert (late.outcome, late.reason) == (Outcome.REJECTED, reason)
    assert bench.engine.outstanding == 0


def test_an_ended_campaign_is_not_announced_as_flowing() -> None:
    """No caller is told that an ended campaign flows again."""
    bench, caller = parked_bench()
    now, asked = next_look(bench, NOW)
    bench.looked_up(now, asked, campaign="Stopped")
    bench.poll(now)
    assert RESUMED not in caller.told


def test_requests_of_a_parked_campaign_expire_with_that_reason() -> None:
    """Requests of a campaign that does not run expire as CAMPAIGN_NOT_RUNNING."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 20.0))
    bench.complete(NOW + 0.1, bench.call(NOW + 0.1), failure=CampaignNotRunning("Paused"))
    bench.send(NOW + 0.1, caller, dial("late", expires_at=NOW + 20.0))
    bench.poll(NOW + 15.0)
    assert {(told.outcome, told.reason) for told in caller.answers.values()} == {
        (Outcome.EXPIRED, Reason.CAMPAIGN_NOT_RUNNING)
    }


def test_parked_without_the_right_to_look() -> None:
    """Without permission to look, a rare probe of one item finds out that the campaign flows."""
    bench, caller = parked_bench()
    now, _ = next_look(bench, NOW)
    bench.engine.may_not_look_up(now)
    wasted = 0
    while now < NOW + 60.0:
        now, batch = bench.next_call(now)
        assert (len(batch.entries), batch.flush) == (1, FlushReason.PROBE)
        bench.complete(now, batch, failure=CampaignNotRunning("Paused"))
        wasted += 1
    assert wasted <= 8
    for _ in range(2):
        now, batch = bench.next_call(now)
        bench.complete(now, batch)
    bench.poll(now)
    assert caller.told == [PARKED, RESUMED]


# --- notices -----------------------------------------------------------------------------------------


def test_notices_once_for_each_source_and_campaign() -> None:
    """Waiting and later callers are each told once; all who stayed are told when it flows again."""
    bench, early = parked_bench()
    late, gone = Caller(), Caller()
    for caller in (late, gone):
        bench.send_all(NOW, caller, *many(3, f"x{id(caller)}-"))
    now, asked = next_look(bench, NOW)
    assert [caller.told for caller in (early, late, gone)] == [[PARKED]] * 3
    bench.leave(now, gone)
    bench.looked_up(now, asked, campaign="Running")
    bench.poll(now)
    assert [caller.told for caller in (early, late, gone)] == [[PARKED, RESUMED], [PARKED, RESUMED], [PARKED]]


def test_one_whose_requests_have_expired_hears_of_the_next_parking() -> None:
    """A stream with nothing waiting when a parked campaign was forgotten is told of the next parking."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 10.0))
    bench.complete(NOW + 0.1, bench.call(NOW + 0.1), failure=CampaignNotRunning("Paused"))
    for seconds in (5.0, 8.0, 12.0):
        bench.poll(NOW + seconds)
    assert caller.told == [PARKED]
    bench.send_all(NOW + 20.0, caller, "later")
    bench.complete(NOW + 20.1, bench.call(NOW + 20.1))
    bench.poll(NOW + 20.2)
    assert caller.told == [PARKED, RESUMED]


@pytest.mark.parametrize("failure", [CampaignNotFound(), CampaignNotRunning("Stopped")])
def test_refused_after_cooling(failure: CampaignNotFound | CampaignNotRunning) -> None:
    """A campaign whose probe finds it gone settles all its requests and leaves no condition."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(30))
    throttle(bench, NOW, bench.call(NOW))
    now, probe = bench.next_call(NOW)
    bench.complete(now, probe, failure=failure)
    assert {told.outcome for told in caller.answers.values()} == {Outcome.REJECTED}
    bench.send_all(now + 6.0, caller, *many(25, "again"))
    assert len(bench.call(now + 6.0).entries) == 25


@pytest.mark.parametrize("failure", [CampaignNotFound(), CampaignNotRunning("Stopped"), AccessDenied()])
def test_all_that_a_refusal_answers_names_its_call(failure: CallFailure) -> None:
    """The requests of the refused call, and those that were waiting, have the trace of that call."""
    bench, caller = Bench(concurrent_calls=1), Caller()
    bench.send_all(NOW, caller, *many(30))
    bench.complete(NOW, bench.call(NOW), failure=failure, trace_id="trace")
    assert [answer.trace_id for answer in caller.answers.values()] == ["trace"] * 30


def test_a_refused_campaign_is_not_announced_as_cooling() -> None:
    """The answers say what became of the campaign; no notice about an earlier condition follows them."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(60))
    first, second = bench.poll(NOW).batches
    throttle(bench, NOW, first)
    bench.complete(NOW, second, failure=CampaignNotFound())
    bench.poll(NOW)
    assert caller.told == []
    bench.send_all(NOW + 6.0, caller, *many(25, "again"))
    bench.complete(NOW + 6.0, bench.call(NOW + 6.0))
    bench.poll(NOW + 6.0)
    assert caller.told == []


# --- the retry budget --------------------------------------------------------------------------------


def test_retries_are_denied_beyond_the_budget() -> None:
    """A denied further attempt ends its call, and its items are queued again."""
    bench, caller = Bench(call_rate=0.0), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    granted = 0
    for _ in range(50):
        bench.engine.ask_retry(batch)
        decision = bench.poll(NOW)
        if decision.denied:
            assert (decision.denied, decision.granted) == ([batch.number], [])
            break
        granted += 1
        assert decision.granted == [batch.number]
    assert granted == RETRY_CREDIT
    bench.complete(NOW, batch, failure=ConnectFailed(), counted_attempts=1, uncertain=True)
    assert caller.answers == {}
    now, again = bench.next_call(NOW)
    assert set(tokens_of(again)) <= set(many(25))
    bench.complete(now, again, failure=ConnectUnreachable())


def test_denied_beyond_the_grace_time() -> None:
    """After the grace time every further attempt is denied, whatever the budget."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(NOW + 0.1)
    bench.engine.drain(NOW + 0.1, NOW + 1.0)
    bench.engine.ask_retry(batch)
    assert bench.poll(NOW + 1.0).denied == [batch.number]
    bench.complete(NOW + 1.0, batch, failure=AnswerLost(), uncertain=True)
    assert caller.answers[0].outcome is Outcome.UNKNOWN
