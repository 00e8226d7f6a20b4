"""The guard of a gateway without rules: it only refuses numbers that an operator has suppressed."""

from gateway.compliance.number_hash import NumberHash
from gateway.compliance.suppression_list import Suppressions
from gateway.core.compliance.port import NoGuard
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.model import DialRequest, Reason

SUPPRESSED = Verdict(
    VerdictKind.REFUSED,
    Reason.SUPPRESSED,
    rule="live",
    detail="phone_number: suppressed by an operator",
)


class SuppressionGuard(NoGuard):
    """Refuses suppressed numbers, and allows all others. Implements `RequestGuard`."""

    def __init__(self, hashing: NumberHash, suppressions: Suppressions) -> None:
        self._hashing, self._suppressions = hashing, suppressions

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict about a request; it does not depend on the instant."""
        live = self._suppressions.live
        if len(live) and self._hashing.of(request.phone_number) in live:
            return SUPPRESSED
        return super().decide(now, request)
