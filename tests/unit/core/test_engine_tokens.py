"""Tokens decide which requests join, are replayed, conflict, or may be sent again."""

import pytest

from gateway.core.errors import AnswerLost, CallFailure, CampaignNotFound, ConnectUnreachable
from gateway.core.model import DialRequest, Outcome, Reason, RetryAdvice
from tests.unit.core.making import NOW, PHONE, Bench, Caller, dial, tokens_of

WINDOW_S = 1_200.0
SENT_AT = NOW + 0.05


def settled_bench(failure: CallFailure | None, *, expires_at: float = NOW + 9_000.0) -> tuple[Bench, Caller]:
    """Make a bench on which a token was accepted, or its call failed for good."""
    bench, caller = Bench(max_attempts=1), Caller()
    assert bench.send(NOW, caller, dial(expires_at=expires_at)) is None
    batch = bench.call(SENT_AT)
    if failure is None:
        bench.complete(SENT_AT, batch, accepted={"token": "id"}, trace_id="trace")
    else:
        bench.complete(SENT_AT, batch, failure=failure, uncertain=failure.uncertain)
    return bench, caller


def test_join_while_it_waits() -> None:
    """The same dial under the same token is sent once, and all its senders share the answer."""
    bench, callers = Bench(), [Caller(), Caller(), Caller()]
    for caller in callers:
        bench.send_all(NOW, caller, "a")
    assert bench.engine.outstanding == 3
    batch = bench.call(SENT_AT)
    assert tokens_of(batch) == ["a"]
    bench.complete(SENT_AT, batch)
    assert len({id(caller.answers[0]) for caller in callers}) == 1
    assert not callers[1].answers[0].replayed


def test_join_while_it_is_in_flight() -> None:
    """A request that comes during the call shares its answer and starts no second call."""
    bench, first, second = Bench(), Caller(), Caller()
    bench.send_all(NOW, first, "a")
    batch = bench.call(SENT_AT)
    bench.send_all(SENT_AT, second, "a")
    assert bench.poll(NOW + 1.0).batches == []
    bench.complete(NOW + 1.0, batch)
    assert first.answers[0] is second.answers[0]


def test_join_while_it_is_delayed() -> None:
    """A request that comes before a retry shares its answer."""
    bench, first, second = Bench(), Caller(), Caller()
    bench.send_all(NOW, first, "a")
    bench.complete(SENT_AT, bench.call(SENT_AT), failure=ConnectUnreachable())
    bench.send_all(SENT_AT, second, "a")
    bench.poll(NOW + 10.0)
    bench.complete(NOW + 11.0, bench.call(NOW + 11.0))
    assert first.answers[0] is second.answers[0]
    assert first.answers[0].attempts == 2


def test_join_by_the_same_source() -> None:
    """A source that sends a token twice gets an answer under each index."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", "a", "b")
    batch = bench.call(SENT_AT)
    assert sorted(tokens_of(batch)) == ["a", "b"]
    bench.complete(SENT_AT, batch)
    assert caller.answers.keys() == {0, 1, 2}
    assert caller.answers[0] is caller.answers[1]
    assert caller.source.pending == {}


def test_join_in_the_last_moment() -> None:
    """A request with an expiration inside the headroom still joins the outstanding one."""
    bench, first, second = Bench(), Caller(), Caller()
    bench.send_all(NOW, first, "token")
    batch = bench.call(SENT_AT)
    assert bench.send(SENT_AT, second, dial(expires_at=SENT_AT + 1.0)) is None
    bench.complete(NOW + 1.0, batch)
    assert second.answers[0].outcome is Outcome.ACCEPTED


def test_token_belongs_to_its_campaign() -> None:
    """The same token in two campaigns is two dial requests."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "a", campaign="one")
    bench.send_all(NOW, caller, "a", campaign="two")
    batches = bench.poll(SENT_AT).batches
    assert [batch.campaign_id for batch in batches] == ["one", "two"]


@pytest.mark.parametrize("other", [dial(phone=PHONE + "1"), dial(attributes={"a": "1"})])
@pytest.mark.parametrize("when", ["waits", "in flight", "accepted"])
def test_another_dial_under_a_used_token_is_rejected(other: DialRequest, when: str) -> None:
    """Another number or other attributes under an outstanding or accepted token are REJECTED."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, "token")
    if when != "waits":
        batch = bench.call(SENT_AT)
        if when == "accepted":
            bench.complete(SENT_AT, batch)
    answer = bench.send(SENT_AT, Caller(), other)
    assert answer is not None
    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, Reason.TOKEN_CONFLICT)
    assert answer.advice is RetryAdvice.NEW_TOKEN
    assert other.phone_number not in answer.detail


def test_other_expiration_is_no_conflict() -> None:
    """A different expiration alone is no conflict."""
    bench = Bench()
    bench.send_all(NOW, Caller(), "token")
    assert bench.send(NOW, Caller(), dial(expires_at=NOW + 60.0)) is None
    assert tokens_of(bench.call(SENT_AT)) == ["token"]


def test_doubt_outlives_the_time() -> None:
    """A token in doubt is UNKNOWN also for a caller whose expiration has passed."""
    bench, _ = settled_bench(AnswerLost(), expires_at=NOW + 600.0)
    answer = bench.send(NOW + 700.0, Caller(), dial(expires_at=NOW + 600.0))
    assert answer is not None
    assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, RetryAdvice.SAME_TOKEN)


def test_many_joins_cost_no_more_each() -> None:
    """A token sent thousands of times costs each of its callers only its own requests."""
    bench, callers = Bench(), [Caller() for _ in range(4)]
    for caller in callers:
        bench.send_all(NOW, caller, *["same"] * 5000)
    for caller in callers:
        bench.leave(NOW, caller)
    assert (bench.engine.outstanding, bench.engine.outstanding_bytes) == (0, 0)


def test_replay_after_its_time() -> None:
    """An accepted token is replayed also for a caller whose expiration has passed."""
    bench, _ = settled_bench(None)
    answer = bench.send(NOW + 700.0, Caller(), dial(expires_at=NOW + 600.0))
    assert answer is not None
    assert (answer.outcome, answer.replayed) == (Outcome.ACCEPTED, True)


@pytest.mark.parametrize("later_s", [0.0, 1.0, WINDOW_S])
def test_an_accepted_token_is_replayed(later_s: float) -> None:
    """Within the window an accepted token is answered at once, with the first id and trace, and not sent."""
    bench, _ = settled_bench(None)
    answer = bench.send(SENT_AT + later_s, Caller(), dial(expires_at=NOW + 9_000.0))
    assert answer is not None
    assert (answer.outcome, answer.replayed) == (Outcome.ACCEPTED, True)
    assert (answer.dial_request_id, answer.trace_id) == ("id", "trace")
    assert bench.poll(SENT_AT + later_s + 1.0).batches == []


def test_no_replay_after_the_window() -> None:
    """Some time after the window an accepted token is new again."""
    bench, _ = settled_bench(None)
    assert bench.send(SENT_AT + 1.25 * WINDOW_S, Caller(), dial(expires_at=NOW + 9_000.0)) is None


def test_replay_while_draining() -> None:
    """An accepted token is replayed also while draining, or for a campaign that is gone."""
    bench, caller = settled_bench(None)
    bench.send_all(SENT_AT, caller, "other")
    bench.complete(NOW + 1.0, bench.call(NOW + 1.0), failure=CampaignNotFound())
    bench.engine.drain(NOW + 1.0, NOW + 25.0)
    answer = bench.send(NOW + 1.0, Caller(), dial())
    assert answer is not None
    assert answer.replayed


def test_free_after_not_accepted() -> None:
    """After NOT_ACCEPTED the token can be sent again, even for another dial."""
    bench, caller = settled_bench(ConnectUnreachable())
    assert caller.answers[0].outcome is Outcome.NOT_ACCEPTED
    assert bench.send(NOW + 1.0, caller, dial(phone=PHONE + "1")) is None


def test_free_after_rejected() -> None:
    """After REJECTED the token can be sent again once the reason is gone."""
    bench, caller = settled_bench(CampaignNotFound())
    assert caller.answers[0].outcome is Outcome.REJECTED
    assert bench.send(NOW + 10.0, caller, dial()) is None


def test_free_after_expired() -> None:
    """After EXPIRED the token can be sent again with a later expiration."""
    bench, caller = Bench(linger_s=60.0), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 6.0))
    bench.poll(NOW + 5.0)
    assert caller.answers[0].outcome is Outcome.EXPIRED
    assert bench.send(NOW + 5.0, caller, dial()) is None


def test_free_after_unknown_and_accepted() -> None:
    """After UNKNOWN the same token is sent again, and what Connect then says is believed."""
    bench, caller = settled_bench(AnswerLost())
    assert caller.answers[0].outcome is Outcome.UNKNOWN
    assert bench.send(NOW + 1.0, caller, dial()) is None
    bench.complete(NOW + 2.0, bench.call(NOW + 2.0))
    assert caller.answers[1].outcome is Outcome.ACCEPTED
    assert not caller.answers[1].replayed


@pytest.mark.parametrize("failure", [ConnectUnreachable(), CampaignNotFound()])
def test_doubt_outlives_the_answer(failure: CallFailure) -> None:
    """After UNKNOWN a second attempt that certainly fails is UNKNOWN again."""
    bench, caller = settled_bench(AnswerLost())
    assert bench.send(NOW + 1.0, caller, dial()) is None
    bench.complete(NOW + 2.0, bench.call(NOW + 2.0), failure=failure)
    assert caller.answers[1].outcome is Outcome.UNKNOWN


def test_a_token_in_doubt_is_never_denied_at_once() -> None:
    """In doubt, neither an expiration nor a refused campaign nor a drain denies the request."""
    bench, caller = settled_bench(AnswerLost())
    late = bench.send(NOW + 1.0, caller, dial(expires_at=NOW + 2.0))
    bench.send(NOW + 1.0, caller, dial("other"))
    bench.complete(NOW + 2.0, bench.call(NOW + 2.0), failure=CampaignNotFound())
    refused = bench.send(NOW + 2.0, caller, dial())
    bench.engine.drain(NOW + 2.0, NOW + 25.0)
    drained = bench.send(NOW + 2.0, caller, dial())
    assert [answer and answer.outcome for answer in (late, refused, drained)] == [Outcome.UNKNOWN] * 3


def test_doubt_ends_with_the_window() -> None:
    """Some time after the window the doubt about a token is forgotten."""
    bench, caller = settled_bench(AnswerLost())
    later = SENT_AT + 1.25 * WINDOW_S
    assert bench.send(later, caller, dial(expires_at=later + 60.0)) is None
    bench.complete(later + 1.0, bench.call(later + 1.0), failure=ConnectUnreachable())
    assert caller.answers[1].outcome is Outcome.NOT_ACCEPTED
