"""Admission: what happens to dial requests as they arrive.

A request that breaks a rule is refused. A request with the token of an outstanding one joins it, and a
request with a token that Connect has accepted gets that answer again. A request that cannot be sent is
answered at once: its campaign is refused, or it has expired, or would expire before its turn. All others
become outstanding and wait for a call.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core import answers
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.notices import Notices
from gateway.core.compliance.guarding import Guarding
from gateway.core.intake.departures import Departures
from gateway.core.intake.forecast import Forecast
from gateway.core.intake.validation import is_past, problem_with
from gateway.core.model import (
    BATCH_LIMIT,
    DENIALS,
    Answer,
    DialRequest,
    Entry,
    Priority,
    Reason,
    Settled,
    Source,
    Waiter,
    addressed,
)
from gateway.core.outbox import Outbox
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.scheduler import Scheduler
from gateway.core.tokens.ledger import CampaignTokens, Remembered
from gateway.core.tokens.outstanding import Outstanding

_new = tuple.__new__  # looked up once: used for every message
Arrival = tuple[Waiter, DialRequest]


class ArrivalContext(NamedTuple):
    """The facts about all requests which arrive at one instant for one campaign.

    `refusal` answers every new request. `call_rate` is in calls a second, None if no forecast is made. New
    requests that expire after `clear_from`, on the scale of expiries, may wait without a forecast of their
    own. `denied` collects new entries whose denial waits until the fleet's ledger was asked.
    """

    instant: float
    priority: Priority
    refusal: answers.CampaignRefusal | None
    call_rate: float | None
    clear_from: float
    denied: dict[Entry, Answer]


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets dial requests in.

    `campaign_problem` returns the rule that a campaign id breaks by the API that carries its calls, and
    `takes_channels` whether that API has channels besides telephone calls. `admitted` is told of new entries
    that wait for a call; None without a fleet.
    """

    outstanding: Outstanding
    outbox: Outbox
    scheduler: Scheduler
    flow: CampaignFlow
    notices: Notices
    forecast: Forecast
    departures: Departures
    campaign_problem: Callable[[str], str | None]
    expiry: ExpiryScale
    takes_channels: Callable[[str], bool]
    guarding: Guarding
    admitted: Callable[[float, Sequence[Entry]], None] | None = None

    def admit(
        self,
        now: float,
        arrivals: Sequence[Arrival],
        priority: Priority,
        *,
        draining: bool,
        call_rate: float | None,
    ) -> None:
        """Take dial requests of one source for one campaign, and answer those whose answer is known.

        With `draining`, no request becomes outstanding. `call_rate` is in calls a second, None for no
        forecast.
        """
        waiter, request = arrivals[0]
        campaign_id = request.campaign_id
        campaign = self.outstanding.campaign(now, campaign_id)
        # A campaign with known tokens has a valid id: its id was checked before the first of them.
        problem = self.campaign_problem(campaign_id) if campaign is None else None
        if problem is not None:
            refused = answers.rejected(Reason.INVALID_REQUEST, problem)
            self.outbox.add(addressed(waiter, request, refused) for waiter, request in arrivals)
            return
        limit = self.flow.limit(campaign_id)
        refusal = answers.DRAINING if draining else self.flow.refusal(now, campaign_id)
        doubtful = self.scheduler.doubts(now, waiter.source.caller, campaign_id)
        more = math.inf if doubtful else len(arrivals)
        state = self._now(now, priority, refusal, call_rate if limit > 0 else None, more)
        settled: list[Settled] = []
        fresh = self._sort(state, self._valid(arrivals, settled), campaign, settled)
        if settled:
            self.outbox.add(settled)
        if state.denied:
            fresh = self._deny(now, fresh, state.denied)
        self._queue(now, fresh)
        if limit < BATCH_LIMIT and len(settled) < len(arrivals):  # some requests wait, or have joined others
            self._tell_condition(now, waiter.source, campaign_id)

    def _now(
        self,
        now: float,
        priority: Priority,
        refusal: answers.CampaignRefusal | None,
        call_rate: float | None,
        more: float,
    ) -> ArrivalContext:
        clear_from = now if call_rate is None else self.forecast.all_sent_by(now, call_rate, more)
        clear_from = math.inf if refusal is not None else self.expiry.cutoff(clear_from)
        # The same as `ArrivalContext(…)`, in half the time.
        return _new(ArrivalContext, (now, priority, refusal, call_rate, clear_from, {}))

    def _valid(self, arrivals: Sequence[Arrival], settled: list[Settled]) -> Sequence[Arrival]:
        """Answer the requests that break a rule; return the others."""
        takes_channels = self.takes_channels
        problems = [problem_with(request, takes_channels) for _, request in arrivals]
        if not any(problems):
            return arrivals
        valid = list[Arrival]()
        for (waiter, request), problem in zip(arrivals, problems, strict=True):
            if problem is None:
                valid.append((waiter, request))
            else:
                settled.append(addressed(waiter, request, answers.rejected(Reason.INVALID_REQUEST, problem)))
        return valid

    def _sort(
        self,
        state: ArrivalContext,
        arrivals: Sequence[Arrival],
        campaign: CampaignTokens | None,
        settled: list[Settled],
    ) -> list[Entry]:
        """Answer or join requests; return the new entries, which are outstanding from now on."""
        fresh: list[Entry] = []
        priority, clear_from = state.priority, state.clear_from
        tokens = [request.client_token for _, request in arrivals]
        known = campaign if campaign is not None and campaign.remembers_any(tokens) else None
        size_bytes = 0
        for waiter, request in arrivals:
            token = request.client_token
            existing = campaign.outstanding.get(token) if campaign is not None else None
            if existing is not None and self.departures:
                # Its source may have left: then this request is new, and its campaign may have changed.
                self.departures.remove_leaving(state.instant, existing)
                known = campaign = self.outstanding.campaign(state.instant, request.campaign_id)
                existing = campaign.outstanding.get(token) if campaign is not None else None
            if existing is not None:
                answer = self._join(state, existing, waiter, request)
            else:
                expires_at = request.expiration or 0.0  # the same as `request.expires_at`, in less time
                entry = Entry(request, expires_at, waiter, priority)
                entry.in_doubt = request.in_doubt
                memory = known.recall(token) if known is not None else None
                answer = None
                if memory is not None or expires_at <= clear_from:
                    answer = self._checked(state, entry, self._known_answer(state, memory, entry, len(fresh)))
                if answer is None:
                    campaign = campaign or self.outstanding.open_campaign(state.instant, request.campaign_id)
                    # Entered before the next request is looked at, which may have the same token.
                    campaign.outstanding[token] = waiter.source.pending[waiter.index] = entry
                    size_bytes += request.size_bytes
                    fresh.append(entry)
            if answer is not None:
                settled.append(addressed(waiter, request, answer))
        if campaign is not None and fresh:
            self.outstanding.count_in(campaign, len(fresh), size_bytes)
        return fresh

    def _checked(self, state: ArrivalContext, entry: Entry, answer: Answer | None) -> Answer | None:
        """Return the answer to a new request; None if it waits, in a fleet also for the check of a denial."""
        if answer is None or self.outstanding.denial_review is None:
            return answer
        if answer.outcome not in DENIALS or answer.reason is Reason.TOKEN_CONFLICT:
            return answer
        state.denied[entry] = answer
        return None

    def _deny(self, now: float, fresh: list[Entry], denied: dict[Entry, Answer]) -> list[Entry]:
        """Deny new entries in a fleet, which stay outstanding until then; return the others."""
        for entry, answer in denied.items():
            self.outstanding.settle(now, entry, answer)
        return [entry for entry in fresh if entry not in denied]

    def _queue(self, now: float, fresh: list[Entry]) -> None:
        """Queue new entries that the guard lets in."""
        fresh = self.guarding.admitted(now, fresh)
        if fresh:
            self.scheduler.push(now, fresh)
            if self.admitted is not None:
                self.admitted(now, fresh)

    def _join(
        self, state: ArrivalContext, entry: Entry, waiter: Waiter, request: DialRequest
    ) -> Answer | None:
        if not request.same_dial(entry.request):
            return answers.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
        self.outstanding.join(entry, waiter)
        entry.in_doubt |= request.in_doubt  # the doubt is about the token, so all its waiters share it
        if state.priority < entry.priority:
            entry.priority = state.priority
            if entry.queue is not None and entry.queue.source is not None:
                self.scheduler.refile(state.instant, entry)
        return None

    def _known_answer(
        self, state: ArrivalContext, memory: Remembered | None, entry: Entry, ahead: int
    ) -> Answer | None:
        """Return the answer for a new request if it is known already.

        `ahead` requests came before it in the list.
        """
        now, request = state.instant, entry.request
        if memory is not None:
            if memory.fingerprint != request.fingerprint():
                return answers.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
            if memory.accepted:
                return answers.replayed(memory.dial_request_id, memory.trace_id)
            entry.in_doubt = True
        elif not entry.in_doubt:  # one in doubt is answered as expired, below
            problem = is_past(request, self.expiry.at(now))
            if problem is not None:
                return answers.rejected(Reason.INVALID_REQUEST, problem)
        if state.refusal is not None:
            return state.refusal.answer(entry)
        if entry.expires_at <= self.expiry.cutoff(now):
            return answers.expired(entry)
        if state.call_rate is None or entry.in_doubt:
            return None
        wait_s = self.forecast.would_expire(now, entry, state.call_rate, ahead)
        return None if wait_s is None else answers.would_expire(wait_s)

    def _tell_condition(self, now: float, source: Source, campaign_id: str) -> None:
        """Tell a source, once, that the campaign of its requests does not flow."""
        notice = self.flow.notice(now, campaign_id)
        if notice is not None and campaign_id not in source.noticed:
            self.notices.tell(campaign_id, (source,), notice)


_CONFLICT = "client_token: in use, or sent before, with another number, other attributes or channel"
