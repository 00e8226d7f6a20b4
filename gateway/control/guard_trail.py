"""The audit trails of this gateway, and what happens while one of them cannot be written."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.compliance.port import RequestGuard
from gateway.core.compliance.records import GuardDecision, GuardRecord
from gateway.core.compliance.verdict import Verdict, VerdictKind
from gateway.core.fleet.contacts import Contact, ContactCount, ContactLimit
from gateway.core.model import DialRequest, Reason
from gateway.telemetry import TrailFigures
from gateway.trail.writer import Trail

BLOCKED_RETRY_S = 5.0
"""Seconds until a request is decided again that the trail could not record."""
_RULE = "audit trail"
_BLOCKED = Verdict(
    VerdictKind.NOT_BEFORE,
    Reason.OVERLOADED,
    _RULE,
    detail="the audit trail cannot be written: nothing is sent until it can",
)


class GuardTrail:
    """All trails, by the name of their kind, `file` or `otlp`.

    If it is `required`, nothing is sent while one of them is blocked.
    """

    def __init__(self, trails: dict[str, Trail], *, required: bool) -> None:
        self._trails = trails
        self._all = tuple(trails.values())
        self._required = required

    def guarded(self, guard: RequestGuard) -> RequestGuard:
        """Return a guard that also allows nothing while a required trail cannot be written."""
        return AuditedGuard(guard, self._all) if self._required and self._all else guard

    def __bool__(self) -> bool:
        """Return whether there is a trail."""
        return bool(self._all)

    def start(self) -> None:
        """Begin to write."""
        for trail in self._all:
            trail.start()

    def put(self, at: float, records: Sequence[GuardRecord]) -> None:
        """Record decisions that were made at `at`, in seconds since the epoch. Never waits.

        Two kinds are left out: a request that waits is not decided yet, and a request that is put off since
        the trail cannot be written is put off by no rule.
        """
        kept = [
            record
            for record in records
            if record.decision is not GuardDecision.WAITS and record.verdict.rule != _RULE
        ]
        if kept:
            for trail in self._all:
                trail.put(at, kept)

    def operator(self, at: float, decision: str, number_hash: bytes, actor: str, reason: str) -> None:
        """Record that an operator has `suppressed` or `allowed` a number. Never waits."""
        for trail in self._all:
            trail.operator(at, decision, number_hash, actor, reason)

    def figures(self) -> dict[str, TrailFigures]:
        """Return the figures of each trail for metrics."""
        return {name: trail.figures() for name, trail in self._trails.items()}

    def close(self, timeout_s: float) -> bool:
        """Write what waits, for so many seconds at most; return whether everything is written. Blocks."""
        until = time.monotonic() + timeout_s
        written = [trail.close(max(0.0, until - time.monotonic())) for trail in self._all]
        return all(written)


class AuditedGuard(NamedTuple):
    """A guard that allows nothing while a required trail cannot be written. Implements `RequestGuard`."""

    guard: RequestGuard
    trails: Sequence[Trail]

    def decide(self, now: float, request: DialRequest) -> Verdict:
        """Return the verdict of the guard, or that the request may be allowed some seconds later."""
        for trail in self.trails:
            if trail.blocked:
                return _BLOCKED._replace(not_before=now + BLOCKED_RETRY_S)
        return self.guard.decide(now, request)

    def decide_all(self, now: float, requests: Sequence[DialRequest]) -> Sequence[Verdict]:
        """Return the verdict about each of some requests of one campaign, or about the first of them."""
        if any(trail.blocked for trail in self.trails):
            return [_BLOCKED._replace(not_before=now + BLOCKED_RETRY_S)] * len(requests)
        return self.guard.decide_all(now, requests)

    @property
    def number_look_ups(self) -> int:
        """How many numbers had to be looked up so far."""
        return self.guard.number_look_ups

    @property
    def changes(self) -> int:
        """A number that changes as soon as a trail cannot be written, or can be written again."""
        return 2 * self.guard.changes + any(trail.blocked for trail in self.trails)

    @property
    def limited(self) -> bool:
        """Whether any campaign has contact limits."""
        return self.guard.limited

    def contacts(self, requests: Sequence[DialRequest]) -> Sequence[Contact | None] | None:
        """Return the contacts of requests, None for those without contact limits."""
        return self.guard.contacts(requests)

    def over_limit(self, now: float, request: DialRequest, count: ContactCount) -> Verdict:
        """Return the verdict about a request for which `count` has found no room."""
        return self.guard.over_limit(now, request, count)

    def over_observed(self, request: DialRequest, limits: Sequence[ContactLimit]) -> Sequence[Verdict]:
        """Return the verdicts of rules that only observe, about `limits` without room."""
        return self.guard.over_observed(request, limits)
