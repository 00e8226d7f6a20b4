"""What the tests of a guarded core share: a bench with a guard, and short forms of answers and records."""

from typing import Any

from gateway.core.campaigns.holds import ActionKind, OperatorAction
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.model import Answer, Outcome, Reason, RetryAdvice
from gateway.core.scheduling.expiry import SEND_MARGIN_S
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, Bench

LEAD_S = 5.0 + SEND_MARGIN_S
"""Seconds before an expiration or closing time after which nothing is sent: headroom and margin."""
RELEASED = OperatorAction(ActionKind.RELEASE, "op", "why", NOW)


def bench_with(guard: HoursGuard, **limits: Any) -> Bench:
    """Return a bench whose calls need a second of headroom, and do not linger."""
    return Bench(guard, linger_s=0.0, expiry_headroom_s=LEAD_S - SEND_MARGIN_S, **limits)


def records(bench: Bench) -> list[tuple[GuardDecision, str]]:
    """Return the decisions since the last call, each with its token."""
    return [(one.decision, one.request.client_token) for one in records_of(bench)]


def records_of(bench: Bench) -> list[GuardRecord]:
    """Take the records of the guard."""
    return bench.engine.guarding.take_records()


def review(bench: Bench, now: float) -> int:
    """Tell the engine that the guard decides otherwise now; return how many calls are revoked."""
    revoked = bench.engine.rules_changed(now)
    while bench.engine.unfinished:
        bench.engine.do_slice(now)
    bench.take_answers(now)
    return len(revoked)


def waiting(bench: Bench) -> int:
    """Return how many requests wait for an opening."""
    return bench.engine.guarding.waiting


def told(answer: Answer | None) -> tuple[Outcome, Reason, RetryAdvice]:
    """Return what matters of an answer."""
    assert answer is not None
    return answer.outcome, answer.reason, answer.advice
