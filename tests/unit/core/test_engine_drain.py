"""A gateway drains: it sends what it can, and answers the rest."""

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.errors import CallRevoked, ConnectUnreachable
from gateway.core.model import FlushReason, Outcome, Reason
from tests.unit.core.making import NOW, Bench, Caller, assert_empty, assert_idle, dial, ids_of, many

SENT_AT = NOW + 0.05


def test_drain_sends_what_it_can() -> None:
    """A draining gateway does not linger, takes nothing new, and answers what it sends."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    bench.engine.drain(NOW, NOW + 20.0)
    assert bench.engine.draining
    batch = bench.call(NOW)
    assert batch.flush is FlushReason.DRAIN
    answer = bench.send(NOW, caller, dial("b"))
    assert answer is not None
    assert (answer.outcome, answer.reason) == (Outcome.NOT_ACCEPTED, Reason.DRAINING)
    bench.send_all(NOW, caller, "a")
    bench.complete(NOW + 1.0, batch)
    assert [caller.answers[index].outcome for index in (0, 2)] == [Outcome.ACCEPTED] * 2
    assert_empty(bench, caller)


def test_drain_ends_at_its_instant() -> None:
    """At the end of the grace time unsent requests are NOT_ACCEPTED, delayed ones included."""
    bench, caller = Bench(call_rate=1.0, call_burst=1.0), Caller()
    bench.send_all(NOW, caller, "delayed")
    bench.complete(SENT_AT, bench.call(SENT_AT), failure=ConnectUnreachable(), counted_attempts=4)
    bench.send_all(SENT_AT, caller, "waits")
    bench.engine.drain(SENT_AT, SENT_AT + 0.01)
    assert bench.poll(SENT_AT).wake_at == SENT_AT + 0.01
    bench.poll(SENT_AT + 0.01)
    assert {answer.reason for answer in caller.answers.values()} == {Reason.DRAINING}
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.NOT_ACCEPTED}
    assert_empty(bench, caller)


def test_drain_and_a_call_that_ends_after_it() -> None:
    """A request that returns after the grace time is not sent again; a doubt is stated."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "b")
    batch = bench.call(SENT_AT)
    bench.engine.drain(SENT_AT, NOW + 1.0)
    assert bench.poll(NOW + 1.0).batches == []
    bench.complete(NOW + 2.0, batch, accepted={"a": "id"})
    assert caller.answers[0].outcome is Outcome.ACCEPTED
    assert (caller.answers[1].outcome, caller.answers[1].reason) == (Outcome.UNKNOWN, Reason.DRAINING)
    assert_empty(bench, caller)


def test_drain_and_a_call_that_wants_a_permit() -> None:
    """After the grace time a call gets no further attempt, and no wake-up is needed for it."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    bench.engine.ask_retry(batch)
    bench.engine.drain(SENT_AT, SENT_AT)
    decision = bench.poll(NOW + 1.0)
    assert decision.granted == []
    assert decision.denied == [batch.number]
    assert_idle(bench, NOW + 1.0)


def test_abandoning_answers_everybody() -> None:
    """Requests in a call are UNKNOWN, all others NOT_ACCEPTED."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "sent")
    batch = bench.call(SENT_AT)
    bench.send_all(SENT_AT, caller, "waits")
    bench.engine.ask_retry(batch)
    bench.abandon(SENT_AT)
    assert [caller.answers[index].outcome for index in (0, 1)] == [Outcome.UNKNOWN, Outcome.NOT_ACCEPTED]
    assert {answer.reason for answer in caller.answers.values()} == {Reason.DRAINING}
    assert_empty(bench, caller)
    assert bench.engine.calls_in_flight == 0


@pytest.mark.parametrize(
    ("answering", "purging", "reason"),
    [
        (False, False, Reason.DRAINING),
        (True, False, Reason.HELD),
        (False, True, Reason.PURGED),
    ],
)
def test_drain_and_what_returns_to_a_held_campaign(answering: bool, purging: bool, reason: Reason) -> None:
    """A draining gateway does not wait for the end of a hold; each request is told what stopped it."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    bench.engine.drain(SENT_AT, NOW + 20.0)
    bench.engine.operator_actions.hold(SENT_AT, "campaign", Hold("anna", "", SENT_AT, answering))
    assert bench.engine.revoke_calls("campaign", purging=purging) == [batch]
    bench.complete(SENT_AT, batch, failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
    assert [answer.reason for answer in caller.answers.values()] == [reason]
    assert_empty(bench, caller)


def test_after_the_end_nothing_is_taken_in() -> None:
    """A gateway that has answered everybody leaves no new request without an answer."""
    bench, caller = Bench(), Caller()
    bench.abandon(NOW)
    answer = bench.send(NOW, caller, dial("late"))
    assert answer is not None
    assert (answer.outcome, answer.reason) == (Outcome.NOT_ACCEPTED, Reason.DRAINING)


def test_call_that_ends_after_abandon() -> None:
    """The end of an abandoned call answers nobody a second time."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    bench.abandon(SENT_AT)
    assert bench.complete(NOW + 1.0, batch, accepted=ids_of(batch)) == []
    assert_idle(bench, NOW + 1.0)


@pytest.mark.parametrize("leaves_before", [True, False])
def test_requests_in_calls_are_not_dropped_unsent_when_the_gateway_gives_up(leaves_before: bool) -> None:
    """Connect may have a request that is in a call, so it is not counted as dropped, though nobody waits."""
    bench, caller, other = Bench(slice_units=1), Caller(), Caller()
    bench.send_all(NOW, caller, *many(4))
    bench.call(SENT_AT)
    bench.send_all(SENT_AT, other, "waits")
    bench.engine.source_gone(SENT_AT, caller.source)
    if leaves_before:
        while bench.engine.unfinished:
            bench.engine.do_slice(SENT_AT)
    bench.abandon(SENT_AT)
    while bench.engine.unfinished:
        bench.engine.do_slice(SENT_AT)
    bench.take_answers(SENT_AT)
    assert bench.engine.dropped == 0
    assert other.answers[0].reason is Reason.DRAINING
    assert_empty(bench, caller, other)
