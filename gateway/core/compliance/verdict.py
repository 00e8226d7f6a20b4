"""The verdicts of the guard, and how several verdicts are combined: the strictest counts."""

import enum
from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.model import Reason


class VerdictKind(enum.IntEnum):
    """What may happen to a dial request, the strictest last."""

    ALLOWED = 0
    NOT_BEFORE = 1
    REFUSED = 2

    __hash__ = int.__hash__  # Enum's own hash is written in Python


class Verdict(NamedTuple):
    """A verdict, the rule that it comes from, and the version of that rule. All instants are UTC seconds.

    `not_before` is the earliest instant at which the same request may be allowed, set for NOT_BEFORE only.
    `closes_at` is set for ALLOWED: the request must be given to Amazon Connect with an expiration that is not
    later; None if nothing closes. `observed` holds the verdicts of rules that only observe.
    """

    kind: VerdictKind
    reason: Reason = Reason.NONE
    rule: str = ""
    version: str = ""
    detail: str = ""
    not_before: float | None = None
    closes_at: float | None = None
    observed: "tuple[Verdict, ...]" = ()

    def may_wait(self, expiration: float) -> bool:
        """Whether the request may be allowed before its expiration."""
        return self.not_before is not None and self.not_before < expiration

    def expiration(self, expiration: float) -> float:
        """Return the expiration to send: the caller's, or the closing instant if that is earlier."""
        return expiration if self.closes_at is None else min(expiration, self.closes_at)


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the strictest of some verdicts: refused, else the latest opening, else the earliest closing.

    There must be one verdict at least.
    """
    return max(verdicts, key=_strictness)


def _strictness(verdict: Verdict) -> tuple[int, float]:
    if verdict.kind is VerdictKind.NOT_BEFORE:
        return verdict.kind, verdict.not_before or 0.0
    if verdict.kind is VerdictKind.ALLOWED:
        return verdict.kind, float("-inf") if verdict.closes_at is None else -verdict.closes_at
    return verdict.kind, 0.0
