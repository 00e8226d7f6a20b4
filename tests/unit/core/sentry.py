"""What the model checks at each call, each poll and each notice: legal, timely, full, paced, honest."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping

from gateway.core.campaigns.notices import Told
from gateway.core.engine import Engine, Limits
from gateway.core.errors import CallHindered, CallInvalid, CampaignNotRunning, RateThrottled
from gateway.core.intake.forecast import MARGIN
from gateway.core.model import (
    Answer,
    Batch,
    CallReport,
    DialRequest,
    FlushReason,
    ItemFailure,
    NoticeKind,
    Outcome,
    Priority,
    Settled,
)
from gateway.core.scheduling.pacing import RETRY_CREDIT
from gateway.core.scheduling.queues import PASSED_OVER_LIMIT, SUSPECT_EVERY_S
from tests.unit.core.book import (
    EXACT_S,
    FULL,
    Book,
    Caller,
    Held,
    Key,
    Place,
)
from tests.unit.core.flow import Flow


class Bucket:
    """A token bucket, to check calls against."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self.tokens, self._rate, self._size, self._at = size, rate, size, now

    def level(self, now: float) -> float:
        """Return what is in the bucket."""
        self.tokens = min(self._size, self.tokens + (now - self._at) * self._rate)
        self._at = now
        return self.tokens

    def take(self, now: float) -> float:
        """Take one out; return what is left, below zero where none was there."""
        self.tokens = self.level(now) - 1.0
        return self.tokens


class Sentry(Book):
    """An engine, and the checks of what comes out of it."""

    def __init__(self, limits: Limits, now: float) -> None:
        super().__init__(limits, now)
        self.engine = Engine(limits, random.Random(1))
        self.calls: dict[int, Batch] = {}
        self.asked: list[int] = []
        self.wake_at: float | None = None
        self.throttled = False
        self.flow = Flow()
        self.look_up: list[str] = []
        self.dropped = 0
        self.missed = False
        self._credit = RETRY_CREDIT
        self._suspects_at: dict[str, float] = {}
        self._passed_over: Counter[tuple[str, Priority]] = Counter()
        self._must_hear: list[tuple[Caller, str]] = []
        self._knowing: set[Caller] = set()
        self._steered: set[str] = set()
        self._refused_under_hold: set[str] = set()
        self._quota = Bucket(limits.call_rate, limits.call_burst, now)
        self._own = Bucket(limits.call_rate, max(limits.call_burst - 1.0, 1.0), now)

    def _fates_at_deadline(self, caller: Caller, key: Key) -> set[Outcome]:
        held = self.held[key]
        others = any(waiter is not caller for waiter, _ in held.waiters)
        if held.place is Place.IN_CALL or others or held.must_doubt:
            return {Outcome.UNKNOWN}
        return {Outcome.NOT_ACCEPTED, Outcome.UNKNOWN} if held.may_doubt else {Outcome.NOT_ACCEPTED}

    def _forget(self, caller: Caller) -> int:
        dropped = 0
        for index, key in caller.waiting.items():
            held = self.held[key]
            held.waiters.remove((caller, index))
            if not held.waiters and held.place is not Place.IN_CALL:
                self.drop(key)
                dropped += 1
        caller.waiting.clear()
        caller.gone = True
        assert not caller.source.pending
        assert not caller.source.queues
        return dropped

    def _take(self, settled: list[Settled], ids: Mapping[Key, str]) -> dict[Key, Answer]:
        told: dict[Key, Answer] = {}
        answered: dict[Key, list[tuple[Caller, int]]] = defaultdict(list)
        for waiter, campaign_id, client_token, answer in settled:
            key = (campaign_id, client_token)
            caller: Caller = waiter.source.owner
            assert not caller.gone
            assert caller.waiting.pop(waiter.index) == key
            caller.answers[waiter.index] = answer
            answered[key].append((caller, waiter.index))
            assert told.setdefault(key, answer) == answer, "who joined shares the answer"
        for key, waiters in answered.items():
            assert Counter(waiters) == Counter(self.held[key].waiters)
            self.settle(key, told[key], ids.get(key, ""))
        return told

    def _back(self, key: Key, batch: Batch, report: CallReport) -> None:
        held, size = self.held[key], len(batch.entries)
        assert self.send_until is None or self.now < self.send_until
        failure, item = report.failure, report.failed.get(key[1])
        throttled = item in {ItemFailure.RATE, ItemFailure.CAPACITY}
        kept = RateThrottled | CallHindered | CampaignNotRunning | CallInvalid
        at_once = throttled or isinstance(failure, kept)
        if isinstance(failure, CallInvalid):
            assert size > 1
            held.suspects, held.group = (size + 1) // 2, batch.number
        elif held.suspects and at_once:
            held.suspects, held.group = size, batch.number
        else:
            held.suspects = 0
        held.place = Place.QUEUED if at_once else Place.BACK
        held.since = self.now

    def _flows(self, campaign_id: str) -> None:
        for held in self.held.values():
            held.since = max(held.since, self.now) if held.request.campaign_id == campaign_id else held.since
        owners = {caller for held in self.held.values() for caller, _ in held.waiters}
        self._must_hear += [(caller, campaign_id) for caller in owners if campaign_id in caller.noticed]

    def _check_refused(self, campaign_id: str) -> None:
        """Check that nothing rests of a campaign that Connect has refused; its answers end what was told."""
        if campaign_id in self.holds:
            self._refused_under_hold.add(campaign_id)
        for caller in self._knowing:
            caller.noticed.pop(campaign_id, None)
        resting = [key for key, held in self.held.items() if held.place is not Place.IN_CALL]
        assert campaign_id not in {campaign for campaign, _ in resting}

    def _may_be_late(self, request: DialRequest, held: Held | None) -> bool:
        """Whether all that waits is more than what the calls can carry in the time of a new request."""
        if held is not None or not self.limits.forecast or not self.limits.call_rate:
            return False
        resting = sum(held.place is not Place.IN_CALL for held in self.held.values())
        left_s = self._give_up_at(request) - self.now
        campaigns = len({key[0] for key in self.held})
        if self.missed:  # what is in doubt has few calls
            return True
        return resting / FULL + campaigns > left_s * MARGIN * self.engine.call_rate - EXACT_S

    def _take_notices(self, notices: list[Told]) -> None:
        """Check that each caller is told once that a campaign does not flow, and once that it does."""
        for source, campaign_id, notice in notices:
            caller: Caller = source.owner
            if notice.kind is NoticeKind.CAMPAIGN_RESUMED:
                assert campaign_id in caller.noticed, "what has resumed for one who knew of nothing"
                held = campaign_id in self.holds
                last = [told.notice.kind for told in notices if told[:2] == (source, campaign_id)][-1]
                assert not held or last is NoticeKind.CAMPAIGN_HELD, "told last that a held campaign flows"
                del caller.noticed[campaign_id]
            else:
                before = caller.noticed.get(campaign_id)
                steered = campaign_id in self._steered or NoticeKind.CAMPAIGN_HELD in {before, notice.kind}
                assert before != notice.kind, "told twice"
                assert before is None or steered, "told of another reason, though nobody did anything"
                caller.noticed[campaign_id] = notice.kind
                self._knowing.add(caller)
        for caller, campaign_id in self._must_hear:
            told_anew = any(
                told.source is caller.source and told.campaign_id == campaign_id for told in notices
            )
            assert caller.gone or campaign_id not in caller.noticed or told_anew, "not told that it flows"
        self._must_hear.clear()
        self._steered.clear()
        self._check_holds_are_told()

    def _check_holds_are_told(self) -> None:
        """Check that whoever waits for a held campaign knows it, but where Connect has refused it since."""
        for (campaign_id, _), held in self.held.items():
            if campaign_id in self.holds and held.place is not Place.IN_CALL:
                assert campaign_id in self._refused_under_hold or all(
                    caller.noticed.get(campaign_id) is NoticeKind.CAMPAIGN_HELD for caller, _ in held.waiters
                ), "waits for a held campaign, and was not told"

    def _waiting(self) -> Counter[str]:
        """Count, by campaign, what surely waits."""
        return Counter(key[0] for key, held in self.held.items() if self._surely_waits(held))

    def _backlog(self) -> Counter[str]:
        """Count, by campaign, what surely waits for a call in company."""
        return Counter(
            key[0] for key, held in self.held.items() if self._surely_waits(held) and not held.suspects
        )

    def _surely_waits(self, held: Held) -> bool:
        return held.place is Place.QUEUED and held.give_up_at > self.now

    def _spend(self) -> None:
        if self.limits.call_rate:
            assert self._quota.take(self.now) > -1e-3, "more calls than burst and rate allow"
            self._own.take(self.now)

    def _check_call(self, batch: Batch, backlog: Counter[str]) -> None:
        keys = {(entry.request.campaign_id, entry.request.client_token) for entry in batch.entries}
        assert 1 <= len(keys) == len(batch.entries) <= FULL
        assert {campaign for campaign, _ in keys} == {batch.campaign_id}
        assert batch.attempts_left >= 1
        assert batch.number not in self.calls
        assert batch.campaign_id not in self.holds, "a call for a campaign that is held"
        suspects = batch.flush is FlushReason.SUSPECT
        if suspects:
            self._suspects_at[batch.campaign_id] = self.now
        elif backlog[batch.campaign_id] >= FULL and batch.campaign_id not in self.flow.kept:
            assert len(keys) == FULL, "a call is not full under backlog"
        self.flow.called(self.now, batch)
        assert len({self.held[key].group for key in keys if self.held[key].suspects}) <= 1
        for entry in batch.entries:
            key = (entry.request.campaign_id, entry.request.client_token)
            held = self.held[key]
            assert entry.request is held.request
            assert held.place is not Place.IN_CALL, "a token in two calls"
            assert bool(held.suspects) is suspects, "a suspect among others"
            assert not suspects or len(keys) <= held.suspects
            assert batch.give_up_at <= held.give_up_at
            assert held.give_up_at > self.now, "sent too late"
            backlog[batch.campaign_id] -= held.place is Place.QUEUED and not suspects
            held.place = Place.IN_CALL
        if not suspects:
            self._check_passed_over(batch)
        self.calls[batch.number] = batch
        assert len(self.calls) <= self.limits.concurrent_calls

    def _check_rest(self) -> None:
        """Check what a poll left undone: nothing that was due, and the instant named is honest."""
        wake_at, limits = self.wake_at, self.limits
        assert wake_at is None or wake_at > self.now, "would be asked again at once, for nothing"
        resting = [held for held in self.held.values() if held.place is not Place.IN_CALL]
        sending = self.send_until is None or self.now < self.send_until
        assert sending or not resting
        if self.send_until is not None:
            assert not any(held.request.campaign_id in self.holds for held in resting)
        if resting:
            assert wake_at is not None
            assert self.now < min(held.give_up_at for held in resting)
            assert wake_at <= min(held.give_up_at for held in resting)
        if sending and self.flow.overdue_look(self.now):
            assert self.now < self.flow.looked_at + 0.5, "nobody asks for the state of a parked campaign"
        if sending and self.asked:
            self._check_no_permit()
        elif sending and len(self.calls) < limits.concurrent_calls:
            self._check_ready()

    def _check_passed_over(self, batch: Batch) -> None:
        """Check that no priority that waits is passed over for ever; two may be overdue at a time."""
        taken = {self.held[batch.campaign_id, e.request.client_token].priority for e in batch.entries}
        waiting = {
            held.priority
            for key, held in self.held.items()
            if key[0] == batch.campaign_id and self._surely_waits(held) and not held.suspects
        }
        for priority in Priority:
            place = (batch.campaign_id, priority)
            waits = priority in waiting - taken
            self._passed_over[place] = self._passed_over[place] + 1 if waits else 0
            assert self._passed_over[place] <= PASSED_OVER_LIMIT + 1

    def _check_ready(self) -> None:
        """Check that nothing ready was left for want of anything but a permit, now or at `wake_at`.

        A campaign that does not flow is no excuse for another.
        """
        full = {campaign for campaign, count in self._backlog().items() if count >= FULL}
        asleep_until = self.wake_at or self.now
        for key, held in self.held.items():
            if (
                key[0] not in self.holds
                and held.place is Place.QUEUED
                and self.flow.must_probe(key[0], self.now)
            ):
                due = held.since + self.limits.linger_s
                if held.suspects:
                    due = max(self.now, self._suspects_at.get(key[0], 0.0) + SUSPECT_EVERY_S)
                ready = not held.suspects and (key[0] in full or self.send_until is not None)
                if ready or due <= self.now or due < asleep_until:
                    self._check_no_permit()
                    return

    def _check_no_permit(self) -> None:
        """Check that what is ready waits for want of a permit, and for no longer than that takes."""
        assert self.wake_at is not None
        if self.throttled:
            return
        assert self.limits.call_rate, "no limit, and still not sent"
        level = self._own.level(self.now)
        assert level < 1.0, "a permit was there"
        assert self.wake_at <= self.now + (1.0 - level) / self.limits.call_rate + EXACT_S
