"""What the guard has decided about dial requests, for metrics and the audit trail."""

import enum
from typing import NamedTuple

from gateway.core.compliance.verdict import Verdict
from gateway.core.model import DialRequest


class GuardDecision(enum.Enum):
    """What became of a dial request by the rules of the guard."""

    ACCEPTED = "accepted"
    """Amazon Connect has accepted it; the rule allowed it."""
    POSSIBLY_SENT = "possibly_sent"
    """The rule allowed it, and it was answered UNKNOWN after a call: Amazon Connect may have it."""
    REFUSED = "refused"
    """It was answered: a rule refuses it, or allows it only after its expiration."""
    WAITS = "waits"
    """It began to wait until a rule allows it."""
    OBSERVED = "observed"
    """A rule that only observes would not have allowed what Amazon Connect accepted, or may have."""

    __hash__ = object.__hash__  # Enum's own hash is written in Python


class GuardRecord(NamedTuple):
    """One decision: the request, the caller that sent it first, and the verdict that counted.

    `dial_request_id` is set for ACCEPTED. The request has a phone number, so a record must not be logged.
    """

    decision: GuardDecision
    request: DialRequest
    caller: str
    verdict: Verdict
    dial_request_id: str = ""
    trace_id: str = ""

    def __repr__(self) -> str:
        """Leave out the caller's data."""
        return f"GuardRecord({self.decision.value}, {self.request!r}, rule={self.verdict.rule!r})"
