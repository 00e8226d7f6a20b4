"""Spends the permits: on further attempts of calls in flight first, then on new calls.

The results of calls set the pace: how many permits there are, and when.
"""

from collections import deque
from dataclasses import dataclass

from gateway.core.batches import BatchFormer, FormedCall
from gateway.core.calls_in_flight import CallsInFlight
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.decision import Decision
from gateway.core.errors import AuthenticationFailed, RateThrottled, shows_authentication
from gateway.core.model import Batch, CallReport, ItemFailure
from gateway.core.quota.retry_budget import FleetRetryBudget
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.pacing import RetryBudget
from gateway.core.scheduling.permits import Permits
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.slices import Slices
from gateway.core.views.snapshot import CONCURRENCY, CREDENTIALS, RATE, SHARED_STATE


@dataclass(frozen=True, slots=True)
class CallPermits:
    """Decides which calls may leave, and which may be tried again.

    `retries` are the numbers of the calls that wait for the permit of a further attempt. At most
    `concurrent_calls` calls are in flight.
    """

    pacer: Permits
    budget: RetryBudget | FleetRetryBudget
    retries: deque[int]
    calls: CallsInFlight
    concurrent_calls: int
    former: BatchFormer
    scheduler: Scheduler
    flow: CampaignFlow
    expiry: ExpiryScale
    slices: Slices

    def spend(self, now: float, decision: Decision) -> None:
        """Spend the permits of this instant: grant or deny further attempts, and form new calls."""
        self._deny_revoked(decision)
        while self.retries and self.pacer.ready_at(now) <= now:
            number = self.retries.popleft()
            call = self.calls.get(number)
            if call is None:
                continue
            if self.expiry.at(now) < call.give_up_at and self.budget.spend():
                self.pacer.take(now)
                decision.granted.append(number)
            else:
                decision.denied.append(number)
        while self._may_call() and self.pacer.ready_at(now) <= now and self.slices.left > 0:
            formed = self.former.form(now, self.pacer.hint)
            if formed is not None:
                batch = self._begin(now, formed)
                self.pacer.take(now)
                self.budget.earn()
                decision.batches.append(batch)

    def deny_all(self, decision: Decision) -> None:
        """Deny every further attempt, since nothing is sent any more."""
        decision.denied += self.retries
        self.retries.clear()

    def ended(self, now: float, report: CallReport) -> bool:
        """Adjust the pace to the end of a call.

        Return whether AWS has refused the gateway's credentials or clock for longer than requests wait.
        """
        self.pacer.in_flight(now, len(self.calls))
        if report.unused:
            self.pacer.give_back(now, report.unused)
        failure = report.failure
        if isinstance(failure, AuthenticationFailed):
            return self.pacer.authentication_failed(now, report.started_at)
        authenticated = shows_authentication(failure)
        if authenticated:
            self.pacer.authenticated()
        throttled = isinstance(failure, RateThrottled) or ItemFailure.RATE in report.failed.values()
        if throttled:
            self.pacer.throttled(now, report.started_at)
        elif authenticated:  # Connect gives these answers only to calls that it has not throttled
            self.pacer.not_throttled(now)
        return False

    def missing(self, now: float) -> str | None:
        """Return what calls that are ready have to wait for, if anything."""
        if not (self.retries or self.scheduler.has_ready):
            return None
        if not self.retries and len(self.calls) >= self.concurrent_calls:
            return CONCURRENCY
        if self.pacer.ready_at(now) <= now:
            return None
        if self.pacer.is_unauthenticated:
            return CREDENTIALS
        return SHARED_STATE if self.pacer.limited_by_store else RATE

    def deadline(self, now: float) -> float | None:
        """Return when the next permit can be spent; None if nothing waits for one."""
        return self.pacer.ready_at(now) if self.retries or self._may_call() else None

    def _deny_revoked(self, decision: Decision) -> None:
        """End calls that are revoked, or of held campaigns, instead of retrying them."""
        for number in tuple(self.retries):
            call = self.calls.get(number)
            if call is not None and (call.revoked or call.campaign_id in self.flow.holds):
                self.retries.remove(number)
                decision.denied.append(number)

    def _may_call(self) -> bool:
        if self.retries or not self.scheduler.has_ready:
            return False
        return len(self.calls) < (1 if self.pacer.is_unauthenticated else self.concurrent_calls)

    def _begin(self, now: float, formed: FormedCall) -> Batch:
        """Let a call leave; return its batch."""
        batch = self.calls.begin(now, formed)
        self.pacer.in_flight(now, len(self.calls))
        self.flow.conditions.called(batch.campaign_id, batch.number)
        self.scheduler.called(now, batch)
        self.scheduler.formed(now, batch.campaign_id)
        return batch
