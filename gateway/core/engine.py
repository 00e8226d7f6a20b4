"""The door to the core: the shell tells it every event and asks it what to do now.

`submit`, `source_closed`, `leave`, `withdraw`, `completed`, `looked_up`, `ask_retry`, `recall`, `drain`
and `abandon` tell it what has happened; `poll` returns what to do, and when to ask again at the latest.
Every answer comes out of exactly one of them, once for each dial request that went in.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from gateway.core import listing, settle
from gateway.core.activity import Activity
from gateway.core.admission import Admission, Arrival
from gateway.core.census import CONCURRENCY, RATE, Census, Shortage, Surveyor
from gateway.core.conditions import Change, Conditions
from gateway.core.errors import CallHindered, CampaignNotFound, RateThrottled, shows_who_asks
from gateway.core.expiry import ExpiryScale
from gateway.core.forecast import Forecast
from gateway.core.holdings import Holdings
from gateway.core.ledger import Ledger
from gateway.core.model import (
    Answer,
    Batch,
    CallReport,
    Entry,
    EntryState,
    FlushReason,
    ItemFailure,
    Priority,
    Reason,
    Settled,
    Source,
    told,
)
from gateway.core.notices import Notices, Told
from gateway.core.outcomes import Outcomes
from gateway.core.pacing import Pacer, RetryBudget
from gateway.core.refusals import Refusals
from gateway.core.scheduler import EXPIRY_SLICE, Scheduler
from gateway.core.steering import Steering
from gateway.core.validate import problem_with_campaign

_GIVES_UP_AT, _STRIKES = attrgetter("give_up_at"), attrgetter("strikes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the engine is told of the settings. Times in seconds, `call_rate` in calls a second."""

    call_rate: float = 10.0
    call_burst: float = 10.0
    concurrent_calls: int = 8
    linger_s: float = 0.05
    queue_limit: int = 200_000
    queue_bytes: int = 268_435_456
    expiry_headroom_s: float = 5.0
    replay_window_s: float = 1200.0
    replay_limit: int = 500_000
    max_attempts: int = 5
    forecast: bool = True


@dataclass(slots=True)
class Decision:
    """What the shell must do now.

    Revoke calls under way (`recalled`), start calls, let retries go or end (`granted`, `denied`, by the
    numbers of their calls), ask Connect for the states of campaigns, tell answers and notices, and ask
    again at `wake_at`. `changes` are campaigns that came to stand otherwise, for those who watch.
    """

    recalled: list[Batch] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    denied: list[int] = field(default_factory=list)
    look_up: list[str] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    notices: list[Told] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    wake_at: float | None = None


class Engine:
    """The whole core, behind one object. Not thread-safe; nothing in it waits.

    `steering` is for those who run the gateway, `activity` is told the answers that were given out.
    `campaign_problem` returns the rule that a campaign id breaks, None where calls can carry it.
    """

    def __init__(
        self,
        limits: Limits,
        rng: random.Random,
        campaign_problem: Callable[[str], str | None] = problem_with_campaign,
    ) -> None:
        self._limits = limits
        self._holdings = Holdings(Ledger(limits.replay_window_s, limits.replay_limit))
        self._conditions = Conditions(rng)
        self._expiry = ExpiryScale()
        self._scheduler = Scheduler(limits.linger_s, self._conditions, self._expiry)
        self._pacer = Pacer(limits.call_rate, limits.call_burst)
        self._budget = RetryBudget()
        self._notices = Notices()
        self.activity = Activity(campaign_problem=campaign_problem)
        self.steering = Steering(
            self._holdings, self._scheduler, self._conditions, self._notices, self.activity
        )
        self._shortage = Shortage()
        self._surveyor = Surveyor(
            self._holdings, self._scheduler, self._conditions, self._pacer, self._shortage
        )
        refusals = Refusals()
        self._admission = Admission(
            self._holdings,
            self._scheduler,
            self._conditions,
            refusals,
            self._notices,
            Forecast(self._scheduler, self._expiry),
            limits.expiry_headroom_s,
            campaign_problem,
            self._expiry,
        )
        self._outcomes = Outcomes(
            self._holdings,
            self._scheduler,
            self._conditions,
            refusals,
            self._notices,
            settle.Judge(limits.max_attempts, rng),
            self._expiry,
        )
        self._calls: dict[int, Batch] = {}
        self._retries: deque[int] = deque()
        self._last_number = 0
        self._send_until: float | None = None

    # --- what has happened ---------------------------------------------------------------------

    def submit(
        self, now: float, arrivals: Sequence[Arrival], priority: Priority = Priority.NORMAL
    ) -> list[Settled]:
        """Take dial requests of one source for one campaign; return the answers that are known already.

        The others come out of other methods, once each.
        """
        if not arrivals:
            return []
        call_rate = self._pacer.rate if self._limits.forecast else None
        return self._admission.admit(now, arrivals, priority, leaving=self.draining, call_rate=call_rate)

    def wall_clock_gained(self, seconds: float) -> None:
        """Note how much the wall clock has gained on the core's since the start; expiries follow it."""
        self._expiry.ahead_s = seconds

    def source_closed(self, now: float, source: Source) -> None:
        """Note that a source will send no more."""
        self._scheduler.source_closed(now, source)

    def leave(self, now: float, source: Source) -> int:
        """Forget a source that is gone; return how many requests were dropped unsent.

        What others joined stays theirs; what is under way ends, and is remembered.
        """
        self._notices.forget(source)
        entries = dict.fromkeys(source.pending.values())
        for entry in entries:
            self._holdings.detach(entry, source)
        return sum(self._without(now, entry, source) for entry in entries)

    def withdraw(
        self, now: float, source: Source, reason: Reason = Reason.DEADLINE, *, in_flight: bool = True
    ) -> list[Settled]:
        """Answer a source at once, as its deadline is near or its stream ends, and forget what it asked for.

        What waits for nobody else is dropped unsent, so NOT_ACCEPTED is true of it. Without `in_flight`
        the calls under way may end first; what comes back from them is for another `withdraw`.
        """
        settled = []
        for entry in dict.fromkeys(source.pending.values()):
            if entry.state is EntryState.IN_FLIGHT and not in_flight:
                continue
            waiters = self._holdings.detach(entry, source)
            dropped = self._without(now, entry, source) and not entry.tainted
            settled += [told(waiter, entry.request, _withdrawn(entry, dropped, reason)) for waiter in waiters]
        return settled

    def completed(self, now: float, batch: Batch, report: CallReport) -> list[Settled]:
        """Take the report of a call; return the answers that follow from it."""
        if self._calls.pop(batch.number, None) is None:
            return []  # abandoned: everybody has been answered
        self._pacer.under_way(now, len(self._calls))
        if report.unused:
            self._pacer.give_back(now, report.unused)
        lasting = self._learn_pace(now, report)
        missing = isinstance(report.failure, CampaignNotFound)
        self._scheduler.ended(now, batch, accepted=bool(report.accepted), missing=missing)
        return self._outcomes.of_call(now, batch, report, sending=self._is_sending(now), lasting=lasting)

    def looked_up(self, now: float, asked: list[str], states: Mapping[str, str]) -> list[Settled]:
        """Take the states that Connect told of campaigns, as far as it told them."""
        return self._outcomes.of_look_up(now, asked, states)

    def may_not_look_up(self, now: float) -> None:
        """Note that the gateway has no right to see the states of campaigns."""
        self._conditions.may_not_look(now)

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of one more attempt of a call; `poll` grants or denies it by its number."""
        self._retries.append(batch.number)

    def forget_retry(self, batch: Batch) -> None:
        """Take back what `ask_retry` asked for and nobody waits for any more."""
        if batch.number in self._retries:
            self._retries.remove(batch.number)

    def drain(self, now: float, send_until: float) -> None:
        """Begin to leave: linger no more, and answer at `send_until` what has not been sent."""
        self._send_until = send_until
        self._scheduler.drain(now)

    def recall(self, campaign_id: str | None = None, *, purging: bool = False) -> list[Batch]:
        """Take back the right to send of calls under way, of one campaign or of all; return those calls.

        The shell revokes them where they are. With `purging` what they leave undecided is answered PURGED.
        """
        calls = [call for call in self._calls.values() if campaign_id in {None, call.campaign_id}]
        for call in calls:
            call.revoked = True
            call.purged |= purging
        return calls

    def abandon(self, now: float, unsent: Sequence[Batch] = ()) -> list[Settled]:
        """Answer everything that is held, calls under way included; the gateway leaves now.

        Amazon Connect may have what is in calls, except in those that are known to be `unsent`.
        """
        settled: list[Settled] = []
        kept_back = {id(entry) for batch in unsent for entry in batch.entries}
        for entry in self._holdings.everything():
            entry.tainted |= entry.state is EntryState.IN_FLIGHT and id(entry) not in kept_back
            self._scheduler.remove(entry)
            self._holdings.settle(now, entry, settle.given_up(entry, Reason.DRAINING), settled)
        self._calls.clear()
        self._retries.clear()
        return settled

    # --- what to do ------------------------------------------------------------------------------

    def poll(self, now: float) -> Decision:
        """Return what to do at `now`, and when to ask again if nothing happens until then."""
        decision = Decision()
        for campaign_id in self._conditions.advance(now):
            self._scheduler.reconsider(now, campaign_id)
        self._scheduler.permits(self._pacer.plenty(now))
        for entry in self._scheduler.advance(now):
            self._outcomes.expire(now, entry, decision.settled)
        if self.draining:
            self._let_held_go(now, decision.settled)
        if self._is_sending(now):
            self._spend_permits(now, decision)
            decision.look_up = self._conditions.to_look_up(now, self._scheduler.is_waiting)
        else:
            self._stop_sending(now, decision)
        decision.notices = self._notices.take()
        decision.changes = self._conditions.take_changes()
        self._shortage.note(now, self._lacking(now))
        decision.wake_at = self._deadline(now)
        return decision

    def census(self, now: float) -> Census:
        """Return the figures of everything, for those who watch."""
        return self._surveyor.census(now, self._calls.values(), draining=self.draining)

    def rows(self, now: float) -> dict[str, listing.CampaignRow]:
        """Return a row for each campaign, by its id in order."""
        return listing.rows(now, self.census(now).campaigns, self._conditions.holds, self.activity)

    def row(self, now: float, campaign_id: str) -> listing.CampaignRow:
        """Return the row of one campaign, whether anything is known of it or not."""
        figures = self._surveyor.of_one(now, campaign_id, self._calls.values())
        hold = self._conditions.holds.get(campaign_id)
        return listing.row(now, campaign_id, figures, self.activity.record(campaign_id), hold)

    def room(self) -> int:
        """How many more dial requests may be taken in; 0 or less where the gateway is full."""
        if self._holdings.bytes >= self._limits.queue_bytes:
            return 0
        return self._limits.queue_limit - self._holdings.count

    @property
    def held(self) -> int:
        """How many dial requests are held."""
        return self._holdings.count

    @property
    def held_bytes(self) -> int:
        """About how much memory they take."""
        return self._holdings.bytes

    @property
    def draining(self) -> bool:
        """Whether the gateway is leaving."""
        return self._send_until is not None

    @property
    def calls_in_flight(self) -> int:
        """How many calls are under way, those that wait for another attempt included."""
        return len(self._calls)

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return self._holdings.remembered

    @property
    def call_rate_ceiling(self) -> float:
        """The rate of calls as it was set, in calls a second; 0 for no limit."""
        return self._pacer.ceiling

    @property
    def call_rate(self) -> float:
        """The rate of calls that is kept now, in calls a second; 0 for no limit."""
        return self._pacer.rate

    # --- letting go ------------------------------------------------------------------

    def _without(self, now: float, entry: Entry, source: Source) -> bool:
        """Go on with an entry that `source` waits for no longer; return whether it was dropped unsent."""
        if entry.state is EntryState.IN_FLIGHT:
            return False
        if not entry.waiters:
            self._scheduler.remove(entry)
            self._holdings.drop(now, entry)
            return True
        if entry.queue is not None and entry.queue.source is source:
            self._scheduler.refile(now, entry)
        return False

    # --- spending permits --------------------------------------------------------------------------

    def _spend_permits(self, now: float, decision: Decision) -> None:
        self._deny_revoked(decision)
        while self._retries and self._pacer.ready_at(now) <= now:
            number = self._retries.popleft()
            call = self._calls.get(number)
            if call is None:
                continue
            if self._expiry.at(now) < call.give_up_at and self._budget.spend():
                self._pacer.take(now)
                decision.granted.append(number)
            else:
                decision.denied.append(number)
        while self._may_call() and self._pacer.ready_at(now) <= now and len(decision.settled) < EXPIRY_SLICE:
            batch = self._form(now, decision.settled)
            if batch is not None:
                self._pacer.take(now)
                self._budget.earn()
                decision.batches.append(batch)

    def _deny_revoked(self, decision: Decision) -> None:
        """Let calls that are revoked, or of held campaigns, come to their end instead of another attempt."""
        for number in tuple(self._retries):
            call = self._calls.get(number)
            if call is not None and (call.revoked or call.campaign_id in self._conditions.holds):
                self._retries.remove(number)
                decision.denied.append(number)

    def _let_held_go(self, now: float, settled: list[Settled]) -> None:
        """Answer what rests in campaigns that are held: a gateway that leaves will not send it."""
        for campaign_id in self._conditions.holds.names():
            resting = self.steering.resting(campaign_id)
            settled += self.steering.dismiss(now, resting, settle.LEAVING)[1]

    def _is_sending(self, now: float) -> bool:
        """Whether calls may still leave: a gateway that leaves stops some time before its end."""
        return self._send_until is None or now < self._send_until

    def _learn_pace(self, now: float, report: CallReport) -> bool:
        """Let a call say how fast the next may leave; return whether a hindrance has gone on for long."""
        failure = report.failure
        if isinstance(failure, CallHindered):
            return self._pacer.hinder(now, report.started_at)
        if shows_who_asks(failure):
            self._pacer.recognized()
        throttled = isinstance(failure, RateThrottled) or ItemFailure.RATE in report.failed.values()
        if throttled:
            self._pacer.throttled(now, report.started_at)
        elif failure is None:
            self._pacer.succeeded(now)
        return False

    def _may_call(self) -> bool:
        free = len(self._calls) < (1 if self._pacer.hindered else self._limits.concurrent_calls)
        return free and not self._retries and self._scheduler.has_ready

    def _lacking(self, now: float) -> str | None:
        """Return what calls that are ready have to wait for, if anything."""
        if not (self._retries or self._scheduler.has_ready) or not self._is_sending(now):
            return None
        if not self._retries and len(self._calls) >= self._limits.concurrent_calls:
            return CONCURRENCY
        return RATE if self._pacer.ready_at(now) > now else None

    def _form(self, now: float, settled: list[Settled]) -> Batch | None:
        """Form the next batch; None where all of it has expired or gone."""
        taken, flush = self._scheduler.form(now)
        if not taken:
            return None
        campaign_id = taken[0].request.campaign_id
        expired_at = self._expiry.at(now)
        entries = [entry for entry in taken if entry.give_up_at > expired_at]
        if len(entries) < len(taken):  # a flood of expiries is worked off in slices, and is not done yet
            for entry in taken:
                if entry.give_up_at <= expired_at:
                    self._outcomes.expire(now, entry, settled)
        batch = self._batch(now, campaign_id, entries, flush) if entries else None
        self._scheduler.formed(now, campaign_id)
        return batch

    def _batch(self, now: float, campaign_id: str, entries: list[Entry], flush: FlushReason) -> Batch:
        self._last_number += 1
        batch = Batch(
            number=self._last_number,
            campaign_id=campaign_id,
            entries=entries,
            flush=flush,
            formed_at=now,
            give_up_at=min(map(_GIVES_UP_AT, entries)),
            attempts_left=self._limits.max_attempts - max(map(_STRIKES, entries)),
        )
        self._calls[batch.number] = batch
        self._pacer.under_way(now, len(self._calls))
        self._conditions.called(campaign_id, batch.number)
        self._scheduler.called(now, batch)
        return batch

    def _stop_sending(self, now: float, decision: Decision) -> None:
        """Answer what rests, and let no call leave that has not left yet, nor one have another attempt."""
        decision.recalled = self.recall()
        for entry in self._holdings.resting():
            self._scheduler.remove(entry)
            self._holdings.settle(now, entry, settle.given_up(entry, Reason.DRAINING), decision.settled)
        decision.denied += self._retries
        self._retries.clear()

    def _deadline(self, now: float) -> float | None:
        instants = [self._scheduler.deadline(), self._conditions.deadline(now)]
        if not self._is_sending(now):
            return self._scheduler.deadline()
        if self._retries or self._may_call():
            instants.append(self._pacer.ready_at(now))
        instants.append(self._send_until)
        return min((instant for instant in instants if instant is not None), default=None)


def _withdrawn(entry: Entry, dropped: bool, reason: Reason) -> Answer:
    if dropped:
        return settle.given_up(entry, reason)
    text = "the call or stream that asked for it ends first, and Amazon Connect may get the request"
    return settle.unknown(entry, reason, text)


__all__ = ["Decision", "Engine", "Limits"]
