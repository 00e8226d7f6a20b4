"""A model beside the engine: sees all that goes in and comes out, and checks the promises on the way.

It knows nothing of how the engine works. What only a look inside would tell, such as the length of
a random pause, it leaves open.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping

from gateway.core.engine import JOIN_BYTES, Engine, Limits
from gateway.core.errors import AccessDenied, CallInvalid, CampaignNotFound, CampaignNotRunning, RateThrottled
from gateway.core.model import (
    Answer,
    Batch,
    CallReport,
    DialRequest,
    FlushReason,
    Outcome,
    Settled,
    Waiter,
)
from tests.unit.core.book import EXACT_S, FULL, INVALID, Book, Caller, Key, Place, told_of


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


class Watcher(Book):
    """An engine with every promise checked at every step."""

    def __init__(self, limits: Limits, now: float) -> None:
        super().__init__(limits, now)
        self.engine = Engine(limits, random.Random(1))
        self.calls: dict[int, Batch] = {}
        self.asked: list[int] = []
        self.wake_at: float | None = None
        self.throttled = False
        self._quota = Bucket(limits.call_rate, limits.call_burst, now)
        self._own = Bucket(limits.call_rate, max(limits.call_burst - 1.0, 1.0), now)

    # --- events ----------------------------------------------------------------------------------

    def submit(self, caller: Caller, request: DialRequest, *, valid: bool) -> None:
        """Send a dial request: it is answered, joined or taken in as promised."""
        key = (request.campaign_id, request.client_token)
        index = caller.sent
        caller.sent += 1
        allowed = self.allowed(key, request) if valid else {INVALID}
        answer = self.engine.submit(self.now, Waiter(caller.source, index), request)
        assert told_of(answer) in allowed, f"{told_of(answer)}, not one of {allowed}"
        if answer is not None:
            caller.answers[index] = answer
            if answer.outcome is Outcome.ACCEPTED:
                assert answer.replayed
                assert answer.dial_request_id == self.memory[key].dial_request_id
            return
        caller.waiting[index] = key
        if key in self.held:
            self.held[key].waiters.append((caller, index))
        else:
            self.hold(key, request, (caller, index))

    def close(self, caller: Caller) -> None:
        """Half-close."""
        caller.closed = True
        self.engine.source_closed(caller.source)

    def leave(self, caller: Caller) -> None:
        """Disconnect: what nobody else waits for is dropped, unless it is in a call."""
        assert self.engine.leave(self.now, caller.source) == self._forget(caller)

    def withdraw(self, caller: Caller) -> None:
        """Have everything answered at once, truly."""
        waiting = dict(caller.waiting)
        allowed = {key: self._fates_at_deadline(caller, key) for key in waiting.values()}
        told = {
            waiter.index: answer for waiter, _, _, answer in self.engine.withdraw(self.now, caller.source)
        }
        assert told.keys() == waiting.keys()
        self._forget(caller)
        for index, key in waiting.items():
            assert told[index].outcome in allowed[key]
        caller.answers.update(told)

    def complete(self, batch: Batch, report: CallReport) -> None:
        """End a call: what it settles is answered truly, the rest waits again."""
        del self.calls[batch.number]
        keys = [(batch.campaign_id, entry.request.client_token) for entry in batch.entries]
        for key in keys:
            self.weigh(self.held[key], report)
        self.throttled |= isinstance(report.failure, RateThrottled)
        ids = {(batch.campaign_id, token): id_ for token, id_ in report.accepted.items()}
        told = self._take(self.engine.completed(self.now, batch, report), ids)
        self.note_refusal(batch.campaign_id, report)
        if isinstance(report.failure, CampaignNotFound | CampaignNotRunning | AccessDenied):
            resting = [key for key, held in self.held.items() if held.place is not Place.IN_CALL]
            assert batch.campaign_id not in {campaign for campaign, _ in resting}
        for key in keys:
            if key in self.held and not self.held[key].waiters:
                self.vanish(key, ids.get(key, ""))
            elif key in self.held:
                assert key not in ids
                self._back(key, report, split=len(keys) > 1)
            else:
                assert key not in ids or told[key].outcome is Outcome.ACCEPTED

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of another attempt."""
        self.asked.append(batch.number)
        self.engine.ask_retry(batch)

    def forget_retry(self, batch: Batch) -> None:
        """Ask no more."""
        self.asked.remove(batch.number)
        self.engine.forget_retry(batch)

    def drain(self, send_until: float) -> None:
        """Begin to leave."""
        self.send_until = send_until
        self.engine.drain(send_until)

    def abandon(self) -> None:
        """Leave now: everybody is answered, and nothing of the calls under way is believed."""
        for key, held in list(self.held.items()):
            if held.place is Place.IN_CALL:
                held.must_doubt = held.may_doubt = True
                if not held.waiters:
                    self.drop(key)
        self._take(self.engine.abandon(self.now), {})
        assert not self.held
        for batch in self.calls.values():
            assert self.engine.completed(self.now, batch, CallReport()) == []
        self.calls.clear()
        self.asked.clear()

    def poll(self) -> None:
        """Poll: legal, timely, full and paced calls come out, and the next instant is honest."""
        backlog = self._backlog()
        decision = self.engine.poll(self.now)
        self._take(decision.settled, {})
        for number in decision.granted:
            self.asked.remove(number)
            self._spend()
        for batch in decision.batches:
            self._check_call(batch, backlog)
            self._spend()
        self.wake_at = decision.wake_at
        self._check_rest()

    # --- what must hold after every step ------------------------------------------------------------

    def check_books(self, callers: list[Caller]) -> None:
        """What is held, by count, by bytes and by caller, is what was not answered yet."""
        joins = sum(max(0, len(held.waiters) - 1) for held in self.held.values())
        assert self.engine.held == len(self.held) + joins
        assert self.engine.held_bytes == self.held_bytes + joins * JOIN_BYTES
        assert self.engine.room() <= self.limits.queue_limit - self.engine.held
        assert self.engine.calls_in_flight == len(self.calls)
        assert self.engine.draining == (self.send_until is not None)
        for caller in callers:
            assert caller.source.pending.keys() == caller.waiting.keys()
            if not caller.gone:
                assert len(caller.answers) + len(caller.waiting) == caller.sent

    # --- how ---------------------------------------------------------------------------------------

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

    def _back(self, key: Key, report: CallReport, *, split: bool) -> None:
        held = self.held[key]
        assert self.send_until is None or self.now < self.send_until
        throttled = isinstance(report.failure, RateThrottled)
        held.alone = (split and isinstance(report.failure, CallInvalid)) or (held.alone and throttled)
        at_once = held.alone or throttled
        held.place = Place.QUEUED if at_once else Place.BACK
        held.since = self.now

    def _backlog(self) -> Counter[str]:
        """Count, by campaign, what surely waits for a call in company."""
        return Counter(
            key[0]
            for key, held in self.held.items()
            if held.place is Place.QUEUED and not held.alone and held.give_up_at > self.now
        )

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
        if batch.flush is FlushReason.ALONE:
            assert len(keys) == 1
        elif backlog[batch.campaign_id] >= FULL:
            assert len(keys) == FULL, "a call is not full under backlog"
        for entry in batch.entries:
            key = (entry.request.campaign_id, entry.request.client_token)
            held = self.held[key]
            assert entry.request is held.request
            assert held.place is not Place.IN_CALL, "a token in two calls"
            assert held.alone <= (len(keys) == 1)
            assert batch.give_up_at <= held.give_up_at
            assert held.give_up_at > self.now, "sent too late"
            backlog[batch.campaign_id] -= held.place is Place.QUEUED and not held.alone
            held.place = Place.IN_CALL
        self.calls[batch.number] = batch
        assert len(self.calls) <= self.limits.concurrent_calls

    def _check_rest(self) -> None:
        """Check what a poll left undone: nothing that was due, and the instant named is honest."""
        wake_at, limits = self.wake_at, self.limits
        assert wake_at is None or wake_at > self.now, "would be asked again at once, for nothing"
        resting = [held for held in self.held.values() if held.place is not Place.IN_CALL]
        sending = self.send_until is None or self.now < self.send_until
        assert sending or not resting
        if resting:
            assert wake_at is not None
            assert self.now < min(held.give_up_at for held in resting)
            assert wake_at <= min(held.give_up_at for held in resting)
        if sending and self.asked:
            self._check_no_permit()
        elif sending and len(self.calls) < limits.concurrent_calls:
            self._check_ready()

    def _check_ready(self) -> None:
        """Check that nothing ready was left for want of anything but a permit, now or at `wake_at`."""
        full = {campaign for campaign, count in self._backlog().items() if count >= FULL}
        asleep_until = self.wake_at or self.now
        for key, held in self.held.items():
            if held.place is Place.QUEUED:
                due = held.since + self.limits.linger_s
                ready = held.alone or key[0] in full or self.send_until is not None
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
