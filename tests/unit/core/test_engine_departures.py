"""Callers disconnect, or withdraw requests at their deadline."""

import pytest

from gateway.core.errors import AnswerLost, ConnectUnreachable
from gateway.core.model import Outcome, Reason, RetryAdvice, Source
from gateway.core.slices import SLICE
from tests.unit.core.making import NOW, Bench, Caller, assert_empty, dial, tokens_of

SENT_AT = NOW + 0.05


# --- a caller disconnects ----------------------------------------------------------------------------


def test_leave_drops_what_waits() -> None:
    """Requests that only a gone caller waited for are dropped unsent, and nobody is answered."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "b", "c")
    assert bench.leave(NOW, caller) == 3
    decision = bench.poll(NOW + 1.0)
    assert (decision.batches, bench.settled) == ([], [])
    assert caller.answers == {}
    assert_empty(bench, caller)


def test_leave_drops_what_is_delayed() -> None:
    """A request that waits for another attempt is dropped with its caller."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    bench.complete(SENT_AT, bench.call(SENT_AT), failure=ConnectUnreachable())
    assert bench.leave(SENT_AT, caller) == 1
    assert bench.poll(NOW + 100.0).batches == []
    assert_empty(bench, caller)


def test_leave_keeps_what_others_joined() -> None:
    """A request that others joined is sent for them, whichever caller came first."""
    bench, leader, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, leader, "a", "b")
    bench.send_all(NOW, other, "b")
    assert bench.leave(NOW, leader) == 1
    batch = bench.call(NOW + 1.0)
    assert tokens_of(batch) == ["b"]
    bench.complete(NOW + 1.0, batch)
    assert leader.answers == {}
    assert other.answers[0].outcome is Outcome.ACCEPTED
    assert_empty(bench, leader, other)


def test_leave_of_the_leader_keeps_the_linger() -> None:
    """A lone request leaves after its linger even if its first sender has gone."""
    bench, leader, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, leader, "a")
    bench.send_all(NOW, other, "a")
    bench.leave(NOW + 0.04, leader)
    assert len(bench.poll(SENT_AT).batches) == 1


def test_leave_of_one_who_joined() -> None:
    """When a joined caller leaves, nothing changes for the first one."""
    bench, leader, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, leader, "a")
    bench.send_all(NOW, other, "a")
    assert bench.leave(NOW, other) == 0
    bench.complete(SENT_AT, bench.call(SENT_AT))
    assert leader.answers.keys() == {0}
    assert_empty(bench, leader, other)


def test_leave_of_one_who_sent_it_twice() -> None:
    """A caller that sent a token twice leaves with both."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "a")
    assert bench.leave(NOW, caller) == 1
    assert bench.poll(NOW + 1.0).batches == []
    assert_empty(bench, caller)


def test_leave_while_in_flight_and_return() -> None:
    """If the caller leaves during a call, the ledger keeps the acceptance until it returns."""
    bench, caller, returned = Bench(), Caller(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    assert bench.leave(SENT_AT, caller) == 0
    bench.complete(NOW + 1.0, batch)
    answer = bench.send(NOW + 2.0, returned, dial("a"))
    assert answer is not None
    assert (answer.outcome, answer.replayed, answer.dial_request_id) == (Outcome.ACCEPTED, True, "id-a")
    assert_empty(bench, caller, returned)


def test_return_while_still_in_flight() -> None:
    """A caller that returns before the call has ended joins it."""
    bench, caller, returned = Bench(), Caller(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    bench.leave(SENT_AT, caller)
    bench.send_all(SENT_AT, returned, "a")
    assert bench.poll(NOW + 1.0).batches == []
    bench.complete(NOW + 1.0, batch)
    assert returned.answers[0].outcome is Outcome.ACCEPTED
    assert caller.answers == {}


def test_leave_while_in_flight_and_it_fails() -> None:
    """A request without callers that comes back from a call is not sent again; its doubt is kept."""
    bench, caller, returned = Bench(max_attempts=2), Caller(), Caller()
    bench.send_all(NOW, caller, "a")
    batch = bench.call(SENT_AT)
    bench.leave(SENT_AT, caller)
    bench.complete(NOW + 1.0, batch, failure=AnswerLost(), uncertain=True)
    assert bench.poll(NOW + 100.0).batches == []
    assert_empty(bench, caller)
    bench.send_all(NOW + 100.0, returned, "a")
    again = bench.call(NOW + 101.0)
    bench.complete(NOW + 101.0, again, failure=ConnectUnreachable(), counted_attempts=2)
    assert returned.answers[0].outcome is Outcome.UNKNOWN


def test_thousands_come_and_go() -> None:
    """Nothing remains of thousands of callers that come and go, not even their expiries."""
    bench = Bench()
    for number in range(2_000):
        caller = Caller()
        bench.send_all(NOW + number / 1_000, caller, f"t{number}")
        bench.leave(NOW + number / 1_000, caller)
    assert_empty(bench)
    assert len(bench.engine._scheduler._expiries._notes) <= 65
    for _ in range(2_000 // SLICE + 1):  # the notes are more than one slice
        assert bench.poll(NOW + 10.0).batches == []
    assert len(bench.engine._scheduler._lingering) == 0


# --- a caller's deadline -----------------------------------------------------------------------------


def test_a_caller_at_its_deadline_is_told_the_truth() -> None:
    """Unsent requests are NOT_ACCEPTED; those in a call are UNKNOWN."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "sent")
    bench.call(SENT_AT)
    bench.send_all(SENT_AT, caller, "waits")
    bench.withdraw(SENT_AT, caller)
    assert [(a.outcome, a.reason, a.advice) for _, a in sorted(caller.answers.items())] == [
        (Outcome.UNKNOWN, Reason.DEADLINE, RetryAdvice.SAME_TOKEN),
        (Outcome.NOT_ACCEPTED, Reason.DEADLINE, RetryAdvice.SAME_TOKEN),
    ]
    assert bench.poll(NOW + 1.0).batches == []
    assert caller.source.pending == {}


def test_withdraw_what_others_joined() -> None:
    """A request that others wait for is UNKNOWN for the caller at its deadline, and is still sent."""
    bench, caller, other = Bench(), Caller(), Caller()
    bench.send_all(NOW, caller, "a")
    bench.send_all(NOW, other, "a")
    bench.withdraw(NOW, caller)
    assert caller.answers[0].outcome is Outcome.UNKNOWN
    bench.complete(NOW + 1.0, bench.call(NOW + 1.0))
    assert other.answers[0].outcome is Outcome.ACCEPTED
    assert len(caller.answers) == 1


def test_withdraw_what_is_in_doubt() -> None:
    """A request from a call with an unknown end is UNKNOWN, also for a later attempt."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a")
    bench.complete(SENT_AT, bench.call(SENT_AT), failure=AnswerLost(), uncertain=True)
    bench.withdraw(SENT_AT, caller)
    assert caller.answers[0].outcome is Outcome.UNKNOWN
    bench.engine.drain(NOW + 0.5, NOW + 1.0)
    answer = bench.send(NOW + 0.5, Caller(), dial("a"))
    assert answer is not None
    assert answer.outcome is Outcome.UNKNOWN
    assert_empty(bench, caller)


def test_withdraw_what_was_sent_twice() -> None:
    """A caller that sent a token twice gets the same answer under both indices."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "a")
    bench.withdraw(NOW, caller)
    assert [answer.outcome for answer in caller.answers.values()] == [Outcome.NOT_ACCEPTED] * 2
    assert_empty(bench, caller)


@pytest.mark.parametrize("closed", [True, False])
def test_source_without_requests(closed: bool) -> None:
    """A source that sent nothing can half-close, leave and withdraw."""
    bench, source = Bench(), Source(closed=closed)
    bench.engine.source_closed(NOW, source)
    bench.engine.source_gone(NOW, source)
    assert bench.engine.dropped == 0
    bench.engine.withdraw(NOW, source)
    assert bench.take_answers(NOW) == []
