"""Decisions are made again when the guard changes: rules, suppressed numbers, or the wall clock."""

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.compliance.queue_review import PAUSE_OF_ENTRY_S, SHORTEST_PAUSE_S
from gateway.core.compliance.records import GuardDecision
from gateway.core.errors import ConnectUnreachable
from gateway.core.model import Outcome, Reason
from tests.unit.core.compliance.guarded_bench import RELEASED, bench_with, records, review, told, waiting
from tests.unit.core.compliance.hours_guard import HoursGuard, closing_at, opening_at
from tests.unit.core.making import NOW, Caller, assert_idle, many, tokens_of


def test_a_call_that_is_formed_during_a_review_decides_itself() -> None:
    """A review takes many turns; a number that is refused since then is not sent meanwhile."""
    guard = HoursGuard()
    bench, caller = bench_with(guard, slice_units=1), Caller()
    bench.send_all(NOW, caller, "a", "b", "c")
    guard.refused.add("c")
    bench.engine.rules_changed(NOW)
    assert bench.engine.unfinished
    assert tokens_of(bench.call(NOW)) == ["a", "b"]
    assert told(caller.answers[2])[:2] == (Outcome.REJECTED, Reason.SUPPRESSED)


def test_calls_formed_before_a_review_begins_decide_again() -> None:
    """Calls are revoked at once, and a review may begin later: nothing is sent by an earlier decision."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.engine.numbers_changed(NOW)
    bench.send_all(NOW, caller, "a", "b")
    batch = bench.call(NOW)
    bench.send_all(NOW, caller, "c", "d")
    guard.refused |= {"a", "c"}
    assert bench.engine.numbers_changed(NOW) == [batch]
    assert batch.revoked
    bench.take_answers(NOW)
    assert caller.answers == {}  # the review waits
    _, formed = bench.next_call(NOW)
    assert tokens_of(formed) == ["d"]
    assert told(caller.answers[2])[:2] == (Outcome.REJECTED, Reason.SUPPRESSED)


def test_many_changes_of_numbers_are_followed_by_two_reviews() -> None:
    """The first change is reviewed at once, all later ones together after a pause; calls stop each time."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.engine.operator_actions.hold(NOW, "held", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, *many(100), "kept", campaign="held")
    bench.send_all(NOW, caller, "sent")
    batch = bench.call(NOW)
    guard.asked = 0
    for change in range(100):
        assert bench.engine.numbers_changed(NOW + change * 1e-4) == []
        guard.refused.add(f"t{change}")
    assert guard.asked == 101 + 100  # one review, and the call at each change
    guard.refused.add("sent")
    assert bench.engine.numbers_changed(NOW + 0.01) == [batch]
    due_at = NOW + SHORTEST_PAUSE_S + 102 * PAUSE_OF_ENTRY_S
    assert bench.poll(NOW + 0.01).wake_at == pytest.approx(due_at)
    assert caller.answers == {}
    bench.poll(due_at)
    assert len(caller.answers) == 100
    asked = guard.asked
    bench.poll(NOW + 1.0)
    assert guard.asked == asked


def test_the_pause_between_reviews_grows_with_the_queues() -> None:
    """A review of many requests takes long, so the next one comes later."""
    bench, caller = bench_with(HoursGuard()), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, *many(2_000))
    bench.engine.numbers_changed(NOW)
    bench.engine.numbers_changed(NOW)
    deadline = bench.engine.guarding.deadline()
    assert deadline == pytest.approx(NOW + SHORTEST_PAUSE_S + 2_000 * PAUSE_OF_ENTRY_S)


def test_rules_that_change_are_reviewed_without_a_pause() -> None:
    """What new rules refuse is answered at once, also soon after a change of numbers."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "a")
    bench.engine.numbers_changed(NOW)
    guard.refused.add("a")
    review(bench, NOW)
    assert told(caller.answers[0])[:2] == (Outcome.REJECTED, Reason.SUPPRESSED)


def test_a_retry_is_decided_again_after_a_change() -> None:
    """A request that comes back from a call after the rules have changed is not sent by the old decision."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a")
    bench.complete(NOW, bench.call(NOW), failure=ConnectUnreachable())
    guard.refused.add("a")
    review(bench, NOW)
    for seconds in range(1, 20):
        assert not bench.poll(NOW + seconds).batches
    assert caller.answers[0].reason is Reason.SUPPRESSED


def test_a_call_is_revoked_if_the_hours_close_earlier_by_new_rules() -> None:
    """Its attempts could go on until the old closing time."""
    guard = closing_at(300.0)
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(NOW)
    assert review(bench, NOW) == 0
    guard.windows = closing_at(200.0).windows
    assert review(bench, NOW) == 1
    assert batch.revoked


def test_a_review_shortens_what_waits_for_a_call() -> None:
    """A held campaign's requests give up at the new closing time."""
    guard = closing_at(300.0)
    bench, caller = bench_with(guard), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "a")
    guard.windows = closing_at(100.0).windows
    review(bench, NOW)
    bench.poll(NOW + 100.0)
    assert told(caller.answers[0])[:2] == (Outcome.REJECTED, Reason.OUTSIDE_CALLING_HOURS)


def test_closing_time_that_has_moved_is_noticed_when_it_comes() -> None:
    """A review may not have reached the request yet."""
    guard = closing_at(60.0, opening=300.0)
    bench, caller = bench_with(guard), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "t")
    guard.windows = HoursGuard().windows
    bench.poll(NOW + 60.0)
    bench.engine.operator_actions.release(NOW + 60.0, "campaign", RELEASED)
    assert tokens_of(bench.call(NOW + 60.0)) == ["t"]


def test_a_decision_holds_until_closing_time() -> None:
    """A call is formed without asking again if nothing has changed, since decisions cost time."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, *many(25))
    bench.call(NOW)
    assert guard.asked == 25


def test_a_change_of_the_guard_revokes_calls_at_the_next_poll() -> None:
    """This needs no review: for example, a trail cannot be written any more, or names have changed."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(NOW)
    guard.refused.add("a")
    guard.changes += 1
    assert bench.poll(NOW).revoked == [batch]
    assert batch.revoked
    assert bench.poll(NOW).revoked == []


def test_a_wall_clock_that_is_set_back_closes_what_was_open() -> None:
    """Requests that were allowed wait again for the opening."""
    guard = opening_at(0.0)
    bench, caller = bench_with(guard), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, "t")
    bench.engine.operator_actions.release(NOW, "campaign", RELEASED)
    bench.engine.wall_clock_gained(-50.0)
    assert not bench.poll(NOW + 1.0).batches
    assert waiting(bench) == 1
    assert tokens_of(bench.call(NOW + 50.001)) == ["t"]


def test_a_call_of_refused_requests_only_is_not_made() -> None:
    """Its permit stays, and nothing is left to do."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a", "b")
    guard.refused |= {"a", "b"}
    bench.engine.rules_changed(NOW)
    assert not bench.poll(NOW).batches
    assert len(caller.answers) == 2
    assert_idle(bench, NOW)


def test_a_review_answers_what_waits_and_revokes_calls_in_flight() -> None:
    """What is suppressed is answered in its queue, its call is revoked, and others of it are sent again."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a", "b")
    batch = bench.call(NOW)
    bench.send_all(NOW, caller, "c", campaign="held")
    guard.refused |= {"a", "c"}
    assert review(bench, NOW) == 1
    assert batch.revoked
    assert told(caller.answers[2])[:2] == (Outcome.REJECTED, Reason.SUPPRESSED)
    bench.complete(NOW, batch, failure=ConnectUnreachable(), uncertain=False, counted_attempts=0)
    _, batch = bench.next_call(NOW)
    assert tokens_of(batch) == ["b"]
    assert told(caller.answers[0])[:2] == (Outcome.REJECTED, Reason.SUPPRESSED)


def test_a_request_that_may_have_been_sent_is_unknown_when_it_is_refused() -> None:
    """No denial after a call without a clear answer."""
    guard = HoursGuard()
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "a")
    bench.complete(NOW, bench.call(NOW), failure=ConnectUnreachable(), uncertain=True)
    guard.refused.add("a")
    review(bench, NOW)
    bench.poll(NOW + 10.0)
    bench.poll(NOW + 20.0)
    assert told(caller.answers[0])[:2] == (Outcome.UNKNOWN, Reason.SUPPRESSED)
    assert GuardDecision.POSSIBLY_SENT not in dict(records(bench))


def test_a_review_sends_what_new_rules_allow() -> None:
    """Requests that waited for an opening go at once when the new rules are open."""
    guard = opening_at(500.0)
    bench, caller = bench_with(guard), Caller()
    bench.send_all(NOW, caller, "t")
    bench.poll(NOW)
    guard.windows = HoursGuard().windows
    review(bench, NOW + 1.0)
    assert waiting(bench) == 0
    assert tokens_of(bench.call(NOW + 1.0)) == ["t"]


def test_a_wall_clock_that_is_set_moves_the_openings() -> None:
    """Hours follow the wall clock: set forward, requests go at once."""
    bench, caller = bench_with(opening_at(100.0)), Caller()
    bench.send_all(NOW, caller, "t")
    bench.poll(NOW)
    bench.engine.wall_clock_gained(101.0)
    assert tokens_of(bench.call(NOW)) == ["t"]


def test_changes_that_follow_each_other_fast_are_reviewed_together() -> None:
    """However often the guard changes during a review, one other review follows it."""
    guard = HoursGuard()
    bench, caller = bench_with(guard, slice_units=10), Caller()
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("op", "why", NOW))
    bench.send_all(NOW, caller, *many(1_000))
    guard.asked = 0
    for change in range(1, 51):
        guard.changes = change
        bench.poll(NOW)
    guard.refused = {"t0", "t999"}
    guard.changes = 51
    bench.poll(NOW)
    while bench.engine.unfinished:
        bench.engine.do_slice(NOW)
    bench.take_answers(NOW)
    assert guard.asked < 4_000
    assert {caller.answers[0].reason, caller.answers[999].reason} == {Reason.SUPPRESSED}  # the first and last
