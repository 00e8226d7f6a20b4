"""The interface of the core: the shell reports every event and asks what to do now.

`submit`, `source_closed`, `source_ending`, `source_gone`, `withdraw`, `completed`, `looked_up`, `ask_retry`,
`revoke_calls`, `drain` and `abandon` tell it what has happened. `poll` returns what to do now, and the latest
instant at which to ask again. After each of them the shell calls `take_answers`, the only method that returns
answers: exactly one for each dial request that went in. No method does more than one slice of long work; each
`poll` does the next slice.

In a fleet, `claimed` reports the fleet's verdicts on the claims of a call. `fleet_ledger` returns these
claims and their settlements, and takes the records that the fleet has of tokens.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence

from gateway.core.assembly import assemble
from gateway.core.campaign_id import problem_with_campaign
from gateway.core.channels import no_channels
from gateway.core.decision import Decision
from gateway.core.errors import CallRevoked, CampaignNotFound
from gateway.core.fleet.messages import Claimed
from gateway.core.instants import earliest
from gateway.core.intake.admission import Arrival
from gateway.core.intake.dry_run import DryRun
from gateway.core.limits import Limits
from gateway.core.model import Batch, CallReport, Departure, Priority, Reason, Settled, Source
from gateway.core.quota.fleet_permits import QuotaMember
from gateway.core.slices import SLICE
from gateway.core.tokens.outstanding import CAMPAIGN_BYTES, QUEUE_BYTES
from gateway.core.views.campaign_listing import CampaignListing
from gateway.core.views.snapshot import Survey

BODY_COPIES = 3
"""Copies of a call's requests in memory while it is in flight, including boto3's parameters and body."""
UNSENT = CallReport(failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
"""The report of a call that was not sent: its permit is unused."""


class Engine:
    """The whole core, behind one object. Not thread-safe; nothing in it waits.

    `operator_actions` is for operators, `guarding` for the compliance guard; `statistics` counts answers,
    `campaign_listing` lists campaigns, and `dry_run` tells what would happen to requests.
    `campaign_problem` returns the rule that a campaign id breaks, None if calls can carry it, and
    `takes_channels` whether calls of a campaign can carry other channels than telephone calls.
    `fleet_member` is the name of this process in a fleet that shares a ledger and the conditions of
    campaigns, None without one. Then `fleet_ledger` and `shared_conditions` exist, and calls of
    `Decision.batches` are sent only if `claimed` says so. `fleet_quota` names this process in a fleet that
    shares the quota. Then `fleet_permits` exists, and permits calls as the shared state grants them.
    """

    def __init__(
        self,
        limits: Limits,
        rng: random.Random,
        campaign_problem: Callable[[str], str | None] = problem_with_campaign,
        fleet_member: str | None = None,
        fleet_quota: QuotaMember | None = None,
        takes_channels: Callable[[str], bool] = no_channels,
    ) -> None:
        self._limits = limits
        self._forecasts = limits.forecast
        self._quota = limits.call_rate, limits.call_burst
        self._dropped = 0
        parts = assemble(limits, rng, campaign_problem, takes_channels, fleet_member, fleet_quota)
        self.statistics = parts.statistics
        self.operator_actions = parts.operator_actions
        self.fleet_permits = parts.fleet_permits
        self.fleet_ledger = parts.fleet_ledger
        self.shared_conditions = parts.shared_conditions
        self.guarding = parts.guarding
        self.dry_run = DryRun(parts.admission)
        self._outbox = parts.outbox
        self._outstanding = parts.outstanding
        self._conditions = parts.conditions
        self._expiry = parts.expiry
        self._scheduler = parts.scheduler
        self._slices = parts.slices
        self._departures = parts.departures
        self._notices = parts.notices
        self._permit_wait = parts.permit_wait
        self._snapshot_taker = parts.snapshot_taker
        self._completion = parts.completion
        self._admission = parts.admission
        self._draining = parts.draining
        self._pacer = parts.pacer
        self._calls = parts.calls
        self._permits = parts.permits
        self.campaign_listing = CampaignListing(
            parts.snapshot_taker, parts.calls, parts.holds, parts.statistics
        )

    # --- what has happened ---------------------------------------------------------------------

    def submit(self, now: float, arrivals: Sequence[Arrival], priority: Priority = Priority.NORMAL) -> None:
        """Take dial requests of one source for one campaign; those whose answer is known are answered now."""
        if not arrivals or arrivals[0][0].source.departure is Departure.GONE:
            return
        # Unfinished work is about to shorten the backlog, so a forecast would be wrong.
        call_rate = self._pacer.rate if self._forecasts and not self._slices.work else None
        draining = self._draining.send_until is not None
        self._admission.admit(now, arrivals, priority, draining=draining, call_rate=call_rate)

    def set_pace(self, now: float, rate: float, burst: float, *, forecasts: bool) -> None:
        """Keep to another call rate (calls a second, 0 for no limit) and burst (calls) from `now` on.

        `forecasts`: whether new requests whose turn would come too late are answered at once.
        """
        self._forecasts = forecasts
        if (rate, burst) != self._quota:
            self._quota = rate, burst
            self._pacer.set_quota(now, rate, burst)

    def wall_clock_gained(self, seconds: float) -> None:
        """Note by how much the scale of expiries, which follows the wall clock, is ahead of the core's."""
        self._expiry.ahead_s = seconds

    def source_closed(self, now: float, source: Source) -> None:
        """Note that a source will send no more; its campaigns no longer wait for more from it."""
        queues = self._scheduler.source_closed(source)
        if queues:
            self._slices.add(queues, self._scheduler.close)
            self._slices.run(now)

    def source_gone(self, now: float, source: Source) -> None:
        """Forget a source that is gone: requests that only it waits for are not sent from now on.

        Requests that other sources joined stay. Calls in flight end, and their outcomes are remembered.
        """
        self._notices.forget(source)
        self._departures.gone(source)
        self._slices.run(now)

    def source_ending(self, now: float, source: Source) -> None:
        """Answer a source whose stream ends: requests in no call at once, the others when their calls end."""
        self._departures.ending(source)
        self._slices.run(now)

    def withdraw(
        self,
        now: float,
        source: Source,
        reason: Reason = Reason.DEADLINE,
        limit: int = SLICE,
        *,
        final: bool = True,
    ) -> None:
        """Answer a source at once, since its deadline is near, and forget its requests.

        If this is not `final`, denials that wait for the fleet's ledger may wait on.
        Requests without another waiter are dropped unsent: NOT_ACCEPTED is true. At most `limit` requests are
        answered: the shell asks again while something is pending.
        """
        self._departures.withdraw(now, source, reason, limit, final=final)

    def claimed(self, now: float, batch: Batch, asked_at: float, verdicts: Sequence[Claimed] | None) -> bool:
        """Take the verdicts on the claims of a call; return whether it is to be sent.

        `verdicts` is None if the shared state did not answer. `asked_at` is when it was asked. What must not
        be sent has left the call. A call that is not sent has ended: `completed` must not follow.
        """
        if self.fleet_ledger is None or batch not in self._calls:
            return False  # the gateway has abandoned the call, and has answered its requests
        if self.fleet_permits is not None and self.fleet_permits.pauses.paused_since(now, asked_at):
            self.completed(now, batch, UNSENT)  # the fleet may have held its campaign meanwhile
            return False
        sending = self._draining.sends_again(now, batch)
        entries = self.fleet_ledger.claimed(now, batch, asked_at, verdicts, sending=sending)
        if len(entries) < len(batch.entries):
            self._calls.shrink(batch, entries)
        if not entries:
            self.completed(now, batch, UNSENT)
        return bool(entries)

    def completed(self, now: float, batch: Batch, report: CallReport) -> None:
        """Take the report of a call, and do what follows from it."""
        if not self._calls.end(batch):
            return  # the gateway has abandoned the call, and has answered its requests
        lasting = self._permits.ended(now, report)
        missing = isinstance(report.failure, CampaignNotFound)
        if report.accepted:
            self.statistics.accept(now, batch.campaign_id, len(report.accepted))
        self._scheduler.ended(now, batch, accepted=bool(report.accepted), missing=missing)
        if self.fleet_ledger is not None:
            self.fleet_ledger.begin_settling(now, batch)
        self._remove_leaving(now, batch)
        self._completion.of_call(
            now, batch, report, sending=self._draining.sends_again(now, batch), lasting=lasting
        )
        self._remove_leaving(now, batch)  # requests without an answer have left the call
        if self.fleet_ledger is not None:
            self.fleet_ledger.settle(batch, report)

    def looked_up(self, now: float, asked: list[str], states: Mapping[str, str]) -> None:
        """Take the states that Connect returned; a campaign without a state is asked about again."""
        self._completion.of_look_up(now, asked, states)

    def may_not_look_up(self, now: float) -> None:
        """Note that the gateway has no right to see the states of campaigns."""
        self._conditions.may_not_look_up(now)

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of one more attempt of a call; `poll` grants or denies it by its number."""
        self._permits.retries.append(batch.number)

    def forget_retry(self, batch: Batch) -> None:
        """Withdraw what `ask_retry` asked for, since the call does not wait for it any more."""
        if batch.number in self._permits.retries:
            self._permits.retries.remove(batch.number)

    def drain(self, now: float, send_until: float) -> None:
        """Begin to drain: linger no more, and answer at `send_until` what has not been sent."""
        self._draining.begin(now, send_until)

    def revoke_calls(
        self, campaign_id: str | None = None, *, purging: bool = False, formed_by: float = math.inf
    ) -> list[Batch]:
        """Revoke the calls in flight that were formed by an instant, of one campaign or of all; return those.

        The shell revokes their tickets. With `purging`, requests that they leave undecided are answered
        PURGED.
        """
        return self._calls.revoke(campaign_id, purging=purging, formed_by=formed_by)

    def rules_changed(self, now: float) -> list[Batch]:
        """Decide again about all requests, since the guard's rules have changed; return the revoked calls."""
        return self.guarding.rules_changed(now, self._calls)

    def numbers_changed(self, now: float) -> list[Batch]:
        """Decide again about all requests soon, since other numbers are suppressed; return the revoked calls.

        Calls are decided about at once.
        """
        return self.guarding.numbers_changed(now, self._calls)

    def abandon(self, now: float, unsent: Sequence[Batch] = ()) -> None:
        """Begin to answer all outstanding requests, including those in calls: the gateway stops now.

        Amazon Connect may have the requests in calls, except in those known to be `unsent`. Nothing more is
        sent. `poll` or `do_slice` answer what is left after the first slice.
        """
        sent = self._calls.abandon(unsent)
        if self.fleet_ledger is not None:
            self.fleet_ledger.abandon(unsent, sent)
        self._permits.retries.clear()
        self._draining.abandon(now)
        self.do_slice(now)

    def do_slice(self, now: float) -> None:
        """Do one slice of the work that is left, and nothing else."""
        self._slices.begin()
        self._slices.run(now)

    # --- answers -------------------------------------------------------------------------------

    def take_answers(self, now: float) -> list[Settled]:
        """Return the answers decided since the last call, to be delivered at `now`, and count them.

        Every answer leaves the engine here. Answers to one event keep the order of its dial requests.
        """
        answered = self._outbox.take()
        if answered:
            self.statistics.count(now, answered)
        return answered

    # --- what to do ------------------------------------------------------------------------------

    def poll(self, now: float) -> Decision:
        """Return what to do at `now`, and when to ask again if nothing happens until then."""
        decision = Decision()
        decision.revoked = self.guarding.note_changes(now, self._calls)
        for campaign_id in self._conditions.advance(now):
            self._scheduler.reconsider(now, campaign_id)
        self._scheduler.note_permits(self._pacer.available_share(now))
        expired = self._scheduler.advance(now, self._limits.slice_units)
        expired += self.guarding.advance(now, self._limits.slice_units)
        for entry in expired:
            self._completion.expire(now, entry)
        if self._draining.send_until is not None:
            self._draining.give_up_held()
        self._slices.begin(spent=len(expired))
        sending = self._draining.is_sending(now)
        if sending:
            self._permits.spend(now, decision)
            decision.look_up = self._conditions.to_look_up(now, self._scheduler.is_waiting)
        else:
            self._stop_sending(decision)
        self._slices.run(now)
        if self.fleet_ledger is not None:
            self.fleet_ledger.advance(now, self._limits.slice_units)
            decision.token_look_ups = self.fleet_ledger.take_look_ups(now)
        self._report(now, decision, sending=sending)
        return decision

    def begin_snapshot(self, now: float) -> Survey:
        """Begin a snapshot of the core's figures; its campaigns are read in parts."""
        return self._snapshot_taker.begin_snapshot(
            now, self._calls, draining=self.draining, outstanding_bytes=self.outstanding_bytes
        )

    def room(self) -> int:
        """Return how many more dial requests may be taken in; 0 or less if the gateway is full."""
        if self.outstanding_bytes >= self._limits.queue_bytes:
            return 0
        return self._limits.queue_limit - self._outstanding.count

    @property
    def outstanding(self) -> int:
        """How many dial requests are outstanding."""
        return self._outstanding.count

    @property
    def outstanding_bytes(self) -> int:
        """About how much memory they take, in bytes, with their campaigns, queues and the bodies of calls."""
        campaigns = self._outstanding.campaigns * CAMPAIGN_BYTES
        queues = self._scheduler.source_queues * QUEUE_BYTES
        return self._outstanding.bytes + campaigns + queues + self._calls.size_bytes * BODY_COPIES

    @property
    def draining(self) -> bool:
        """Whether the gateway drains."""
        return self._draining.send_until is not None

    @property
    def calls_in_flight(self) -> int:
        """How many calls are in flight, including those that wait for another attempt."""
        return len(self._calls)

    @property
    def remembered(self) -> int:
        """How many settled tokens are remembered."""
        return self._outstanding.remembered

    @property
    def call_rate_ceiling(self) -> float:
        """The configured rate of calls, in calls a second; 0 for no limit."""
        return self._pacer.ceiling

    @property
    def call_rate_is_cut(self) -> bool:
        """Whether the rate of calls is lower since Connect has throttled calls."""
        return self._pacer.is_cut

    @property
    def call_rate(self) -> float:
        """The present rate of calls, in calls a second; 0 for no limit."""
        return self._pacer.account_rate

    @property
    def dropped(self) -> int:
        """How many dial requests were dropped unsent because all their waiters were gone."""
        return self._outstanding.dropped

    @property
    def unfinished(self) -> bool:
        """Whether work is left to be done in slices."""
        return bool(self._slices.work)

    # --- long work ----------------------------------------------------------------------------------

    def _report(self, now: float, decision: Decision, *, sending: bool) -> None:
        """Move all results up to now into a decision."""
        decision.departed, self._outstanding.departed = self._outstanding.departed, []
        decision.dropped, self._dropped = self._outstanding.dropped - self._dropped, self._outstanding.dropped
        decision.notices = self._notices.take()
        decision.changes = self._conditions.take_changes()
        self._permit_wait.note(now, self._permits.missing(now) if sending else None)
        decision.wake_at = self._deadline(now, sending=sending)

    def _remove_leaving(self, now: float, batch: Batch) -> None:
        """Remove the leaving sources from the requests that a call has carried."""
        if self._departures:
            for entry in batch.entries:
                self._departures.remove_leaving(now, entry)

    def _stop_sending(self, decision: Decision) -> None:
        """Answer the waiting requests, revoke the calls that have not left, and stop retries."""
        decision.revoked = self.revoke_calls()
        self._draining.stop_sending()
        self._permits.deny_all(decision)

    def _deadline(self, now: float, *, sending: bool) -> float | None:
        if self._slices.work:
            return now
        due_at = earliest(self._scheduler.deadline(), self.guarding.deadline())
        if self.fleet_ledger is not None:
            due_at = earliest(due_at, self.fleet_ledger.deadline())
        if not sending:
            return due_at
        return earliest(
            due_at, self._conditions.deadline(now), self._permits.deadline(now), self._draining.send_until
        )


__all__ = ["Decision", "Engine", "Limits"]
