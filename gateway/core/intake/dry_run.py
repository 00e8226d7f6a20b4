"""What would happen to a dial request now, without taking it: by the rules of admission, in their order.

Client tokens are not compared with those of other requests, and nothing is counted.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount
from gateway.core.intake.admission import Admission
from gateway.core.intake.validation import is_past, problem_with
from gateway.core.model import Answer, DialRequest, Outcome, Reason


class CheckedKind(enum.Enum):
    """What would happen to a dial request."""

    SEND = "send"
    WAIT = "wait"
    NOT_ACCEPT = "not accept"
    REJECT = "reject"


class Checked(NamedTuple):
    """What would happen to a dial request, and why. Instants are in seconds since the epoch.

    `not_before` is when it may be sent at the earliest, `allowed_until` when its hours close before its own
    expiration. `observed` are the verdicts of rules that only observe and would not allow it, each with what
    would happen by it.
    """

    kind: CheckedKind
    reason: Reason = Reason.NONE
    detail: str = ""
    rule: str = ""
    not_before: float | None = None
    allowed_until: float | None = None
    observed: "tuple[Checked, ...]" = ()


SEND = Checked(CheckedKind.SEND)
LIMITS_UNKNOWN = "limits: the shared state does not tell now whether they have room"


def refused(answer: Answer) -> Checked:
    """Return what would happen to a request that gets an answer at once, other than ACCEPTED."""
    kind = CheckedKind.REJECT if answer.outcome is Outcome.REJECTED else CheckedKind.NOT_ACCEPT
    return Checked(kind, answer.reason, answer.detail)


class DryRun:
    """Checks dial requests by the rules of `admission`."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def check(self, now: float, request: DialRequest) -> Checked:
        """Return what would happen to a dial request that arrives at `now`."""
        admission = self._admission
        problem = admission.campaign_problem(request.campaign_id)
        problem = problem or problem_with(request, admission.takes_channels)
        if problem is None and not request.in_doubt:
            problem = is_past(request, admission.expiry.at(now))
        if problem is not None:
            return Checked(CheckedKind.REJECT, Reason.INVALID_REQUEST, problem)
        refusal = admission.flow.refusal(now, request.campaign_id)
        if refusal is not None:
            kind = CheckedKind.REJECT if refusal.outcome is Outcome.REJECTED else CheckedKind.NOT_ACCEPT
            return Checked(kind, refusal.reason, refusal.detail)
        if request.expires_at <= admission.expiry.cutoff(now):
            detail = "expiration_time: too close, its time would pass before it could be sent"
            return Checked(CheckedKind.NOT_ACCEPT, Reason.EXPIRATION_PASSED, detail)
        checked = self._by_guard(now, request)
        if checked.kind is CheckedKind.SEND and not admission.flow.limit(request.campaign_id):
            return self._stopped(now, request.campaign_id, checked)
        return checked

    def contacts(self, requests: Sequence[DialRequest], checked: Sequence[Checked]) -> dict[int, Contact]:
        """Return the contacts of those requests that would be sent, now or later, by their places.

        Requests without contact limits have none.
        """
        guard = self._admission.guarding.guard
        if not requests or not guard.limited:
            return {}
        contacts = guard.contacts(requests) or ()
        return {
            place: contact
            for place, (contact, found) in enumerate(zip(contacts, checked, strict=False))
            if contact is not None and found.kind in {CheckedKind.SEND, CheckedKind.WAIT}
        }

    def limited(
        self, now: float, request: DialRequest, checked: Checked, count: ContactCount | None
    ) -> Checked:
        """Return what would happen to a request that was `checked`, as its contact limits have room.

        `count` is what the shared state says of its contact, None if it says nothing.
        """
        if count is None:
            found = Checked(CheckedKind.WAIT, Reason.CONTACT_LIMIT, LIMITS_UNKNOWN, checked.rule)
            return found if checked.kind is CheckedKind.SEND else checked
        admission = self._admission
        latest = request.expires_at - admission.expiry.lead_s
        if count.full is not None:
            found = _of_verdict(admission.guarding.verdict_over_limit(now, request, count), latest)
            if found.kind is CheckedKind.WAIT and _is_later(checked, found):
                return checked
            return found._replace(observed=checked.observed)
        over = admission.guarding.guard.over_observed(request, count.over) if count.over else ()
        observed = [_of_verdict(one, latest) for one in over]
        return checked._replace(observed=(*checked.observed, *observed))

    def _stopped(self, now: float, campaign_id: str, allowed: Checked) -> Checked:
        """Return that a request waits, since its campaign does not flow."""
        flow = self._admission.flow
        notice = flow.notice(now, campaign_id)
        return allowed._replace(
            kind=CheckedKind.WAIT,
            reason=flow.expiry_reason(campaign_id) or Reason.NONE,
            detail="" if notice is None else notice.detail,
        )

    def _by_guard(self, now: float, request: DialRequest) -> Checked:
        """Return what the guard decides, as it decides at admission."""
        verdict, _ = self._admission.guarding.decided(now, request)
        latest = request.expires_at - self._admission.expiry.lead_s
        found = _of_verdict(verdict, latest)
        if verdict.closes_at is not None and verdict.closes_at < request.expires_at:
            found = found._replace(allowed_until=verdict.closes_at)
        observed = (_of_verdict(one, latest) for one in verdict.observed)
        return found._replace(observed=tuple(one for one in observed if one.kind is not CheckedKind.SEND))


def _is_later(checked: Checked, limited: Checked) -> bool:
    """Whether a request would wait as long or longer for something else than for its contact limits."""
    if checked.kind is not CheckedKind.WAIT:
        return False
    return checked.not_before is None or checked.not_before >= (limited.not_before or 0.0)


def _of_verdict(verdict: Verdict, latest: float) -> Checked:
    """Return what follows from a verdict for a request that may be sent until `latest`."""
    if verdict.kind is VerdictKind.ALLOWED:
        return Checked(CheckedKind.SEND, rule=verdict.rule)
    kind = CheckedKind.REJECT
    if verdict.kind is VerdictKind.NOT_BEFORE:
        kind = CheckedKind.WAIT if verdict.may_wait(latest) else CheckedKind.NOT_ACCEPT
    return Checked(kind, verdict.reason, verdict.detail, verdict.rule, verdict.not_before)
