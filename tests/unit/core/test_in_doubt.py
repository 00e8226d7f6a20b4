"""A request in doubt: the caller says that an earlier attempt may have reached Connect, so none is denied."""

from collections.abc import Callable

import pytest

from gateway.core import answers
from gateway.core.campaigns.holds import Hold
from gateway.core.errors import AccessDenied, CampaignNotFound, CampaignNotRunning
from gateway.core.model import (
    Answer,
    DialRequest,
    ItemFailure,
    Outcome,
    Reason,
    RetryAdvice,
    Waiter,
    addressed,
)
from tests.unit.core.making import NOW, TOKEN, Bench, Caller, dial, ids_of, many

SENT_AT = NOW + 0.05
LATER = NOW + 1.0

Scene = Callable[[Bench, Caller, DialRequest], None]


def hold(bench: Bench, *, answering: bool) -> None:
    """Hold the campaign."""
    bench.engine.operator_actions.hold(NOW, "campaign", Hold("me", "", NOW, answering))


def held(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """The campaign is held, and what comes is answered."""
    hold(bench, answering=True)
    bench.send(NOW, caller, request)


def purged(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """It waits, and what waits is purged."""
    bench.send(NOW, caller, request)
    entries = bench.engine.operator_actions.waiting("campaign")
    bench.engine.operator_actions.answer_waiting(LATER, entries, answers.PURGED)
    bench.take_answers(LATER)


def leaving(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """The gateway drains when it comes."""
    bench.engine.drain(NOW, NOW + 1.0)
    bench.send(NOW, caller, request)


def expired(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """It waits under a hold until its time passes."""
    hold(bench, answering=False)
    bench.send(NOW, caller, request)
    bench.poll(request.expires_at)


def already_past(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Its time has passed before it comes."""
    bench.send(request.expires_at + 1.0, caller, request)


def deadline(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """The deadline of the call that brings it comes first."""
    bench.send(NOW, caller, request)
    bench.withdraw(LATER, caller)


def would_expire(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """The backlog is so long that its time passes before its turn."""
    other = Caller()
    for token in many(5_000):
        bench.send(NOW, other, dial(token, "other"))
    bench.send(NOW, caller, dial(TOKEN, expires_at=NOW + 6.0, in_doubt=request.in_doubt))
    bench.poll(NOW + 6.0)


def invalid(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """It breaks a rule."""
    bench.send(NOW, caller, dial(phone="+1 206", in_doubt=request.in_doubt))


def illegal_campaign(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Its campaign id breaks a rule."""
    bench.send(NOW, caller, dial(campaign="a b", in_doubt=request.in_doubt))


def conflict_with_what_waits(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Its token waits for another number."""
    bench.send(NOW, Caller(), dial())
    bench.send(NOW, caller, dial(phone="+12065550199", in_doubt=request.in_doubt))


def conflict_with_what_is_accepted(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Its token was accepted for another number."""
    bench.send(NOW, Caller(), dial())
    bench.complete(SENT_AT, bench.call(SENT_AT))
    bench.send(LATER, caller, dial(phone="+12065550199", in_doubt=request.in_doubt))


def refused_by(failure: Exception) -> Scene:
    """Connect refuses its campaign."""

    def scene(bench: Bench, caller: Caller, request: DialRequest) -> None:
        bench.send(NOW, caller, request)
        bench.complete(SENT_AT, bench.call(SENT_AT), failure=failure)

    return scene


def refused_before(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Connect has refused its campaign a moment ago."""
    bench.send(NOW, Caller(), dial("another"))
    bench.complete(SENT_AT, bench.call(SENT_AT), failure=CampaignNotFound())
    bench.send(SENT_AT, caller, request)


def item_refused(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Connect refuses it as invalid."""
    bench.send(NOW, caller, request)
    bench.complete(SENT_AT, bench.call(SENT_AT), failed={TOKEN: ItemFailure.INVALID_INPUT})


def item_failed(bench: Bench, caller: Caller, request: DialRequest) -> None:
    """Connect fails on it for the last time."""
    bench.send(NOW, caller, request)
    bench.complete(SENT_AT, bench.call(SENT_AT), failed={TOKEN: ItemFailure.UNKNOWN_ERROR})


SCENES: list[tuple[Scene, Reason]] = [
    (held, Reason.HELD),
    (purged, Reason.PURGED),
    (leaving, Reason.DRAINING),
    (expired, Reason.HELD),
    (already_past, Reason.EXPIRATION_PASSED),
    (deadline, Reason.DEADLINE),
    (would_expire, Reason.EXPIRATION_PASSED),
    (invalid, Reason.INVALID_REQUEST),
    (illegal_campaign, Reason.INVALID_REQUEST),
    (conflict_with_what_waits, Reason.TOKEN_CONFLICT),
    (conflict_with_what_is_accepted, Reason.TOKEN_CONFLICT),
    (refused_by(CampaignNotFound()), Reason.CAMPAIGN_NOT_FOUND),
    (refused_by(CampaignNotRunning("Stopped")), Reason.CAMPAIGN_NOT_RUNNING),
    (refused_by(AccessDenied()), Reason.ACCESS_DENIED),
    (refused_before, Reason.CAMPAIGN_NOT_FOUND),
    (item_refused, Reason.INVALID_INPUT),
    (item_failed, Reason.CONNECT_ERROR),
]


@pytest.mark.parametrize(("scene", "reason"), SCENES)
def test_what_would_be_denied_is_unknown(scene: Scene, reason: Reason) -> None:
    """Whatever becomes of this attempt, Connect may have the earlier one; the reason tells of this one."""
    answers = {}
    for in_doubt in (False, True):
        bench, caller = Bench(max_attempts=1), Caller()
        scene(bench, caller, dial(in_doubt=in_doubt))
        answers[in_doubt] = caller.answers[0]
    assert answers[False].outcome not in {Outcome.ACCEPTED, Outcome.UNKNOWN}
    answer = answers[True]
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, reason)
    assert answer.advice is RetryAdvice.SAME_TOKEN
    assert "an earlier attempt may have reached Amazon Connect" in answer.detail


def test_what_connect_accepts_is_accepted() -> None:
    """Connect knows the token, so its acceptance is true of all attempts; so is the ledger's memory of it."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(in_doubt=True))
    batch = bench.call(SENT_AT)
    bench.complete(SENT_AT, batch, accepted=ids_of(batch))
    bench.send(LATER, caller, dial(in_doubt=True))
    assert [caller.answers[index].outcome for index in (0, 1)] == [Outcome.ACCEPTED] * 2
    assert caller.answers[1].replayed


@pytest.mark.parametrize("doubtful", [0, 1])
def test_all_who_wait_for_the_token_share_the_doubt(doubtful: int) -> None:
    """The doubt is about the token: no request that waits for it is denied."""
    bench, callers = Bench(), [Caller(), Caller()]
    for place, caller in enumerate(callers):
        bench.send(NOW, caller, dial(in_doubt=place == doubtful))
    entries = bench.engine.operator_actions.waiting("campaign")
    bench.engine.operator_actions.answer_waiting(LATER, entries, answers.PURGED)
    bench.take_answers(LATER)
    assert [caller.answers[0].outcome for caller in callers] == [Outcome.UNKNOWN] * 2


def test_another_dial_under_the_token_does_not_share_the_doubt() -> None:
    """The doubt is about a dial to another number: Connect certainly does not have the waiting one."""
    bench, first, second = Bench(), Caller(), Caller()
    bench.send(NOW, first, dial())
    bench.send(NOW, second, dial(phone="+12065550199", in_doubt=True))
    bench.withdraw(LATER, first)
    assert first.answers[0].outcome is Outcome.NOT_ACCEPTED


def test_the_doubt_is_the_callers_to_tell_again() -> None:
    """A doubt without a call is not remembered: otherwise one caller could fill the memory."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(in_doubt=True))
    bench.withdraw(NOW, caller)
    assert bench.engine.remembered == 0


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.EXPIRED, Outcome.NOT_ACCEPTED])
def test_no_answer_of_the_shell_denies_it_either(outcome: Outcome) -> None:
    """An answer that the core does not give, as to a caller without the right to a campaign, is the same."""
    denial = Answer(outcome, Reason.ACCESS_DENIED, RetryAdvice.NEVER, "no")
    waiter = Waiter(Caller().source, 0)
    assert addressed(waiter, dial(), denial).answer is denial
    answer = addressed(waiter, dial(in_doubt=True), denial).answer
    assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, RetryAdvice.SAME_TOKEN)
    assert answer.detail == f"now {outcome.name}: no; an earlier attempt may have reached Amazon Connect"
