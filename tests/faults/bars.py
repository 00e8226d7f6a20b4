"""The findings of a fault run, next to its bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.quota.bars import Check, Result
from tests.history.checker import Verdict

__all__ = ["Check", "Finding", "found"]


@dataclass(frozen=True, slots=True)
class Finding(Result):
    """The numbers of a fault run, and the verdict that they come from."""

    verdict: Verdict

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"FAIL {check.name}: {check.value}" for check in self.failed)])


def found(title: str, verdict: Verdict, *more: Check, accepted_percent: float | None = None) -> Finding:
    """Return a finding: all answered, all true, all legal, enough accepted, and further checks."""
    illegal = verdict.violations.get("calls_are_legal", 0)
    asked = verdict.requests - verdict.left
    answered = 100.0 * (1 - verdict.unanswered / max(1, asked))
    accepted = 100.0 * verdict.accepted / max(1, verdict.requests)
    checks: Sequence[Check] = [
        *more,
        Check("answered, %", answered, "{:.6g}", at_least=100.0),
        Check("untrue", verdict.untrue, "{:,.0f}", at_most=0),
        Check("illegal calls", illegal, "{:,.0f}", at_most=0),
        Check("accepted, %", accepted, "{:.6g}", at_least=accepted_percent),
    ]
    return Finding(title, checks, verdict)
