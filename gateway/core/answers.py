"""The answers that the gateway gives to dial requests, by cause.

Once the fate of a call is not known, only ACCEPTED or UNKNOWN are true for the requests that it carried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.core import errors
from gateway.core.model import DOUBT, Answer, Entry, Outcome, Reason, RetryAdvice

REFUSAL_S = 5.0
"""Seconds for which a refusal of a whole campaign by Connect answers new requests without another call."""
_LATER_S = 30.0
"""Seconds after which a caller may try again if the gateway or its operator is the cause."""
_ACCEPTED, _NO_REASON, _NO_ADVICE = Outcome.ACCEPTED, Reason.NONE, RetryAdvice.NONE
_new = object.__new__


@dataclass(frozen=True, slots=True)
class CampaignRefusal:
    """A refusal of a whole campaign, mostly by Connect. It answers all requests that wait for the campaign.

    It also answers the requests of the next `lasts_s` seconds; 0 if the campaign may be available again at
    any moment.
    """

    outcome: Outcome
    reason: Reason
    advice: RetryAdvice
    detail: str
    lasts_s: float = 0.0
    retry_after_s: float | None = None

    def answer(self, entry: Entry) -> Answer:
        """Return the answer for one request of the campaign."""
        if entry.in_doubt:
            return unknown(entry, self.reason, self.detail)
        return Answer(
            self.outcome,
            self.reason,
            self.advice,
            self.detail,
            retry_after_s=self.retry_after_s,
            attempts=entry.attempts,
        )


def accepted(dial_request_id: str, attempts: int, trace_id: str) -> Answer:
    """Return the answer to a request that Connect has accepted.

    The same as `Answer(…)`, in half the time: each accepted request needs it.
    """
    answer = _new(Answer)
    answer.outcome, answer.reason, answer.advice, answer.detail = _ACCEPTED, _NO_REASON, _NO_ADVICE, ""
    answer.dial_request_id, answer.retry_after_s = dial_request_id, None
    answer.attempts, answer.replayed, answer.trace_id = attempts, False, trace_id
    return answer


def refusal_of(failure: errors.CallFailure | None, *, lasting: bool = False) -> CampaignRefusal | None:
    """Return what a failed call says about its whole campaign, None if nothing.

    `lasting`: AWS has refused the gateway's credentials or clock for longer than requests wait.
    """
    never = RetryAdvice.NEVER
    match failure:
        case errors.CampaignNotFound():
            text = "Amazon Connect knows no such campaign"
            return CampaignRefusal(Outcome.REJECTED, Reason.CAMPAIGN_NOT_FOUND, never, text, REFUSAL_S)
        case errors.CampaignNotRunning(state="Stopped" | "Failed" | "Completed" as state):
            text = f"the campaign is {state}"
            return CampaignRefusal(Outcome.REJECTED, Reason.CAMPAIGN_NOT_RUNNING, never, text, REFUSAL_S)
        case errors.CampaignInvalid():
            text = "campaign_id: Amazon Connect refuses it as invalid"
            return CampaignRefusal(Outcome.REJECTED, Reason.INVALID_INPUT, never, text, REFUSAL_S)
        case errors.NoCredentials():
            return _denied("the gateway has no AWS credentials")
        case errors.AccessDenied():
            return _denied("Amazon Connect denies the gateway access to this campaign")
        case errors.AuthenticationFailed() if lasting:
            return _denied(_AUTHENTICATION_FAILURES[type(failure)])
        case _:
            return None


def _denied(text: str) -> CampaignRefusal:
    advice = RetryAdvice.SAME_TOKEN
    return CampaignRefusal(Outcome.NOT_ACCEPTED, Reason.ACCESS_DENIED, advice, text, retry_after_s=_LATER_S)


_AUTHENTICATION_FAILURES: Mapping[type[errors.CallFailure], str] = {
    errors.CredentialsExpired: "the gateway's AWS credentials have expired",
    errors.CredentialsRefused: "AWS refuses the gateway's access key or signature",
    errors.ClockSkewed: "the gateway's clock is wrong, so AWS refuses its signatures",
}

CALL_REFUSED = CampaignRefusal(
    Outcome.NOT_ACCEPTED,
    Reason.INVALID_INPUT,
    RetryAdvice.SAME_TOKEN,
    "Amazon Connect refuses the calls of this campaign as invalid, whichever requests they carry",
    REFUSAL_S,
    retry_after_s=_LATER_S,
)
"""The answer to the requests of a campaign if Connect refuses the call itself, not one of its items."""


_GIVEN_UP = {
    Reason.CONNECT_ERROR: "Amazon Connect failed on this request",
    Reason.CONNECT_UNREACHABLE: "Amazon Connect could not be reached, or its answer was lost",
    Reason.DRAINING: "this replica, or this stream, is ending: send the request on a new one",
    Reason.DEADLINE: "the deadline of the call came first",
}


DRAINING = CampaignRefusal(
    Outcome.NOT_ACCEPTED, Reason.DRAINING, RetryAdvice.SAME_TOKEN, _GIVEN_UP[Reason.DRAINING]
)
"""Answers all new requests while the gateway drains."""


HELD = CampaignRefusal(
    Outcome.NOT_ACCEPTED,
    Reason.HELD,
    RetryAdvice.SAME_TOKEN,
    "the campaign is held, and the hold answers its requests",
    retry_after_s=_LATER_S,
)
"""Answers all requests of a campaign while a hold answers them."""
PURGED = CampaignRefusal(
    Outcome.NOT_ACCEPTED,
    Reason.PURGED,
    RetryAdvice.SAME_TOKEN,
    "an operator has purged the campaign",
)
"""Answers the requests that were waiting for a campaign when an operator purged it."""


def given_up(entry: Entry, reason: Reason) -> Answer:
    """Return the answer for a request that has not expired, but gets no further attempt."""
    detail = _GIVEN_UP[reason]
    if entry.in_doubt:
        return unknown(entry, reason, detail)
    return Answer(Outcome.NOT_ACCEPTED, reason, RetryAdvice.SAME_TOKEN, detail, attempts=entry.attempts)


_EXPIRED = {
    Reason.EXPIRATION_PASSED: "its time passed before it could be sent",
    Reason.THROTTLED: "Amazon Connect throttled it, or its campaign, until its time passed",
    Reason.CAMPAIGN_NOT_RUNNING: "its campaign did not run until its time passed",
    Reason.HELD: "its campaign was held until its time passed",
    Reason.ACCESS_DENIED: "AWS refused the gateway's credentials or clock until its time passed",
    Reason.INVALID_INPUT: "Amazon Connect refused calls that carried it as invalid until its time passed",
}


def expired(entry: Entry, stopped_by: Reason | None = None) -> Answer:
    """Return the answer for a request that has expired.

    `stopped_by` is why its campaign did not flow; None if it flowed.
    """
    if entry.in_doubt and entry.attempts:
        lost = entry.refusal is Reason.CONNECT_UNREACHABLE
        doubt = Reason.CONNECT_UNREACHABLE if lost else Reason.CONNECT_ERROR
        return unknown(entry, doubt, "its time passed while its fate was not known")
    reason = stopped_by or entry.refusal
    if reason not in _EXPIRED:
        reason = Reason.EXPIRATION_PASSED
    detail = _EXPIRED[reason]
    if entry.in_doubt:
        return unknown(entry, reason, detail)
    return Answer(Outcome.EXPIRED, reason, RetryAdvice.SAME_TOKEN, detail, attempts=entry.attempts)


def would_expire(wait_s: float) -> Answer:
    """Return the answer for a request that would expire before its turn, in `wait_s` seconds."""
    detail = "the backlog is so long that its time would pass before its turn"
    return Answer(Outcome.EXPIRED, Reason.WOULD_EXPIRE, RetryAdvice.SAME_TOKEN, detail, retry_after_s=wait_s)


def unknown(entry: Entry, reason: Reason, detail: str) -> Answer:
    """Return the answer for a request that Connect may have."""
    if entry.in_doubt:
        detail = f"{detail}; {DOUBT}"
    return Answer(Outcome.UNKNOWN, reason, RetryAdvice.SAME_TOKEN, detail, attempts=entry.attempts)


def unchecked(denial: Answer, detail: str) -> Answer:
    """Return the answer in place of a denial that may be untrue, since another replica may have sent it."""
    return replace(
        denial,
        outcome=Outcome.UNKNOWN,
        advice=RetryAdvice.SAME_TOKEN,
        detail=f"now {denial.outcome.name}: {denial.detail}; {detail}",
    )


def rejected(reason: Reason, detail: str) -> Answer:
    """Return the answer for a request that the gateway itself refuses permanently."""
    conflict = reason is Reason.TOKEN_CONFLICT
    advice = RetryAdvice.NEW_TOKEN if conflict else RetryAdvice.NEVER
    return Answer(Outcome.REJECTED, reason, advice, detail)


def refused_by_rule(entry: Entry, reason: Reason, detail: str, retry_after_s: float | None) -> Answer:
    """Return the answer for a request that a rule of the guard refuses.

    `retry_after_s` is when the rule allows it, None if it does not.
    """
    if entry.in_doubt:
        return unknown(entry, reason, detail)
    if retry_after_s is None:
        return Answer(Outcome.REJECTED, reason, RetryAdvice.NEVER, detail, attempts=entry.attempts)
    return Answer(
        Outcome.NOT_ACCEPTED,
        reason,
        RetryAdvice.SAME_TOKEN,
        detail,
        retry_after_s=retry_after_s,
        attempts=entry.attempts,
    )


def replayed(dial_request_id: str, trace_id: str) -> Answer:
    """Return the answer for a token that Connect has accepted before."""
    return Answer(Outcome.ACCEPTED, dial_request_id=dial_request_id, replayed=True, trace_id=trace_id)
