"""The table from Connect's answers to the callers' answers, row by row."""

import random
from typing import Any

import pytest

from gateway.core import answers, errors
from gateway.core.model import Answer, CallReport, Entry, ItemFailure, Outcome, Reason, RetryAdvice
from gateway.core.settlement import verdicts
from gateway.core.settlement.verdicts import Requeue, Verdict
from tests.unit.core.making import entry

MAX_ATTEMPTS = 5
SAME, NEVER = RetryAdvice.SAME_TOKEN, RetryAdvice.NEVER

TRANSIENT: list[errors.CallFailure] = [
    errors.ConnectFailed(),
    errors.AnswerLost(),
    errors.ConnectUnreachable(),
]
REFUSING: list[errors.CallFailure] = [
    errors.CampaignNotFound(),
    errors.CampaignNotRunning("Stopped"),
    errors.AccessDenied(),
    errors.CampaignInvalid(),
]
OTHER: list[errors.CallFailure] = [
    errors.RateThrottled(),
    errors.CallInvalid(),
    errors.CallConflict(),
    errors.CallUnexpected(),
    errors.CredentialsExpired(),
    errors.CredentialsRefused(),
    errors.ClockSkewed(),
    *(errors.CampaignNotRunning(state) for state in ("Paused", "Initialized", "", "a new one")),
]


def judge(held: Entry, *, alone: bool = False, seed: int = 1, **report: Any) -> Verdict:
    """Decide about an entry after a call with this report."""
    rng = random.Random(seed)
    carried = [held] if alone else [held, entry("beside")]
    decided, back = verdicts.VerdictPolicy(MAX_ATTEMPTS, rng).verdicts(carried, CallReport(**report))
    found: dict[Entry, Verdict] = {**dict(decided), **dict(back)}
    assert found.keys() == set(carried)
    return found[held]


def answered(verdict: Verdict) -> Answer:
    """Return the answer that a verdict must be."""
    assert isinstance(verdict, Answer)
    return verdict


def told(verdict: Verdict) -> tuple[Outcome, Reason, RetryAdvice]:
    """Return outcome, reason and advice of an answer."""
    answer = answered(verdict)
    return answer.outcome, answer.reason, answer.advice


# --- item by item ------------------------------------------------------------------------------------


def test_item_accepted() -> None:
    """An accepted item is ACCEPTED with Connect's id and the number of attempts."""
    answer = answered(judge(entry(), accepted={"token": "id"}, attempts=3))
    assert told(answer) == (Outcome.ACCEPTED, Reason.NONE, RetryAdvice.NONE)
    assert (answer.dial_request_id, answer.attempts) == ("id", 3)


@pytest.mark.parametrize(
    "report",
    [
        {"accepted": {"token": "id"}},
        {"failed": {"token": ItemFailure.INVALID_INPUT}},
        {"failure": errors.CallUnexpected()},
        {"failure": errors.ConnectFailed(), "counted_attempts": MAX_ATTEMPTS},
    ],
)
def test_every_answer_names_the_trace_of_its_call(report: dict[str, Any]) -> None:
    """An answer has the trace of the call that decided it, whatever the call decided."""
    assert answered(judge(entry(), trace_id="trace", **report)).trace_id == "trace"


@pytest.mark.parametrize("failure", ItemFailure)
def test_item_in_both_lists(failure: ItemFailure) -> None:
    """An item in both lists is ACCEPTED."""
    verdict = judge(entry(), accepted={"token": "id"}, failed={"token": failure})
    assert answered(verdict).outcome is Outcome.ACCEPTED


def test_item_accepted_after_doubt() -> None:
    """An item in doubt, from before or from this call, is ACCEPTED if Connect accepts it."""
    held = entry()
    held.in_doubt = True
    verdict = judge(held, accepted={"token": "id"}, uncertain=True)
    assert answered(verdict).outcome is Outcome.ACCEPTED


def test_item_invalid() -> None:
    """InvalidInput is REJECTED for good on the first attempt."""
    verdict = judge(entry(), failed={"token": ItemFailure.INVALID_INPUT})
    assert told(verdict) == (Outcome.REJECTED, Reason.INVALID_INPUT, NEVER)


@pytest.mark.parametrize("failure", [ItemFailure.CAPACITY, ItemFailure.RATE])
def test_item_throttled(failure: ItemFailure) -> None:
    """A throttled item is queued again at once, any number of times, and it counts as no attempt."""
    held = entry()
    for _ in range(40):
        assert judge(held, failed={"token": failure}) == Requeue()
    assert (held.counted_attempts, held.attempts) == (0, 40)


@pytest.mark.parametrize("failure", [ItemFailure.CAPACITY, ItemFailure.RATE])
def test_item_throttled_after_failing_attempts(failure: ItemFailure) -> None:
    """The attempts of the same call that failed before the throttle do count."""
    held = entry()
    judge(held, failed={"token": failure}, attempts=3, counted_attempts=3)
    assert (held.counted_attempts, held.attempts) == (2, 3)


def test_item_capacity_until_expiry() -> None:
    """An item that expires while Connect throttles it is EXPIRED with reason THROTTLED."""
    held = entry()
    judge(held, failed={"token": ItemFailure.CAPACITY})
    assert told(answers.expired(held)) == (Outcome.EXPIRED, Reason.THROTTLED, SAME)


def test_item_unknown_error() -> None:
    """UnknownError is retried with backoff and NOT_ACCEPTED at the limit of attempts."""
    held = entry()
    for number in range(1, MAX_ATTEMPTS):
        verdict = judge(held, failed={"token": ItemFailure.UNKNOWN_ERROR})
        assert isinstance(verdict, Requeue)
        assert 0.0 <= verdict.delay_s <= min(5.0, 0.25 * 2**number)
    verdict = judge(held, failed={"token": ItemFailure.UNKNOWN_ERROR})
    assert told(verdict) == (Outcome.NOT_ACCEPTED, Reason.CONNECT_ERROR, SAME)
    assert answered(verdict).attempts == MAX_ATTEMPTS


def test_item_in_neither_list() -> None:
    """An item that Connect does not mention is tried again, and at the limit of attempts UNKNOWN."""
    held = entry()
    for _ in range(1, MAX_ATTEMPTS):
        assert isinstance(judge(held, accepted={"other": "id"}), Requeue)
    assert told(judge(held)) == (Outcome.UNKNOWN, Reason.CONNECT_ERROR, SAME)


# --- call by call ------------------------------------------------------------------------------------


def test_call_rate_throttled() -> None:
    """A throttled call goes back to its queue at once, costs no attempt, and expires as THROTTLED."""
    held = entry()
    for _ in range(3 * MAX_ATTEMPTS):
        assert judge(held, failure=errors.RateThrottled(), counted_attempts=0) == Requeue()
    assert held.counted_attempts == 0
    assert held.attempts == 3 * MAX_ATTEMPTS
    assert told(answers.expired(held)) == (Outcome.EXPIRED, Reason.THROTTLED, SAME)


@pytest.mark.parametrize(
    ("failure", "counted_attempts", "counted"),
    [
        (errors.RateThrottled(), 2, 2),
        (errors.CallTooLate(), 2, 2),
        (errors.CallRevoked(), 2, 2),
        (errors.CredentialsExpired(), 3, 2),
        (errors.CredentialsRefused(), 3, 2),
        (errors.ClockSkewed(), 3, 2),
    ],
)
def test_call_given_back_after_failing_attempts(
    failure: errors.CallFailure, counted_attempts: int, counted: int
) -> None:
    """The attempts of a call that failed before it was given back count; its last one does not."""
    held = entry()
    assert judge(held, failure=failure, attempts=3, counted_attempts=counted_attempts) == Requeue()
    assert held.counted_attempts == counted


@pytest.mark.parametrize(
    ("failure", "outcome", "reason"),
    [
        (errors.ConnectFailed(), Outcome.UNKNOWN, Reason.CONNECT_ERROR),
        (errors.AnswerLost(), Outcome.UNKNOWN, Reason.CONNECT_UNREACHABLE),
        (errors.ConnectUnreachable(), Outcome.NOT_ACCEPTED, Reason.CONNECT_UNREACHABLE),
        (errors.CallConflict(), Outcome.NOT_ACCEPTED, Reason.CONNECT_ERROR),
        (errors.CallRefused(), Outcome.NOT_ACCEPTED, Reason.CONNECT_ERROR),
    ],
)
def test_call_failed_too_often(failure: errors.CallFailure, outcome: Outcome, reason: Reason) -> None:
    """A call that keeps failing is retried until its attempts are used up; then the answer is true."""
    held = entry()
    for _ in range(1, MAX_ATTEMPTS):
        assert isinstance(judge(held, failure=failure, uncertain=failure.uncertain), Requeue)
    verdict = judge(held, failure=failure, uncertain=failure.uncertain)
    assert told(verdict) == (outcome, reason, SAME)


@pytest.mark.parametrize("failure", TRANSIENT)
def test_call_used_all_attempts(failure: errors.CallFailure) -> None:
    """A call that used all its attempts by itself settles its items."""
    verdict = judge(
        entry(),
        failure=failure,
        uncertain=failure.uncertain,
        attempts=MAX_ATTEMPTS,
        counted_attempts=MAX_ATTEMPTS,
    )
    assert isinstance(verdict, Answer)
    assert verdict.attempts == MAX_ATTEMPTS


def test_call_invalid_in_company() -> None:
    """If Connect refuses a call of several items, each goes on at once, but not with others."""
    assert judge(entry(), failure=errors.CallInvalid()) == Requeue(suspect=True)


def test_call_invalid_alone() -> None:
    """When Connect refuses a call of one item, that item is REJECTED for good."""
    verdict = judge(entry(), alone=True, failure=errors.CallInvalid())
    assert told(verdict) == (Outcome.REJECTED, Reason.INVALID_INPUT, NEVER)


def test_call_unexpected() -> None:
    """An unknown failure is not retried: UNKNOWN."""
    verdict = judge(entry(), failure=errors.CallUnexpected(), uncertain=True)
    assert told(verdict) == (Outcome.UNKNOWN, Reason.CONNECT_ERROR, SAME)


@pytest.mark.parametrize(
    ("failure", "outcome", "reason", "advice", "lasts"),
    [
        (errors.CampaignNotFound(), Outcome.REJECTED, Reason.CAMPAIGN_NOT_FOUND, NEVER, True),
        *(
            (errors.CampaignNotRunning(state), Outcome.REJECTED, Reason.CAMPAIGN_NOT_RUNNING, NEVER, True)
            for state in ("Stopped", "Failed", "Completed")
        ),
        (errors.CampaignInvalid(), Outcome.REJECTED, Reason.INVALID_INPUT, NEVER, True),
        (errors.AccessDenied(), Outcome.NOT_ACCEPTED, Reason.ACCESS_DENIED, SAME, False),
    ],
)
def test_call_refused_for_the_campaign(
    failure: errors.CallFailure, outcome: Outcome, reason: Reason, advice: RetryAdvice, lasts: bool
) -> None:
    """A refusal of the campaign settles all its requests, and may last a while."""
    refusal = answers.refusal_of(failure)
    assert refusal is not None
    assert told(refusal.answer(entry())) == (outcome, reason, advice)
    assert (refusal.lasts_s > 0) is lasts
    assert (refusal.retry_after_s is None) is (advice is NEVER)


@pytest.mark.parametrize("failure", [None, *TRANSIENT, *OTHER])
def test_other_failures_say_nothing_of_the_campaign(failure: errors.CallFailure | None) -> None:
    """No other end of a call settles requests that it did not carry."""
    assert answers.refusal_of(failure) is None


@pytest.mark.parametrize("state", ["Paused", "Initialized", "", "a new one"])
def test_call_for_a_campaign_that_may_run_again(state: str) -> None:
    """A campaign that may run again settles nothing: items are queued, and expire with that reason."""
    held = entry()
    for _ in range(3 * MAX_ATTEMPTS):
        assert judge(held, failure=errors.CampaignNotRunning(state)) == Requeue()
    assert held.counted_attempts == 0
    assert told(answers.expired(held)) == (Outcome.EXPIRED, Reason.CAMPAIGN_NOT_RUNNING, SAME)


@pytest.mark.parametrize("kept", [Reason.THROTTLED, Reason.CAMPAIGN_NOT_RUNNING])
def test_expired_for_what_keeps_the_campaign(kept: Reason) -> None:
    """An expiry has the campaign's condition as its reason, even if no call carried the request."""
    assert told(answers.expired(entry(), kept)) == (Outcome.EXPIRED, kept, SAME)


def test_would_expire() -> None:
    """What would expire before its turn is EXPIRED, with the time that its turn is away."""
    answer = answers.would_expire(12.5)
    assert told(answer) == (Outcome.EXPIRED, Reason.WOULD_EXPIRE, SAME)
    assert answer.retry_after_s == 12.5


# --- the rule above all others -----------------------------------------------------------------------


@pytest.mark.parametrize("failure", [*TRANSIENT, *OTHER])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("uncertain_now", [True, False])
def test_doubt_about_calls(failure: errors.CallFailure, alone: bool, uncertain_now: bool) -> None:
    """Once a call's fate is unknown, no failure of a call makes the answer anything but UNKNOWN."""
    held = entry()
    held.in_doubt = not uncertain_now
    verdict: Verdict = Requeue()
    for _ in range(MAX_ATTEMPTS):
        verdict = judge(held, alone=alone, failure=failure, uncertain=uncertain_now)
        assert isinstance(verdict, Requeue) or verdict.outcome is Outcome.UNKNOWN
    assert held.in_doubt


@pytest.mark.parametrize("failure", [None, *ItemFailure])
def test_doubt_about_items(failure: ItemFailure | None) -> None:
    """Once a call's fate is unknown, no failure of the item makes the answer anything but UNKNOWN."""
    held = entry()
    judge(held, failure=errors.AnswerLost(), uncertain=True, counted_attempts=MAX_ATTEMPTS - 1)
    verdict = judge(held, failed={} if failure is None else {"token": failure})
    assert isinstance(verdict, Requeue) or verdict.outcome is Outcome.UNKNOWN
    assert isinstance(verdict, Requeue) is (failure in {ItemFailure.CAPACITY, ItemFailure.RATE})


def test_doubt_within_a_call() -> None:
    """An item failure after an attempt of the same call with an unknown end is UNKNOWN."""
    verdict = judge(entry(), failed={"token": ItemFailure.INVALID_INPUT}, uncertain=True, attempts=2)
    assert told(verdict) == (Outcome.UNKNOWN, Reason.INVALID_INPUT, SAME)


@pytest.mark.parametrize("failure", REFUSING)
def test_doubt_and_a_refused_campaign(failure: errors.CallFailure) -> None:
    """A request in doubt is UNKNOWN with the reason of its campaign's refusal."""
    held, refusal = entry(), answers.refusal_of(failure)
    held.in_doubt = True
    assert refusal is not None
    assert told(refusal.answer(held)) == (Outcome.UNKNOWN, refusal.reason, SAME)


@pytest.mark.parametrize("reason", [Reason.CONNECT_ERROR, Reason.CONNECT_UNREACHABLE, Reason.DRAINING])
def test_doubt_and_giving_up(reason: Reason) -> None:
    """A request that is given up is NOT_ACCEPTED, or UNKNOWN in doubt."""
    held = entry()
    assert told(answers.given_up(held, reason)) == (Outcome.NOT_ACCEPTED, reason, SAME)
    held.in_doubt = True
    assert told(answers.given_up(held, reason)) == (Outcome.UNKNOWN, reason, SAME)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (errors.AnswerLost(), Reason.CONNECT_UNREACHABLE),
        (errors.ConnectFailed(), Reason.CONNECT_ERROR),
    ],
)
def test_doubt_and_expiry(failure: errors.CallFailure, reason: Reason) -> None:
    """A request that expires is EXPIRED, or UNKNOWN with the reason of its doubt."""
    held = entry()
    assert told(answers.expired(held)) == (Outcome.EXPIRED, Reason.EXPIRATION_PASSED, SAME)
    judge(held, failure=failure, uncertain=True)
    assert told(answers.expired(held)) == (Outcome.UNKNOWN, reason, SAME)


# --- what needs no call ------------------------------------------------------------------------------


def test_gateways_own_refusals() -> None:
    """A conflict asks for a new token; any other rejection by the gateway is for good."""
    conflict = answers.rejected(Reason.TOKEN_CONFLICT, "why")
    assert told(conflict) == (Outcome.REJECTED, Reason.TOKEN_CONFLICT, RetryAdvice.NEW_TOKEN)
    invalid = answers.rejected(Reason.INVALID_REQUEST, "why")
    assert told(invalid) == (Outcome.REJECTED, Reason.INVALID_REQUEST, NEVER)
    assert conflict.detail == invalid.detail == "why"


def test_replayed() -> None:
    """A replayed answer has the id and the trace of the first."""
    answer = answers.replayed("id", "trace")
    assert told(answer) == (Outcome.ACCEPTED, Reason.NONE, RetryAdvice.NONE)
    assert (answer.dial_request_id, answer.trace_id, answer.replayed) == ("id", "trace", True)


def test_pauses_differ() -> None:
    """Two requests that fail together do not return together."""
    failed = {"token": ItemFailure.UNKNOWN_ERROR}
    assert judge(entry(), seed=1, failed=failed) != judge(entry(), seed=2, failed=failed)


@pytest.mark.parametrize(("failures", "longest_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)])
def test_pauses_are_spread_up_to_a_maximum_that_doubles(failures: int, longest_s: float) -> None:
    """The pause after a failure lies anywhere between none and a maximum that doubles with each failure."""
    pauses_s = [pause_after(failures, seed, MAX_ATTEMPTS) for seed in range(200)]
    assert 0.0 <= min(pauses_s) < longest_s / 20
    assert longest_s * 19 / 20 < max(pauses_s) <= longest_s


def test_no_pause_is_longer_than_five_seconds() -> None:
    """However often a request has failed, its pause is at most five seconds."""
    pauses_s = [pause_after(failures, 1, 5_000) for failures in (5, 10, 100, 2_000)]
    assert len(set(pauses_s)) == 1
    assert max(pause_after(2_000, seed, 5_000) for seed in range(200)) == pytest.approx(5.0, abs=0.1)


def pause_after(failures: int, seed: int, max_attempts: int) -> float:
    """Return the pause in seconds of a request that has failed so often."""
    policy = verdicts.VerdictPolicy(max_attempts, random.Random(seed))
    held = entry()
    held.counted_attempts = failures - 1
    _, ((_, requeue),) = policy.verdicts([held], CallReport(failed={"token": ItemFailure.UNKNOWN_ERROR}))
    return requeue.delay_s
