"""Long work is done in slices: no event takes longer than one slice, and the results are the same."""

import pytest

from gateway.core.batches import EXAMINED_LIMIT
from gateway.core.campaigns.holds import Hold
from gateway.core.engine import Decision
from gateway.core.errors import AccessDenied, CallRevoked, CampaignNotFound
from gateway.core.model import NoticeKind, Outcome, Reason
from gateway.core.scheduling.source_queue import SourceQueue
from tests.unit.core.making import NOW, Bench, Caller, dial, ids_of, many, tokens_of

COUNT, SLICE = 400, 50


def bench_with_backlog() -> tuple[Bench, Caller]:
    """Return an engine with small slices, and a caller with a backlog of eight of them."""
    bench, caller = Bench(slice_units=SLICE, call_rate=0.0, concurrent_calls=1), Caller()
    bench.send_all(NOW, caller, *many(COUNT))
    return bench, caller


def worked_off(bench: Bench, now: float = NOW) -> list[Decision]:
    """Poll until no work is left; each poll wants the next at once, and answers a slice at most."""
    decisions = []
    while bench.engine.unfinished:
        decisions.append(bench.poll(now))
        assert len(bench.settled) <= 2 * SLICE
        if bench.engine.unfinished:
            assert decisions[-1].wake_at == now
    return decisions


@pytest.mark.parametrize("failure", [CampaignNotFound(), AccessDenied()])
def test_a_campaign_is_refused_in_slices(failure: Exception) -> None:
    """Until all are answered none is sent; requests that come or join meanwhile are refused too."""
    bench, caller = bench_with_backlog()
    batch = bench.call(NOW)
    settled = bench.complete(NOW, batch, failure=failure)
    assert 25 <= len(settled) <= 25 + SLICE
    late = Caller()
    bench.send(NOW, late, dial(f"t{COUNT - 1}"))  # joins one whose turn has not come
    bench.send(NOW, late, dial("new"))
    decisions = worked_off(bench)
    assert len(decisions) >= COUNT // SLICE - 2
    assert not any(decision.batches for decision in decisions)
    assert len(caller.answers) == COUNT
    assert {answer.reason for answer in late.answers.values()} == {caller.answers[0].reason}
    assert len(late.answers) == 2
    assert bench.engine.outstanding == bench.engine.outstanding_bytes == 0


def test_what_returns_to_a_campaign_while_it_is_refused_is_sent_afterwards() -> None:
    """A call that comes back while waiting requests are refused shows how the campaign is now."""
    bench, caller = Bench(slice_units=SLICE, call_rate=0.0, concurrent_calls=2), Caller()
    bench.send_all(NOW, caller, *many(COUNT))
    refused, unsent = bench.poll(NOW).batches
    bench.complete(NOW, refused, failure=AccessDenied())
    bench.complete(NOW, unsent, failure=CallRevoked(), attempts=0, counted_attempts=0)
    decisions = worked_off(bench)
    batches = [batch for decision in (*decisions, bench.poll(NOW)) for batch in decision.batches]
    assert [tokens_of(batch) for batch in batches] == [tokens_of(unsent)]


def test_a_caller_with_a_backlog_leaves_in_slices() -> None:
    """Once a source leaves, none of its requests is sent, and calls are filled with those of others."""
    bench, gone, other = Bench(slice_units=SLICE, call_rate=0.0, concurrent_calls=1), Caller(), Caller()
    bench.send_all(NOW, gone, *many(COUNT))
    bench.send_all(NOW, other, *many(60, "other"), "t399")
    bench.engine.source_gone(NOW, gone.source)
    assert len(gone.source.pending) >= COUNT - SLICE
    sent: list[str] = []
    while (decision := bench.poll(NOW)).batches or bench.engine.unfinished:
        for batch in decision.batches:
            sent += tokens_of(batch)
            bench.complete(NOW, batch)
    assert sorted(sent) == sorted([*many(60, "other"), "t399"])
    assert gone.answers == {}
    assert bench.engine.dropped == COUNT - 1
    assert (gone.source.pending, gone.source.queues) == ({}, {})
    assert bench.engine.outstanding == bench.engine.outstanding_bytes == 0


def test_calls_are_full_while_a_caller_leaves() -> None:
    bench, gone, other = Bench(slice_units=SLICE, call_rate=0.0, concurrent_calls=1), Caller(), Caller()
    bench.send_all(NOW, gone, *many(COUNT))
    bench.send_all(NOW, other, *many(60, "other"))
    bench.engine.source_gone(NOW, gone.source)
    assert len(bench.call(NOW).entries) == 25


def test_a_token_of_a_caller_that_leaves_is_new_at_once() -> None:
    """A returning caller may reuse a token for another number before all is removed."""
    bench, gone, returned = Bench(slice_units=1), Caller(), Caller()
    bench.send_all(NOW, gone, *many(10))
    bench.engine.source_gone(NOW, gone.source)
    assert bench.send(NOW, returned, dial("t9", phone="+12065550199")) is None
    worked_off(bench)
    batch = bench.call(NOW + 1.0)
    assert [entry.request.phone_number for entry in batch.entries] == ["+12065550199"]
    bench.complete(NOW + 1.0, batch)
    assert returned.answers[0].outcome is Outcome.ACCEPTED


def test_a_stream_that_ends_is_answered_in_slices() -> None:
    """Requests in no call are NOT_ACCEPTED and never sent; those in a call are answered when it ends."""
    bench, caller = bench_with_backlog()
    batch = bench.call(NOW)
    bench.engine.source_ending(NOW, caller.source)
    assert not any(decision.batches for decision in worked_off(bench))
    bench.poll(NOW)
    assert len(caller.answers) == COUNT - 25
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.NOT_ACCEPTED}
    bench.complete(NOW, batch, accepted=ids_of(batch))
    assert len(caller.answers) == COUNT


def test_a_gateway_that_leaves_answers_in_slices() -> None:
    """At the end of the time for sending nothing is sent, and all is answered DRAINING."""
    bench, caller = bench_with_backlog()
    bench.engine.drain(NOW, NOW)
    bench.poll(NOW)
    decisions = worked_off(bench)
    assert len(decisions) >= COUNT // SLICE - 2
    assert {answer.reason for answer in caller.answers.values()} == {Reason.DRAINING}
    assert len(caller.answers) == COUNT


def test_a_call_ends_while_a_gateway_that_leaves_answers_for_a_held_campaign() -> None:
    """The requests of the call are answered with it: the slices have passed them already."""
    bench, caller = bench_with_backlog()
    batch = bench.call(NOW)
    bench.engine.drain(NOW, NOW + 10.0)
    bench.engine.operator_actions.hold(NOW, batch.campaign_id, Hold("anna", "", NOW))
    bench.poll(NOW)
    before = len(caller.answers)
    bench.complete(NOW, batch, failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
    assert len(caller.answers) == before + 25
    worked_off(bench)
    assert {answer.reason for answer in caller.answers.values()} == {Reason.DRAINING}
    assert len(caller.answers) == COUNT


def test_a_gateway_that_gives_up_answers_in_slices() -> None:
    """Requests in calls are UNKNOWN, the rest NOT_ACCEPTED, each answered once."""
    bench, caller = bench_with_backlog()
    bench.call(NOW)
    bench.abandon(NOW)
    assert len(caller.answers) <= SLICE
    worked_off(bench)
    outcomes = [answer.outcome for answer in caller.answers.values()]
    assert (outcomes.count(Outcome.UNKNOWN), outcomes.count(Outcome.NOT_ACCEPTED)) == (25, COUNT - 25)


def test_what_expires_at_once_is_answered_in_slices() -> None:
    bench, caller = Bench(slice_units=SLICE), Caller()
    bench.send_all(NOW, caller, *many(1_500))
    while len(caller.answers) < 1_500:
        decision = bench.poll(NOW + 1_000.0)
        assert 0 < len(bench.settled) <= 2 * SLICE + EXAMINED_LIMIT
        assert decision.batches == []
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.EXPIRED}


def test_those_who_joined_hear_of_a_hold_in_slices() -> None:
    """Sources with a queue hear of a hold at once; callers that joined do within some slices."""
    bench, caller = bench_with_backlog()
    joined = Caller()
    bench.send(NOW, joined, dial(f"t{COUNT - 1}"))  # behind all the others
    bench.engine.operator_actions.hold(NOW, dial("t0").campaign_id, Hold("anna", "", NOW))
    decisions = worked_off(bench)
    assert len(decisions) >= COUNT // SLICE
    told = [(turn, notice.source) for turn, decision in enumerate(decisions) for notice in decision.notices]
    assert told == [(0, caller.source), (COUNT // SLICE - 1, joined.source)]


def test_a_caller_whose_call_a_hold_revokes_is_told_of_the_hold() -> None:
    """Its requests were in no queue when the hold began, and are in one again before the next slice."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(25))
    batch = bench.call(NOW)
    bench.engine.operator_actions.hold(NOW, batch.campaign_id, Hold("anna", "", NOW))
    bench.complete(NOW, batch, failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
    bench.poll(NOW)
    assert caller.told == [NoticeKind.CAMPAIGN_HELD]


def queues_of(caller: Caller) -> list[SourceQueue]:
    """Return the queues in which requests of a caller wait."""
    return [queue for queue in caller.source.queues.values() if isinstance(queue, SourceQueue)]


def test_a_caller_with_many_campaigns_half_closes_in_slices() -> None:
    """Each slice closes some of its queues; after the last one, all campaigns call without lingering."""
    bench, caller = Bench(slice_units=SLICE, linger_s=60.0, concurrent_calls=1), Caller()
    for number in range(COUNT):
        bench.send_all(NOW, caller, "token", campaign=f"c{number}")
    queues = queues_of(caller)
    bench.engine.source_closed(NOW, caller.source)
    left = sum(queue.open for queue in queues)
    assert left == COUNT - SLICE
    while bench.engine.unfinished:
        bench.poll(NOW)
        before, left = left, sum(queue.open for queue in queues)
        assert before - left <= SLICE
    assert left == 0
    assert all(queue.caller_queue and queue.caller_queue.place for queue in queues_of(caller))


def test_requests_that_leave_during_a_half_close_are_counted_once() -> None:
    """A queue that empties before its slice is no longer open; a campaign knows who may still send more."""
    bench, caller, other = Bench(slice_units=1, linger_s=60.0), Caller(), Caller()
    for number in range(10):
        bench.send_all(NOW, caller, f"t{number}", campaign=f"c{number}")
    bench.send_all(NOW, other, "other", campaign="c9")
    bench.engine.source_closed(NOW, caller.source)
    bench.engine.source_gone(NOW, caller.source)
    worked_off(bench)
    assert bench.engine.campaign_listing.row(NOW, "c9").queued == 1
    assert bench.poll(NOW).batches == []  # it lingers, since its source may send more
    bench.engine.source_closed(NOW, other.source)
    assert len(bench.call(NOW).entries) == 1


@pytest.mark.parametrize("gone", [True, False])
def test_who_withdraws_does_not_wait_for_callers_that_have_left(gone: bool) -> None:
    """A caller that withdraws a request is told that it was not sent if all others have left before."""
    bench, first, other = Bench(slice_units=1, call_rate=0.0, concurrent_calls=1), Caller(), Caller()
    bench.send_all(NOW, first, *many(20))
    bench.send_all(NOW, other, "t19")
    if gone:
        bench.engine.source_gone(NOW, first.source)
    else:
        bench.engine.source_ending(NOW, first.source)
    assert len(first.source.pending) > 1
    bench.withdraw(NOW, other)
    assert other.answers[0].outcome is Outcome.NOT_ACCEPTED
    assert (19 in first.answers) is not gone
    worked_off(bench)
    bench.take_answers(NOW)
    assert bench.engine.dropped == (19 if gone else 0)
    assert bench.engine.outstanding == bench.engine.outstanding_bytes == 0


@pytest.mark.parametrize("number", range(8))
def test_callers_leave_in_their_order(number: int) -> None:
    """What a caller is told whose stream ends depends on who waited beside it then, and not on chance."""
    callers = [Caller() for _ in range(8)]  # at different addresses in memory
    bench, ending, gone = Bench(slice_units=1, call_rate=0.0), callers[number], callers[number - 1]
    bench.send_all(NOW, ending, *many(20))
    bench.send_all(NOW, gone, *many(20))
    bench.engine.source_ending(NOW, ending.source)
    bench.engine.source_gone(NOW, gone.source)
    late = callers[number - 2]
    bench.send_all(NOW, late, "t19")  # removes both callers from it first
    assert ending.answers[19].outcome is Outcome.UNKNOWN
    assert bench.engine.dropped >= 1
