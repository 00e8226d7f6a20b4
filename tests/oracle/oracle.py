"""The oracle: every promise of the engine, checked from what goes in and what comes out.

It knows nothing of how the engine works. What only a look inside would tell, such as the length of a random
pause, it leaves open. Checks of what a poll left undone wait until the engine has finished its slices of
long work.
"""

from collections.abc import Mapping, Sequence, Set

from gateway.core.campaigns.conditions import RUNNING
from gateway.core.engine import Decision, Limits
from gateway.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    CallInvalid,
    CallRevoked,
    CallTooLate,
    CampaignNotRunning,
    RateThrottled,
)
from gateway.core.intake.forecast import MARGIN
from gateway.core.model import (
    BATCH_BYTES,
    BATCH_LIMIT,
    Answer,
    Batch,
    CallReport,
    DialRequest,
    FlushReason,
    ItemFailure,
    Outcome,
    Priority,
    Reason,
    Settled,
)
from tests.oracle.answers import Answers, Situation
from tests.oracle.fairness import Fairness
from tests.oracle.flow import Flow
from tests.oracle.notices import Notices
from tests.oracle.quota import Quota
from tests.oracle.records import EXACT_S, Backlog, Caller, Outstanding, Place
from tests.oracle.tokens import Fate, GroundTruth, Tokens, fate_of, weigh

_AT_ONCE = (RateThrottled, AuthenticationFailed, CampaignNotRunning, CallInvalid, CallTooLate, CallRevoked)
"""Failures of a call after which its requests wait for another one without a pause."""


class Oracle:
    """Checks one engine. `truth` is a model of Connect that answers the calls, if the test has one."""

    def __init__(self, limits: Limits, now: float, truth: GroundTruth | None = None) -> None:
        self.limits = limits
        self.at = Situation(now)
        self.backlog = Backlog()
        self.tokens = Tokens(limits, truth)
        self.answers = Answers(limits, self.at, self.backlog, self.tokens, truth)
        self.quota = Quota(now, limits)
        self.flow = Flow(now)
        self.notices = Notices()
        self.fairness = Fairness(self.backlog)
        self.calls: dict[int, Batch] = {}
        self.asking: list[int] = []
        self.dropped = 0
        self.wake_at: float | None = None
        self._revoked: set[int] = set()
        self.gone: list[Caller] = []
        self.suspects_at: dict[str, float] = {}
        self._largest = 0
        self.steady = True

    # --- callers -----------------------------------------------------------------------------------

    def submitted(
        self,
        caller: Caller,
        index: int,
        request: DialRequest,
        priority: Priority,
        answer: Answer | None,
        *,
        call_rate: float,
        valid: bool = True,
    ) -> None:
        """Check what happens to a new request; `call_rate` is the engine's, before it."""
        key = (request.campaign_id, request.client_token)
        one = self.backlog.get(key)
        fate = fate_of(answer)
        fates = self._fates(request, one, call_rate) if valid else {Fate.INVALID}
        if not valid and request.in_doubt:
            fates = {Fate.INVALID, Fate.UNKNOWN}
        assert fate in fates, f"{fate}, not one of {fates}"
        if answer is not None:
            caller.answers[index] = answer
            if valid:
                self.answers.at_once(request, answer, fate)
            return
        caller.waiting[index] = key
        self.fairness.submitted(caller, priority)
        if one is not None:
            self.backlog.join(one, (caller, index), priority)
            one.must_doubt |= request.in_doubt
            one.may_doubt |= request.in_doubt
            return
        now = self.at.now
        self._largest = max(self._largest, request.size_bytes)
        self.tokens.excuse(now, key)
        must, may = self.tokens.doubts(now, request)
        give_up_at = self.tokens.give_up_at(request)
        self.backlog.add(Outstanding(request, give_up_at, now, priority, [(caller, index)], must, may))
        self.tokens.taken_in(key)

    def left(self, caller: Caller) -> None:
        """Forget a caller that is gone: what nobody else waits for and is in no call is never sent."""
        self.dropped += self.answers.left(caller)
        self.notices.left(caller)
        self.gone.append(caller)

    # --- calls -------------------------------------------------------------------------------------

    def called(self, batch: Batch) -> None:
        """Check that a call is valid, full, timely and fair."""
        now, campaign_id, size = self.at.now, batch.campaign_id, len(batch.entries)
        keys = {(entry.request.campaign_id, entry.request.client_token) for entry in batch.entries}
        assert 1 <= len(keys) == size <= BATCH_LIMIT, "not a valid call"
        assert {campaign for campaign, _ in keys} == {campaign_id}, "two campaigns in a call"
        assert batch.number not in self.calls
        assert batch.attempts_left >= 1
        self.check_may_send(batch)
        self.quota.attempt(now)
        self.quota.first_attempt()
        suspects = batch.flush is FlushReason.SUSPECT
        if suspects:
            self.suspects_at[campaign_id] = now
        self._check_size(batch, suspects=suspects)
        self.flow.called(now, batch)
        self._check_items(batch, suspects=suspects)
        self.calls[batch.number] = batch
        self.quota.in_flight(now, len(self.calls))
        self.fairness.check_turns(now, batch, self.at.holds.keys(), steady=self.steady)

    def _check_size(self, batch: Batch, *, suspects: bool) -> None:
        """Check that a call is small enough for its body, and full if enough requests wait."""
        content = sum(entry.request.size_bytes for entry in batch.entries)
        assert batch.size_bytes == content
        assert len(batch.entries) == 1 or content <= BATCH_BYTES, "a call is too large"
        backlog = self.backlog.of(batch.campaign_id)
        enough = backlog is not None and len(backlog.waiting) >= BATCH_LIMIT
        if enough and not suspects and batch.campaign_id not in self.flow.not_flowing:
            full = len(batch.entries) == BATCH_LIMIT or content + self._largest > BATCH_BYTES
            assert full, "a call is not full under backlog"

    def _check_items(self, batch: Batch, *, suspects: bool) -> None:
        now, size = self.at.now, len(batch.entries)
        groups, priorities = set(), set()
        for entry in batch.entries:
            one = self.backlog.outstanding[entry.request.campaign_id, entry.request.client_token]
            assert entry.request is one.request, "sent with another content than was taken in"
            assert one.place is not Place.IN_CALL, "a token in two calls"
            assert one.waiters, "sent though nobody waits for it"
            assert not one.refused, "sent though its campaign is refused"
            assert not self.tokens.surely_accepted(now, one.key), "sent again though it was accepted"
            assert bool(one.suspects) is suspects, "a suspect travels with others"
            assert not suspects or size <= one.suspects, "the search for a bad item does not get closer"
            assert batch.give_up_at <= one.give_up_at, "would be tried for too long"
            assert one.give_up_at > now, "sent too late"
            groups.add(one.group if suspects else 0)
            priorities.add(one.priority)
            self.backlog.sent(one)
        assert len(groups) == 1, "suspects of two calls in one"
        if not suspects:
            self.fairness.check_priorities(priorities, self.backlog.campaigns[batch.campaign_id])

    def check_may_send(self, batch: Batch) -> None:
        """Check that an attempt of a call may be made now."""
        assert self.at.sending, "sent by a gateway that has stopped to send"
        assert batch.campaign_id not in self.at.holds, "sent for a campaign that is held"
        assert batch.number not in self._revoked, "sent after it was revoked"
        assert self.at.now < batch.give_up_at, "sent too late"

    def granted(self, number: int) -> None:
        """Check that a call may make a further attempt."""
        self.asking.remove(number)
        self.check_may_send(self.calls[number])
        self.quota.attempt(self.at.now)
        self.quota.further_attempt()

    def denied(self, number: int) -> None:
        """Check that a call is denied a further attempt for a reason."""
        self.asking.remove(number)
        call = self.calls[number]
        late = self.at.now >= call.give_up_at
        stopped = call.campaign_id in self.at.holds or number in self._revoked
        assert self.quota.may_deny_attempt() or late or stopped or not self.at.sending, "denied for nothing"

    def leaves(self, batch: Batch) -> None:
        """Check that the first byte of an attempt may leave now."""
        self.check_may_send(batch)
        self.arrives(batch)

    def arrives(self, batch: Batch) -> None:
        """Check that Connect is not given what a caller was told that it does not have."""
        for entry in batch.entries:
            key = (batch.campaign_id, entry.request.client_token)
            assert not self.tokens.is_denied(key), "sent after a caller was told that it is not"

    def revoked(self, calls: Sequence[Batch], campaign_id: str | None = None) -> None:
        """Check that all calls in flight, or those of a campaign, are revoked."""
        due = {number for number, call in self.calls.items() if campaign_id in {None, call.campaign_id}}
        assert {call.number for call in calls} == due, "a call is not revoked"
        assert all(call.revoked for call in calls)
        self._revoked |= due

    def returned(self, batch: Batch, report: CallReport) -> None:
        """Follow the report of a call, before the engine takes it."""
        now = self.at.now
        for entry in batch.entries:
            one = self.backlog.outstanding[batch.campaign_id, entry.request.client_token]
            self.backlog.returned(one)
            self.tokens.touched(now, one.key)
            weigh(one, report)
        del self.calls[batch.number]
        self.quota.in_flight(now, len(self.calls))
        self.quota.unused(now, report.unused)
        rate = ItemFailure.RATE in report.failed.values()
        self.quota.throttled |= rate or isinstance(report.failure, RateThrottled)
        self.quota.is_unauthenticated |= isinstance(report.failure, AuthenticationFailed)
        self.flow.weigh(now, batch, report)
        self.fairness.weigh(now, batch, report)

    def completed(self, batch: Batch, report: CallReport, settled: list[Settled]) -> None:
        """Check what follows from the report of a call: what it settles is answered, the rest waits again."""
        campaign_id, now = batch.campaign_id, self.at.now
        ids = {(campaign_id, token): id_ for token, id_ in report.accepted.items()}
        refusal = self.flow.refusal(report)
        if refusal is not None:
            self.backlog.refuse(campaign_id)
            lasting = not isinstance(report.failure, AccessDenied | AuthenticationFailed)
            self.tokens.refused(now, campaign_id, refusal, lasting=lasting)
            self.notices.refused(campaign_id, held=campaign_id in self.at.holds)
        self.at.purging = campaign_id if batch.purged else ""
        answers = self.answers.settled(settled, ids)
        self.at.purging = ""
        if self.flow.completed(now, batch, report) and campaign_id not in self.at.holds:
            self._flows(campaign_id)
        for entry in batch.entries:
            key = (campaign_id, entry.request.client_token)
            one = self.backlog.get(key)
            if one is None:
                assert key not in ids or answers[key].outcome is Outcome.ACCEPTED
            elif not one.waiters:
                self.answers.vanish(one, ids.get(key, ""))
            else:
                assert key not in ids, "accepted, and not answered"
                self._back(one, batch, report)

    def _back(self, one: Outstanding, batch: Batch, report: CallReport) -> None:
        """Check that a request may wait for another call, and follow whether it is suspected."""
        assert self.at.sending, "waits for a call of a gateway that has stopped to send"
        assert one.give_up_at > self.at.now, "waits although its time is up"
        assert not self.at.holds.get(one.key[0]), "waits although a hold answers what waits"
        assert not batch.purged, "waits although its campaign was purged"
        size, failure = len(batch.entries), report.failure
        throttled = report.failed.get(one.key[1]) in {ItemFailure.RATE, ItemFailure.CAPACITY}
        at_once = throttled or isinstance(failure, _AT_ONCE)
        if isinstance(failure, CallInvalid):
            assert size > 1, "Connect refuses it alone, and it waits"
            one.suspects, one.group = (size + 1) // 2, batch.number
        elif one.suspects and at_once:
            one.suspects, one.group = size, batch.number
        elif one.suspects:
            one.suspects, one.group = 1, batch.number  # after its pause it travels alone
        self.backlog.waits_again(one, self.at.now, at_once=at_once)
        self.answers.part_with_ending(one)

    # --- what to do ------------------------------------------------------------------------------

    def polled(self, decision: Decision, settled: list[Settled]) -> None:
        """Check a decision and the answers that came with it."""
        now = self.at.now
        self.expire()
        self.answers.settled(settled, {})
        for number in decision.granted:
            self.granted(number)
        for number in decision.denied:
            self.denied(number)
        for batch in decision.batches:
            self.called(batch)
        self.flow.asked(now, decision.look_up)
        for name in decision.look_up if self.steady else ():
            assert self.backlog.in_no_call_of(name), "asks for the state of a campaign although nothing waits"
        self.flow.polled(now, self.backlog.surely_waiting)
        self.notices.told(decision.notices, self.at.holds)
        self.wake_at = decision.wake_at

    def expire(self) -> None:
        """Count as waiting no longer what has no time left, before the engine decides."""
        self.backlog.expire(self.at.now)
        self.flow.polled(self.at.now, self.backlog.surely_waiting)

    def looked_up(self, asked: list[str], states: Mapping[str, str], settled: list[Settled]) -> None:
        """Check what follows from the states of campaigns: some flow again, some are refused."""
        changed = self.flow.looked_up(self.at.now, asked, states)
        for campaign_id in changed:
            if states[campaign_id] != RUNNING:
                self.backlog.refuse(campaign_id)
                self.tokens.refused(self.at.now, campaign_id, Fate.REJECTED, lasting=True)
                self.notices.refused(campaign_id, held=campaign_id in self.at.holds)
            elif campaign_id not in self.at.holds:
                self._flows(campaign_id)
        answers = self.answers.settled(settled, {})
        refused = {campaign_id for campaign_id, _ in answers} <= self.tokens.being_refused.keys()
        assert refused or self.at.draining, "a look-up answers requests of a campaign that goes on"

    # --- operators and the end ---------------------------------------------------------------------

    def held(self, campaign_id: str, *, answering: bool) -> None:
        """Note that an operator holds a campaign, or holds it otherwise."""
        self.at.holds[campaign_id] = answering

    def released(self, campaign_id: str, *, was_held: bool) -> None:
        """Check the end of a hold."""
        assert was_held == (self.at.holds.pop(campaign_id, None) is not None)
        if was_held:
            self.notices.released(campaign_id)
            self._flows(campaign_id)

    def dismissed(self, campaign_id: str, reason: Reason, count: int, settled: list[Settled]) -> None:
        """Check that a purge or an answering hold answers all that is in no call, and nothing else."""
        due = {one.key for one in self.backlog.in_no_call_of(campaign_id)}
        owed = sum(len(caller.owed) for caller in self.answers.owed)  # of requests that ended with a stream
        self.at.purging = campaign_id if reason is Reason.PURGED else ""
        answers = self.answers.settled(settled, {})
        self.at.purging = ""
        assert answers.keys() == due, "queued still, or answered too much"
        assert len(due) <= count <= len(due) + owed, "counts too few or too many answered requests"
        assert {answer.reason for answer in answers.values()} <= {reason}

    def drains(self, send_until: float) -> None:
        """Note that the gateway begins to leave."""
        self.at.send_until = send_until

    def abandons(self, unsent: Set[int]) -> None:
        """Note that the gateway drains now: Connect may have what is in calls, except in those `unsent`."""
        self.at.send_until = self.at.now
        for number, call in self.calls.items():
            for entry in call.entries:
                one = self.backlog.outstanding[call.campaign_id, entry.request.client_token]
                self._abandon(one, sent=number not in unsent)
        self.calls.clear()
        self.asking.clear()

    def _abandon(self, one: Outstanding, *, sent: bool) -> None:
        if sent:
            one.must_doubt = one.may_doubt = True
        else:
            self.backlog.returned(one)
        if not one.waiters:
            self.answers.drop(one)

    # --- how ---------------------------------------------------------------------------------------

    def _flows(self, campaign_id: str) -> None:
        self.backlog.flows(campaign_id, self.at.now)
        self.notices.flows(campaign_id)

    def _fates(self, request: DialRequest, one: Outstanding | None, call_rate: float) -> set[Fate]:
        fates = self.tokens.fates(
            self.at.now,
            request,
            one,
            draining=self.at.draining,
            answering_hold=self.at.holds.get(request.campaign_id, False),
        )
        new = Fate.TAKEN in fates and one is None and not request.in_doubt
        if new and self._may_be_late(request, call_rate):
            fates.add(Fate.WOULD_EXPIRE)
        return fates

    def _may_be_late(self, request: DialRequest, call_rate: float) -> bool:
        """Whether all that waits is more than what the calls can carry in the time of a new request."""
        if not self.limits.forecast or not self.limits.call_rate:
            return False
        if self.fairness.anything_missed:
            return True  # doubtful campaigns have few calls
        left_s = self.tokens.give_up_at(request) - self.at.now
        calls = self.backlog.in_no_call / BATCH_LIMIT + len(self.backlog.campaigns)
        return calls > left_s * MARGIN * call_rate - EXACT_S
