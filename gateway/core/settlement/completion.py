"""Carries out the result of a call: answers, requests that return to their queues, campaign conditions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from gateway.core import answers
from gateway.core.campaigns import conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.notices import Notices
from gateway.core.compliance.guarding import Guarding
from gateway.core.entry_state import EntryState
from gateway.core.errors import CallInvalid, CampaignNotFound, CampaignNotRunning
from gateway.core.model import Batch, CallReport, CampaignNotice, Entry, FlushReason, ItemFailure, Reason
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.settlement import verdicts
from gateway.core.settlement.invalid_calls import InvalidCalls
from gateway.core.slices import Slices
from gateway.core.tokens.outstanding import Outstanding

_WAITING = frozenset({EntryState.WAITING, EntryState.DELAYED})


@dataclass(frozen=True, slots=True)
class Completion:
    """Applies reports of calls, and states of campaigns, to outstanding requests, queues and conditions."""

    outstanding: Outstanding
    scheduler: Scheduler
    flow: CampaignFlow
    notices: Notices
    policy: verdicts.VerdictPolicy
    expiry: ExpiryScale
    slices: Slices
    guarding: Guarding
    invalid_calls: InvalidCalls = field(default_factory=InvalidCalls)

    def of_call(
        self, now: float, batch: Batch, report: CallReport, *, sending: bool, lasting: bool = False
    ) -> None:
        """Take the report of a call; without `sending`, requests that it did not decide are not sent again.

        `lasting`: AWS has refused the gateway's credentials or clock for longer than requests wait.
        """
        refusal = self._refusal(batch, report, lasting=lasting)
        if refusal is not None:
            self._refuse(now, batch, refusal, report)
        else:
            self._apply(now, batch, report, sending=sending)
            self._learn(now, batch, report)

    def of_look_up(self, now: float, asked: list[str], states: Mapping[str, str]) -> None:
        """Apply states of campaigns: running campaigns flow again, ended ones are refused."""
        for campaign_id, state in self.flow.conditions.looked_up(now, asked, states).items():
            self.ended(now, campaign_id, state)

    # --- conditions that another replica of the fleet has told ---------------------------------------

    def stopped(self, now: float, campaign_id: str, notice: CampaignNotice | None) -> None:
        """Make no more calls for a campaign; tell its callers if there is a notice."""
        self.scheduler.reconsider(now, campaign_id)
        if notice is not None:
            self._tell(campaign_id, notice)

    def reopened(self, now: float, campaign_id: str) -> None:
        """Probe a campaign if its pause is over."""
        self.scheduler.reconsider(now, campaign_id)

    def ended(self, now: float, campaign_id: str, state: str) -> None:
        """Let a campaign flow again, or answer its waiting requests if Connect's state of it says so."""
        gone = CampaignNotFound() if state == conditions.NOT_FOUND else CampaignNotRunning(state)
        refusal = answers.refusal_of(gone) if state in conditions.ENDED else None
        if refusal is not None:
            self._refuse_waiting(now, campaign_id, refusal, "")
        else:
            self._flows(campaign_id)
            self.scheduler.reconsider(now, campaign_id)

    # --- expiry --------------------------------------------------------------------------------------

    def expire(self, now: float, entry: Entry) -> None:
        """Settle an entry that has expired; at closing time it may wait for the next opening instead."""
        if self.guarding.closed(now, entry):
            return
        answer = answers.expired(entry, self.flow.expiry_reason(entry.request.campaign_id))
        self.outstanding.settle(now, entry, answer)

    def _refusal(self, batch: Batch, report: CallReport, *, lasting: bool) -> answers.CampaignRefusal | None:
        """Return what a call says about its whole campaign, given the calls before it."""
        if report.failure is None:
            self.invalid_calls.answered(batch.campaign_id)
            return None
        if isinstance(report.failure, CallInvalid):
            search = batch.flush is FlushReason.SUSPECT
            blamed = self.invalid_calls.refused(batch.campaign_id, search=search)
            return answers.CALL_REFUSED if blamed else None
        return answers.refusal_of(report.failure, lasting=lasting)

    def _apply(self, now: float, batch: Batch, report: CallReport, *, sending: bool) -> None:
        """Settle what the call decided, and put the rest back."""
        decided, back = self.policy.verdicts(batch.entries, report)
        if self.outstanding.denial_review is not None:
            decided = self.outstanding.reviewed(now, decided)
        self.outstanding.settle_on(self.outstanding.open_campaign(now, batch.campaign_id), decided)
        waiting = [one for one in back if self.goes_on(now, batch, one[0], sending=sending)]
        self._put_back(now, batch, waiting, split=isinstance(report.failure, CallInvalid))

    def _put_back(self, now: float, batch: Batch, entries: list[verdicts.Returned], *, split: bool) -> None:
        """Let entries of a call wait for another call; with `split`, suspects go in two halves."""
        suspects: list[Entry] = []
        for entry, again in entries:
            if again.delay_s > 0:
                self.scheduler.delay(entry, now + again.delay_s)
            elif again.suspect or batch.flush is FlushReason.SUSPECT:
                suspects.append(entry)
            else:
                self.scheduler.push(now, (entry,))
        self._push_suspects(now, suspects, split=split)

    def goes_on(self, now: float, batch: Batch, entry: Entry, *, sending: bool) -> bool:
        """Return whether an entry that comes back from a call waits for another.

        If not, settle or drop it.
        """
        if not entry.waiters:
            self.outstanding.drop(now, entry)
        elif not sending:
            self.outstanding.settle(now, entry, answers.given_up(entry, Reason.DRAINING))
        elif entry.expires_at <= self.expiry.cutoff(now):
            self.expire(now, entry)
        elif batch.purged:
            self.outstanding.settle(now, entry, answers.PURGED.answer(entry))
        elif self.flow.answering_hold(batch.campaign_id):
            self.outstanding.settle(now, entry, answers.HELD.answer(entry))
        else:
            return True
        return False

    def _push_suspects(self, now: float, suspects: list[Entry], *, split: bool) -> None:
        half = (len(suspects) + 1) // 2 if split else len(suspects)
        for part in (suspects[:half], suspects[half:]):
            if part:
                self.scheduler.push_suspects(now, part)

    def _refuse(
        self,
        now: float,
        batch: Batch,
        refusal: answers.CampaignRefusal,
        report: CallReport,
    ) -> None:
        """Settle the requests of a call, and the waiting ones, of a campaign that Connect has refused."""
        for entry in batch.entries:
            entry.attempts += report.attempts
            entry.in_doubt |= report.uncertain
            answer = refusal.answer(entry)
            answer.trace_id = report.trace_id
            self.outstanding.settle(now, entry, answer)
        self._refuse_waiting(now, batch.campaign_id, refusal, report.trace_id)
        self.flow.conditions.forget(batch.campaign_id)

    def _refuse_waiting(
        self,
        now: float,
        campaign_id: str,
        refusal: answers.CampaignRefusal,
        trace_id: str,
    ) -> None:
        """Answer the waiting requests of a campaign in slices; it makes no calls until that is done."""

        def refuse(now: float, entry: Entry) -> None:
            if entry.state in _WAITING:
                self.scheduler.remove(entry)
                answer = refusal.answer(entry)
                answer.trace_id = trace_id
                self.outstanding.settle(now, entry, answer)

        self.flow.refused.remember(now, campaign_id, refusal)
        self.notices.forget_campaign(campaign_id)
        self.flow.refused.begin(campaign_id, refusal)
        self.scheduler.reconsider(now, campaign_id)
        self.slices.add(self.outstanding.entries_of(campaign_id), refuse, partial(self._refused, campaign_id))
        self.slices.run(now)

    def _refused(self, campaign_id: str, now: float) -> None:
        """Reopen a campaign after a refusal, so that new requests show how it is now."""
        self.flow.refused.end(campaign_id)
        self.scheduler.reconsider(now, campaign_id)

    def _flows(self, campaign_id: str) -> None:
        """Tell callers that a campaign flows again, unless it is held."""
        if campaign_id not in self.flow.holds:
            self.notices.tell_flowing(campaign_id, conditions.resumed())

    def _learn(self, now: float, batch: Batch, report: CallReport) -> None:
        """Update the condition of a campaign after a call.

        Only an accepted item shows that Connect has room. An item that is invalid, or failed for an unknown
        reason, says nothing about it, so a probe of such items is followed by another of the same size.
        """
        campaign_id, number = batch.campaign_id, batch.number
        notice = None
        if isinstance(report.failure, CampaignNotRunning):
            notice = self.flow.conditions.park(now, campaign_id, report.failure.state)
        elif ItemFailure.CAPACITY in report.failed.values():
            notice = self.flow.conditions.throttled(now, campaign_id, number, batch.formed_at)
        elif report.accepted and ItemFailure.RATE not in report.failed.values():
            if self.flow.conditions.accepted(now, campaign_id, number):
                self._flows(campaign_id)
        else:
            self.flow.conditions.ended(now, campaign_id, number)
        self.scheduler.reconsider(now, campaign_id)
        if notice is not None:
            self._tell(campaign_id, notice)

    def _tell(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Tell callers that a campaign does not flow; those of a held one are told at its release."""
        if campaign_id not in self.flow.holds:
            sources = [s for s in self.scheduler.sources(campaign_id) if campaign_id not in s.noticed]
            self.notices.tell(campaign_id, sources, notice)
