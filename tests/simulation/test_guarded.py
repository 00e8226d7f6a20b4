"""Random runs of a core with a guard: only allowed requests are sent, in time, and each is answered once."""

import random
from typing import Any

import pytest

from gateway.core import answers
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.compliance.records import GuardDecision
from gateway.core.compliance.verdict import VerdictKind
from gateway.core.errors import ConnectUnreachable
from gateway.core.model import DENIALS, Batch, Outcome, Reason
from tests.cases import cases
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, Bench, Caller, dial

SEEDS, CHUNKS = cases(40, 4_000), 4
STEPS, LONGEST_STEP_S = 150, 12.0
LAST_S = 2_000.0
"""Seconds after the last step in which everything has an answer: all windows and expirations have passed."""
ROUNDING_S = 1e-5
"""What two scales differ by at most, since instants are rounded."""
GUARD_REASONS = {Reason.OUTSIDE_CALLING_HOURS, Reason.SUPPRESSED}


class GuardedRun:
    """One run. `headroom_s` is the setting, so nothing may be sent later than that before closing."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.headroom_s = self.rng.choice((0.0, 1.0, 5.0))
        self.guard = HoursGuard(windows=self._windows(NOW), learns=self.rng.choice((False, True)))
        self.bench = Bench(
            self.guard,
            linger_s=self.rng.choice((0.0, 0.5)),
            call_rate=self.rng.choice((0.0, 2.0)),
            expiry_headroom_s=self.headroom_s,
            slice_units=self.rng.choice((1, 5, 1_000)),
            max_attempts=3,
        )
        self.now = NOW
        self.callers: list[Caller] = []
        self.calls: list[Batch] = []
        self.sent: dict[tuple[str, str], int] = {}
        self.accepted: set[tuple[str, str]] = set()
        self.recorded: set[tuple[str, str]] = set()
        self.held: set[str] = set()
        self.tokens = 0

    def run(self) -> None:
        """Let callers, operators, rules and Connect do something at each step; then let all time pass."""
        actions: list[Any] = [
            *[self.send] * 5,
            *[self.end_call] * 4,
            *[self.hold_or_release, self.change_rules, self.suppress, self.leave, self.purge],
        ]
        for _ in range(STEPS):
            self.pass_time(self.rng.uniform(0.0, LONGEST_STEP_S))
            self.rng.choice(actions)()
        for campaign in tuple(self.held):
            self.release(campaign)
        for _ in range(200):
            self.pass_time(LAST_S / 200)
            while self.calls:
                self.end_call()
        assert self.bench.engine.outstanding == 0
        assert self.bench.engine.guarding.waiting == 0
        assert self.recorded == self.accepted

    # --- what happens ---------------------------------------------------------------------------------

    def send(self) -> None:
        """Send some requests of a caller, some of them with tokens that were used before."""
        if not self.callers or self.rng.random() < 0.2:
            self.callers.append(Caller())
        caller, campaign = self.rng.choice(self.callers), self.rng.choice("ab")
        for _ in range(self.rng.randint(1, 6)):
            self.tokens += self.rng.random() < 0.9
            life_s = self.rng.choice((8.0, 30.0, 120.0, 600.0))
            request = dial(
                f"t{self.tokens}", campaign, expires_at=self.now + life_s, in_doubt=self.rng.random() < 0.05
            )
            self.bench.send(self.now, caller, request)

    def end_call(self) -> None:
        """Let a call in flight end well, in part, or without an answer."""
        if not self.calls:
            return
        batch = self.calls.pop(self.rng.randrange(len(self.calls)))
        if self.rng.random() < 0.3:
            uncertain = self.rng.random() < 0.5
            self.complete(batch, failure=ConnectUnreachable(), uncertain=uncertain)
            return
        accepted = {
            one.request.client_token: "id" for one in batch.entries if self.rng.random() < 0.8 and one.waiters
        }
        self.accepted |= {(batch.campaign_id, token) for token in accepted}
        self.complete(batch, accepted=accepted)

    def complete(self, batch: Batch, **report: Any) -> None:
        """Report the end of a call."""
        self.bench.complete(self.now, batch, **report)
        self.poll()

    def hold_or_release(self) -> None:
        """Hold a campaign, or release it."""
        campaign = self.rng.choice("ab")
        if campaign in self.held:
            self.release(campaign)
        else:
            self.held.add(campaign)
            self.bench.engine.operator_actions.hold(self.now, campaign, Hold("op", "why", self.now))

    def release(self, campaign: str) -> None:
        """Release a campaign."""
        self.held.discard(campaign)
        action = OperatorAction(ActionKind.RELEASE, "op", "why", self.now)
        self.bench.engine.operator_actions.release(self.now, campaign, action)

    def purge(self) -> None:
        """Answer what waits for a campaign."""
        if self.rng.random() < 0.2:
            actions = self.bench.engine.operator_actions
            actions.answer_waiting(self.now, actions.entries_of("a"), answers.PURGED)

    def change_rules(self) -> None:
        """Open or close at other times from now on."""
        self.guard.windows = self._windows(self.now)
        self.review()

    def suppress(self) -> None:
        """Refuse some tokens from now on, or allow all again."""
        refused = {f"t{self.rng.randint(1, self.tokens + 1)}" for _ in range(5)}
        self.guard.refused = refused if self.rng.random() < 0.8 else set()
        self.review()

    def review(self) -> None:
        """Tell the engine that the guard decides otherwise; calls that it revokes end unsent or in doubt."""
        revoked = self.bench.engine.rules_changed(self.now)
        assert all(batch.revoked for batch in revoked)
        for batch in self.calls:
            refused = [one for one in batch.entries if not self.is_allowed(one.request)]
            assert not refused or batch.revoked
        self.poll()

    def leave(self) -> None:
        """Let a caller disconnect."""
        if self.callers and self.rng.random() < 0.3:
            caller = self.callers.pop(self.rng.randrange(len(self.callers)))
            self.bench.leave(self.now, caller)

    # --- what is checked ------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and poll whenever the engine wants it."""
        until = self.now + seconds
        while True:
            wake_at = self.poll()
            if wake_at is None or wake_at > until:
                break
            self.now = max(self.now, wake_at)
        self.now = until

    def poll(self) -> float | None:
        """Poll once; check the calls that leave, and take answers and records."""
        decision = self.bench.poll(self.now)
        for batch in decision.batches:
            self.check(batch)
        self.calls += decision.batches
        for record in self.bench.engine.guarding.take_records():
            key = record.request.campaign_id, record.request.client_token
            if record.decision is GuardDecision.ACCEPTED:
                self.recorded.add(key)
        for settled in self.bench.settled:
            answer = settled.answer
            key = settled.campaign_id, settled.client_token
            if answer.outcome in DENIALS and answer.reason in GUARD_REASONS:
                assert key not in self.accepted
        return decision.wake_at

    def check(self, batch: Batch) -> None:
        """Check that a call is allowed now, and that Connect will not dial after closing time."""
        assert batch.campaign_id not in self.held
        for entry in batch.entries:
            request = entry.request_to_send()
            verdict = self.guard.decide(self.now, entry.request)
            assert verdict.kind is VerdictKind.ALLOWED
            assert request.expiration is not None
            if verdict.closes_at is not None:
                assert request.expiration <= verdict.closes_at
                assert batch.give_up_at <= verdict.closes_at - self.headroom_s + ROUNDING_S
            assert self.now < batch.give_up_at

    def is_allowed(self, request: Any) -> bool:
        """Whether the guard allows a request now."""
        return self.guard.decide(self.now, request).kind is VerdictKind.ALLOWED

    def _windows(self, now: float) -> tuple[tuple[float, float], ...]:
        """Draw some windows from an instant on, apart from each other, at whole seconds."""
        found, at = [], int(now) - self.rng.randint(0, 30)
        for _ in range(self.rng.randint(0, 8)):
            opens = at + self.rng.randint(1, 60)
            at = opens + self.rng.randint(2, 120)
            found.append((float(opens), float(at)))
        return tuple(found)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_is_sent_is_allowed_whatever_happens(chunk: int) -> None:
    """Rules, holds, failures, purges, departures and closing times in any order."""
    outcomes = set()
    for seed in range(chunk, SEEDS, CHUNKS):
        run = GuardedRun(seed)
        try:
            run.run()
        except AssertionError as broken:
            raise AssertionError(f"seed {seed} at {run.now:.3f}") from broken
        outcomes |= {answer.outcome for caller in run.callers for answer in caller.answers.values()}
    assert outcomes >= {Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_ACCEPTED, Outcome.UNKNOWN}
