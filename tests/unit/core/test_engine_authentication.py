"""While AWS refuses the gateway's credentials or clock, requests wait and none is denied at once."""

import pytest

from gateway.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    ClockSkewed,
    CredentialsExpired,
    CredentialsRefused,
)
from gateway.core.model import Outcome, Reason, RetryAdvice
from gateway.core.scheduling.pacing import AUTHENTICATION_PATIENCE_S, LONGEST_AUTHENTICATION_PAUSE_S
from tests.unit.core.making import NOW, Bench, Caller, dial, many

REFUSALS = [CredentialsExpired, CredentialsRefused, ClockSkewed]


def drive(
    bench: Bench, now: float, until: float, failure: AuthenticationFailed | None = None
) -> tuple[float, list[int]]:
    """Answer every call until some instant, by a failure or as accepted; return when the last was done.

    The second result is the number of calls of each poll that started calls.
    """
    calls: list[int] = []
    while now < until:
        decision = bench.poll(now)
        if decision.batches:
            calls.append(len(decision.batches))
        for batch in decision.batches:
            report = {"failure": failure, "started_at": now} if failure is not None else {}
            bench.complete(now + 0.01, batch, **report)
        if decision.wake_at is None:
            break
        now = now + 0.01 if decision.batches else decision.wake_at
    return now, calls


@pytest.mark.parametrize("failure", REFUSALS)
def test_one_refusal_answers_no_request(failure: type[AuthenticationFailed]) -> None:
    """One refusal settles no request: all are sent when AWS accepts the gateway again."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(200))
    for batch in bench.poll(NOW).batches:
        bench.complete(NOW + 0.1, batch, failure=failure(), started_at=NOW)
    assert caller.answers == {}
    drive(bench, NOW + 0.1, NOW + 3.0)
    assert len(caller.answers) == 200
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.ACCEPTED}


@pytest.mark.parametrize("failure", REFUSALS)
def test_one_call_at_a_time_asks_again(failure: type[AuthenticationFailed]) -> None:
    """While AWS refuses, one call at a time asks again after pauses; it counts as no attempt."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(1000))
    now, (first, *others) = drive(
        bench, NOW, NOW + AUTHENTICATION_PATIENCE_S - LONGEST_AUTHENTICATION_PAUSE_S, failure()
    )
    assert first > 1
    assert set(others) == {1}
    assert 4 <= len(others) <= 8
    assert caller.answers == {}
    _, batch = bench.next_call(now)
    assert batch.attempts_left == 5


@pytest.mark.parametrize("failure", REFUSALS)
def test_a_lasting_refusal_is_answered_as_denied(failure: type[AuthenticationFailed]) -> None:
    """If it lasts, waiting requests are answered as denied, with the cause."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(100))
    drive(bench, NOW, NOW + AUTHENTICATION_PATIENCE_S + 2 * LONGEST_AUTHENTICATION_PAUSE_S, failure())
    answers = list(caller.answers.values())
    assert len(answers) == 100
    assert {(told.outcome, told.reason, told.advice) for told in answers} == {
        (Outcome.NOT_ACCEPTED, Reason.ACCESS_DENIED, RetryAdvice.SAME_TOKEN)
    }
    word = {CredentialsExpired: "expired", CredentialsRefused: "access key", ClockSkewed: "clock"}[failure]
    assert all(word in told.detail for told in answers)


def test_a_request_that_expires_during_a_refusal() -> None:
    """A request that expires during the refusal is EXPIRED, and its answer says why it was not sent."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial(expires_at=NOW + 9.0))
    drive(bench, NOW, NOW + 3.0, CredentialsExpired())
    bench.poll(NOW + 6.0)
    told = caller.answers[0]
    assert (told.outcome, told.reason) == (Outcome.EXPIRED, Reason.ACCESS_DENIED)


def test_doubt_outlives_a_refusal_of_the_credentials() -> None:
    """A request that an earlier attempt may have placed stays UNKNOWN, even if the refusal lasts."""
    bench, caller = Bench(), Caller()
    bench.send(NOW, caller, dial())
    now, batch = bench.next_call(NOW)
    bench.complete(
        now, batch, failure=CredentialsExpired(), started_at=now, uncertain=True, counted_attempts=2
    )
    drive(
        bench, now, NOW + AUTHENTICATION_PATIENCE_S + 2 * LONGEST_AUTHENTICATION_PAUSE_S, CredentialsExpired()
    )
    assert caller.answers[0].outcome is Outcome.UNKNOWN


def test_denied_access_is_no_refusal_of_the_credentials() -> None:
    """Denied access to one campaign is answered at once and shows that the credentials are good."""
    bench, caller = Bench(), Caller()
    bench.send_all(NOW, caller, *many(30))
    bench.send_all(NOW, caller, *many(30), campaign="other")
    first, *others = bench.poll(NOW).batches
    bench.complete(NOW, first, failure=CredentialsExpired(), started_at=NOW)
    for batch in others:
        bench.complete(NOW + 0.1, batch, failure=AccessDenied(), started_at=NOW)
    told = [answer.reason for answer in caller.answers.values()]
    assert told.count(Reason.ACCESS_DENIED) == 30
    assert len(told) == 30


def test_a_refusal_is_over_once_aws_accepts_a_call() -> None:
    """All calls may leave at once again, and the next refusal does not count as one that has lasted."""
    bench, caller = Bench(call_rate=0.0), Caller()
    bench.send_all(NOW, caller, *many(25))
    bench.complete(NOW, bench.call(NOW), failure=CredentialsExpired(), started_at=NOW)
    now, again = bench.next_call(NOW)
    bench.complete(now, again)
    later = now + 2 * AUTHENTICATION_PATIENCE_S
    bench.send_all(later, caller, *many(75, "later"))
    batches = bench.poll(later).batches
    assert len(batches) == 3
    bench.complete(later, batches[0], failure=CredentialsExpired(), started_at=later)
    assert len(caller.answers) == 25
