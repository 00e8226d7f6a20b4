"""What the core does with the verdicts of the guard."""

import pytest

from gateway.core import answers
from gateway.core.campaigns.holds import Hold
from gateway.core.compliance.records import GuardDecision
from gateway.core.errors import ConnectUnreachable
from gateway.core.model import Outcome, Reason, RetryAdvice, Source, Waiter
from tests.unit.core.compliance.guarded_bench import (
    LEAD_S,
    RELEASED,
    bench_with,
    records,
    records_of,
    told,
    waiting,
)
from tests.unit.core.compliance.hours_guard import HoursGuard, closing_at, opening_at
from tests.unit.core.making import NOW, Caller, assert_idle, dial, many, tokens_of


def test_what_a_rule_refuses_is_answered_at_once_and_not_sent() -> None:
    """A refused request is REJECTED with the rule's reason, and never returns to a queue."""
    bench, caller = bench_with(HoursGuard(refused={"no"})), Caller()
    answer = bench.send(NOW, caller, dial("no"))
    assert told(answer) == (Outcome.REJECTED, Reason.SUPPRESSED, RetryAdvice.NEVER)
    assert bench.send(NOW, caller, dial("yes")) is None
    assert tokens_of(bench.call(NOW)) == ["yes"]
    assert records(bench) == [(GuardDecision.REFUSED, "no")]


def test_a_request_outside_hours_waits_for_the_opening() -> None:
    """It is sent at the opening, not a moment earlier, if its expiration is later."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    bench.send_all(NOW, caller, "early")
    decision = bench.poll(NOW)
    assert not decision.batches
    assert decision.wake_at == pytest.approx(NOW + 100.0, abs=1e-5)
    assert waiting(bench) == 1
    assert not bench.poll(NOW + 99.99).batches
    batch = bench.call(NOW + 100.001)
    assert tokens_of(batch) == ["early"]
    assert batch.give_up_at == pytest.approx(NOW + 600.0 - LEAD_S, abs=1e-5)  # closing is later
    assert waiting(bench) == 0
    assert records(bench) == [(GuardDecision.WAITS, "early")]


@pytest.mark.parametrize("expires_s", [99.0, 100.0, 100.0 + LEAD_S - 0.01])
def test_a_request_that_expires_before_the_opening_is_answered_with_the_time(expires_s: float) -> None:
    """It is NOT_ACCEPTED, and `retry_after` says when the hours open; the headroom counts."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    answer = bench.send(NOW, caller, dial("early", expires_at=NOW + expires_s))
    assert told(answer) == (Outcome.NOT_ACCEPTED, Reason.OUTSIDE_CALLING_HOURS, RetryAdvice.SAME_TOKEN)
    assert answer is not None
    assert answer.retry_after_s == pytest.approx(100.0, abs=1e-5)
    assert_idle(bench, NOW)


def test_amazon_connect_gets_closing_time_as_the_expiration() -> None:
    """A request that expires after closing is sent with closing time; the call itself gives up before it."""
    bench, caller = bench_with(closing_at(60.0)), Caller()
    bench.send_all(NOW, caller, "long")
    batch = bench.call(NOW)
    (entry,) = batch.entries
    assert entry.request_to_send().expiration == NOW + 60.0
    assert entry.request.expiration == NOW + 600.0
    assert batch.give_up_at == pytest.approx(NOW + 60.0 - LEAD_S, abs=1e-5)


def test_an_expiration_before_closing_is_sent_as_it_is() -> None:
    """Closing time later than the expiration changes nothing."""
    bench, caller = bench_with(closing_at(60.0)), Caller()
    assert bench.send(NOW, caller, dial("short", expires_at=NOW + 50.0)) is None
    batch = bench.call(NOW)
    assert batch.entries[0].request_to_send() is batch.entries[0].request
    assert batch.give_up_at == pytest.approx(NOW + 50.0 - LEAD_S, abs=1e-5)


def test_nothing_is_sent_so_late_that_it_would_arrive_after_closing() -> None:
    """Within the headroom before closing, the next opening counts."""
    bench, caller = bench_with(closing_at(5.0, opening=300.0)), Caller()
    bench.send_all(NOW, caller, "late")
    assert not bench.poll(NOW).batches
    assert tokens_of(bench.call(NOW + 300.001)) == ["late"]


def test_a_waiting_request_that_closing_reaches_waits_for_the_next_opening() -> None:
    """A held campaign reaches closing: the request stays, and goes at the next opening."""
    bench, caller = bench_with(closing_at(60.0, opening=300.0)), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "t")
    bench.poll(NOW + 61.0)
    assert waiting(bench) == 1
    bench.engine.operator_actions.release(NOW + 61.0, "campaign", RELEASED)
    assert not bench.poll(NOW + 299.9).batches
    assert tokens_of(bench.call(NOW + 300.001)) == ["t"]


def test_a_waiting_request_that_closing_reaches_is_answered_if_it_expires_before_the_opening() -> None:
    """It is answered at closing time, not at its expiration hours later."""
    bench, caller = bench_with(closing_at(60.0, opening=900.0)), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "t")
    bench.poll(NOW + 60.0 - LEAD_S + 0.01)
    assert told(caller.answers[0])[:2] == (Outcome.NOT_ACCEPTED, Reason.OUTSIDE_CALLING_HOURS)
    assert caller.answers[0].retry_after_s == pytest.approx(900.0 - 60.0 + LEAD_S - 0.01, abs=1e-4)
    assert records(bench) == [(GuardDecision.REFUSED, "t")]


def test_a_request_whose_own_time_passes_expires_as_without_a_guard() -> None:
    """Closing time later than the expiration does not change the answer."""
    bench, caller = bench_with(closing_at(500.0)), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    assert bench.send(NOW, caller, dial("t", expires_at=NOW + 50.0)) is None
    bench.poll(NOW + 50.0)
    assert told(caller.answers[0])[:2] == (Outcome.EXPIRED, Reason.HELD)


def test_a_retry_after_closing_is_not_made() -> None:
    """A call that fails before closing puts its request back, which then waits for the next opening."""
    bench, caller = bench_with(closing_at(60.0, opening=300.0)), Caller()
    bench.send_all(NOW, caller, "t")
    batch = bench.call(NOW)
    bench.complete(NOW + 59.0, batch, failure=ConnectUnreachable())
    assert not bench.poll(NOW + 70.0).batches
    assert waiting(bench) == 1
    _, batch = bench.next_call(NOW + 300.001)
    assert tokens_of(batch) == ["t"]


def test_a_purge_answers_requests_that_wait_for_an_opening() -> None:
    """They wait for their campaign like all others, and are forgotten by the guard."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    bench.send_all(NOW, caller, *many(3))
    actions = bench.engine.operator_actions
    assert actions.answer_waiting(NOW, actions.entries_of("campaign"), answers.PURGED) == 3
    bench.take_answers(NOW)
    assert waiting(bench) == 0
    assert len(caller.answers) == 3
    assert_idle(bench, NOW)


def test_requests_of_a_caller_that_leaves_are_forgotten() -> None:
    """Thousands of its requests that wait for an opening take no memory afterwards."""
    bench = bench_with(opening_at(100.0))
    for _ in range(50):
        caller = Caller()
        bench.send_all(NOW, caller, *many(20))
        assert bench.leave(NOW, caller) == 20
    assert waiting(bench) == 0
    assert bench.engine.outstanding == 0
    assert bench.poll(NOW).wake_at is None


def test_a_draining_gateway_does_not_wait_for_an_opening() -> None:
    """A drain answers requests that wait for an opening as DRAINING."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    bench.send_all(NOW, caller, *many(3))
    bench.engine.drain(NOW, NOW + 200.0)
    bench.poll(NOW)
    assert {told(answer)[:2] for answer in caller.answers.values()} == {
        (Outcome.NOT_ACCEPTED, Reason.DRAINING)
    }
    assert len(caller.answers) == 3


def test_what_was_sent_is_recorded_with_its_rule() -> None:
    """Accepted and possibly sent requests, and the verdicts of rules that only observe."""
    bench, caller = bench_with(HoursGuard(observing=True), max_attempts=1), Caller()
    bench.send_all(NOW, caller, "a", "b")
    bench.complete(NOW, bench.call(NOW), accepted={"a": "id-a"})
    bench.poll(NOW + 1.0)
    found = records_of(bench)
    assert [(one.decision, one.request.client_token, one.verdict.rule) for one in found] == [
        (GuardDecision.ACCEPTED, "a", "rule"),
        (GuardDecision.OBSERVED, "a", "observer"),
        (GuardDecision.POSSIBLY_SENT, "b", "rule"),
        (GuardDecision.OBSERVED, "b", "observer"),
    ]
    assert found[0].dial_request_id == "id-a"


@pytest.mark.parametrize("observing", [False, True])
@pytest.mark.parametrize(("of_call", "recorded"), [("1f", "1f"), ("", "2e")])
def test_a_record_names_the_caller_and_the_trace(observing: bool, of_call: str, recorded: str) -> None:
    """The trace is that of the call to Connect, or of the request if the call has none."""
    bench, caller = bench_with(HoursGuard(observing=observing)), Caller(Source(caller="alice"))
    bench.engine.submit(NOW, [(Waiter(caller.source, 0, "2e"), dial("a"))])
    bench.complete(NOW, bench.call(NOW), accepted={"a": "id-a"}, trace_id=of_call)
    assert {(one.caller, one.trace_id) for one in records_of(bench)} == {("alice", recorded)}


def test_a_call_that_the_end_of_the_gateway_abandons_is_possibly_sent() -> None:
    """It may have been sent, so the trail must not say that the number was not called."""
    bench, caller = bench_with(HoursGuard()), Caller()
    bench.send_all(NOW, caller, "a")
    bench.call(NOW)
    bench.abandon(NOW)
    assert records(bench) == [(GuardDecision.POSSIBLY_SENT, "a")]


def test_a_request_that_waits_after_a_call_without_an_answer_is_possibly_sent() -> None:
    bench, caller = bench_with(HoursGuard()), Caller()
    bench.send_all(NOW, caller, "a")
    bench.complete(NOW, bench.call(NOW), failure=ConnectUnreachable(), uncertain=True)
    bench.abandon(NOW)
    assert caller.answers[0].outcome is Outcome.UNKNOWN
    assert records(bench) == [(GuardDecision.POSSIBLY_SENT, "a")]


def test_a_request_in_doubt_that_was_in_no_call_is_not_recorded_as_sent() -> None:
    """Only whoever sent it before knows that it was."""
    bench, caller = bench_with(HoursGuard()), Caller()
    bench.send(NOW, caller, dial("a", in_doubt=True))
    bench.abandon(NOW)
    assert caller.answers[0].outcome is Outcome.UNKNOWN
    assert records(bench) == []


def test_many_openings_at_one_instant_are_done_in_slices() -> None:
    """No poll decides about more than a slice of requests."""
    guard = opening_at(100.0)
    bench, caller = bench_with(guard, slice_units=50, call_rate=1.0, call_burst=1.0), Caller()
    bench.send_all(NOW, caller, *many(400))
    bench.poll(NOW)
    most = 0
    for _ in range(20):
        before = guard.asked
        bench.poll(NOW + 100.001)
        most = max(most, guard.asked - before)
    assert waiting(bench) == 0
    assert most <= 50 + 25


def test_joined_requests_share_the_wait() -> None:
    """The same token through another stream joins the request that waits."""
    bench, one, other = bench_with(opening_at(100.0)), Caller(), Caller()
    bench.send_all(NOW, one, "t")
    bench.send_all(NOW, other, "t")
    bench.complete(NOW + 100.001, bench.call(NOW + 100.001))
    assert one.answers[0].outcome is other.answers[0].outcome is Outcome.ACCEPTED


def test_a_draining_gateway_answers_what_closing_time_reaches() -> None:
    """It does not wait for the next opening."""
    bench, caller = bench_with(closing_at(60.0, opening=300.0), concurrent_calls=1), Caller()
    bench.send_all(NOW, caller, *many(26))
    bench.call(NOW)
    bench.engine.drain(NOW, NOW + 200.0)
    bench.poll(NOW + 60.0)
    assert [told(one)[:2] for one in caller.answers.values()] == [(Outcome.NOT_ACCEPTED, Reason.DRAINING)]


def test_a_draining_gateway_answers_what_new_rules_close() -> None:
    guard = HoursGuard()
    bench, caller = bench_with(guard, concurrent_calls=1), Caller()
    bench.send_all(NOW, caller, *many(26))
    bench.call(NOW)
    bench.engine.drain(NOW, NOW + 200.0)
    guard.windows = opening_at(100.0).windows
    bench.engine.rules_changed(NOW)
    bench.poll(NOW)
    assert [told(one)[:2] for one in caller.answers.values()] == [(Outcome.NOT_ACCEPTED, Reason.DRAINING)]


def test_a_request_that_expires_before_its_opening_is_noticed_is_answered() -> None:
    """The machine may have slept meanwhile."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    bench.send_all(NOW, caller, "t")
    bench.poll(NOW + 601.0)
    assert caller.answers[0].outcome is Outcome.EXPIRED
    assert_idle(bench, NOW + 601.0)
