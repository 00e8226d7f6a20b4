"""The door to the core: the shell tells it every event and asks it what to do now.

`submit`, `source_closed`, `leave`, `withdraw`, `completed`, `ask_retry`, `drain` and `abandon` tell
it what has happened; `poll` returns what to do, and when to ask again at the latest. Every answer
comes out of exactly one of them, once for each dial request that went in.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from gateway.core import settle
from gateway.core.errors import RateThrottled
from gateway.core.ledger import Ledger
from gateway.core.model import (
    Answer,
    Batch,
    CallReport,
    DialRequest,
    Entry,
    EntryState,
    FlushReason,
    Reason,
    Settled,
    Source,
    Waiter,
    told,
)
from gateway.core.pacing import Pacer
from gateway.core.scheduler import EXPIRY_SLICE, Scheduler
from gateway.core.validate import is_past, problem_with

SEND_MARGIN_S = 0.05
"""Seconds between the decision for a call and its bytes on the wire, kept off the expiry."""
ENTRY_BYTES, ATTRIBUTE_BYTES, JOIN_BYTES = 860, 90, 250
"""Memory that a held request, and each of its attributes, takes beside its size on the wire, and one
that has joined another: measured on CPython 3.11 with benchmarks/memory.py."""


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


@dataclass(slots=True)
class Decision:
    """What the shell must do now: start calls, let retries go, tell answers, ask again."""

    batches: list[Batch] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    wake_at: float | None = None


class Engine:
    """The whole core, behind one object. Not thread-safe; nothing in it waits."""

    def __init__(self, limits: Limits, rng: random.Random) -> None:
        self._limits = limits
        self._rng = rng
        self._ledger = Ledger(limits.replay_window_s, limits.replay_limit)
        self._scheduler = Scheduler(limits.linger_s)
        self._pacer = Pacer(limits.call_rate, limits.call_burst)
        self._calls: dict[int, Batch] = {}
        self._retries: deque[int] = deque()
        self._refusals: dict[str, tuple[float, settle.Refusal]] = {}
        self._last_number = 0
        self._send_until: float | None = None
        self.held = 0
        self.held_bytes = 0

    # --- what has happened ---------------------------------------------------------------------

    def submit(self, now: float, waiter: Waiter, request: DialRequest) -> Answer | None:
        """Take a dial request; return its answer where that is known already.

        With None the answer will come out of another method, once.
        """
        problem = problem_with(request)
        if problem is not None:
            return settle.rejected(Reason.INVALID_REQUEST, problem)
        entry = self._ledger.held(request.campaign_id, request.client_token)
        if entry is None:
            return self._submit_new(now, waiter, request)
        if not request.same_dial(entry.request):
            return settle.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
        if entry.waiters:
            self.held += 1
            self.held_bytes += JOIN_BYTES
        entry.waiters.append(waiter)
        waiter.source.pending[waiter.index] = entry
        return None

    def source_closed(self, source: Source) -> None:
        """Note that a source will send no more."""
        self._scheduler.source_closed(source)

    def leave(self, now: float, source: Source) -> int:
        """Forget a source that is gone; return how many requests were dropped unsent.

        What others joined stays theirs; what is under way ends, and is remembered.
        """
        entries = dict.fromkeys(source.pending.values())
        return sum(self._detach(now, entry, source) for entry in entries)

    def withdraw(self, now: float, source: Source) -> list[Settled]:
        """Answer a source at once, as its deadline is near, and forget it.

        What waits for nobody else is dropped unsent, so NOT_ACCEPTED is true of it.
        """
        settled = []
        for entry in dict.fromkeys(source.pending.values()):
            waiters = [waiter for waiter in entry.waiters if waiter.source is source]
            dropped = self._detach(now, entry, source) and not entry.tainted
            settled += [told(waiter, entry.request, _at_deadline(entry, dropped)) for waiter in waiters]
        return settled

    def completed(self, now: float, batch: Batch, report: CallReport) -> list[Settled]:
        """Take the report of a call; return the answers that follow from it."""
        if self._calls.pop(batch.number, None) is None:
            return []  # abandoned: everybody has been answered
        self._learn_pace(now, report)
        refusal = settle.refusal_of(report.failure)
        settled: list[Settled] = []
        for entry in batch.entries:
            if refusal is not None:
                entry.attempts += report.attempts
                entry.tainted |= report.uncertain
                self._settle(now, entry, refusal.answer(entry), report.trace_id, settled)
            else:
                self._apply(now, entry, batch, report, settled)
        if refusal is not None:
            self._refuse_campaign(now, batch.campaign_id, refusal, report.trace_id, settled)
        return settled

    def ask_retry(self, batch: Batch) -> None:
        """Ask for the permit of one more attempt of a call; `poll` grants it by its number."""
        self._retries.append(batch.number)

    def forget_retry(self, batch: Batch) -> None:
        """Take back what `ask_retry` asked for and nobody waits for any more."""
        if batch.number in self._retries:
            self._retries.remove(batch.number)

    def drain(self, send_until: float) -> None:
        """Begin to leave: linger no more, and answer at `send_until` what has not been sent."""
        self._send_until = send_until
        self._scheduler.drain()

    def abandon(self, now: float) -> list[Settled]:
        """Answer everything that is held, calls under way included; the gateway leaves now."""
        settled: list[Settled] = []
        for entry in self._ledger.everything_held():
            entry.tainted |= entry.state is EntryState.IN_FLIGHT
            self._take_out_of_queue(entry)
            self._settle(now, entry, settle.given_up(entry, Reason.DRAINING), "", settled)
        self._calls.clear()
        self._retries.clear()
        return settled

    # --- what to do ------------------------------------------------------------------------------

    def poll(self, now: float) -> Decision:
        """Return what to do at `now`, and when to ask again if nothing happens until then."""
        decision = Decision()
        for entry in self._scheduler.advance(now):
            self._settle(now, entry, settle.expired(entry), "", decision.settled)
        if self._send_until is not None and now >= self._send_until:
            self._stop_sending(now, decision.settled)
        else:
            self._spend_permits(now, decision)
        decision.wake_at = self._deadline(now)
        return decision

    def room(self) -> int:
        """How many more dial requests may be taken in; 0 or less where the gateway is full."""
        if self.held_bytes >= self._limits.queue_bytes:
            return 0
        return self._limits.queue_limit - self.held

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
        return self._ledger.remembered

    @property
    def call_rate(self) -> float:
        """The rate of calls that is kept now, in calls a second; 0 for no limit."""
        return self._pacer.rate

    # --- how -------------------------------------------------------------------------------------

    def _submit_new(self, now: float, waiter: Waiter, request: DialRequest) -> Answer | None:
        memory = self._ledger.recall(now, request.campaign_id, request.client_token)
        if memory is not None and memory.fingerprint != request.fingerprint():
            return settle.rejected(Reason.TOKEN_CONFLICT, _CONFLICT)
        if memory is not None and memory.accepted:
            return settle.replayed(memory.dial_request_id, memory.trace_id)
        problem = is_past(request, now)
        if problem is not None and memory is None:
            return settle.rejected(Reason.INVALID_REQUEST, problem)
        entry = Entry(request, self._give_up_at(request), [waiter], tainted=memory is not None)
        if self._send_until is not None:
            return settle.given_up(entry, Reason.DRAINING)
        refusal = self._refusal(now, request.campaign_id)
        if refusal is not None:
            return refusal.answer(entry)
        if entry.give_up_at <= now:
            return settle.expired(entry)
        self._hold(entry, waiter)
        self._scheduler.push(now, entry)
        return None

    def _give_up_at(self, request: DialRequest) -> float:
        return request.expires_at - self._limits.expiry_headroom_s - SEND_MARGIN_S

    def _hold(self, entry: Entry, waiter: Waiter) -> None:
        self._ledger.hold(entry)
        waiter.source.pending[waiter.index] = entry
        self.held += 1
        self.held_bytes += _memory_of(entry.request)

    def _release(self, entry: Entry) -> None:
        self._ledger.release(entry)
        entry.state = EntryState.SETTLED
        joins = max(0, len(entry.waiters) - 1)
        self.held -= 1 + joins
        self.held_bytes -= _memory_of(entry.request) + joins * JOIN_BYTES

    def _settle(
        self, now: float, entry: Entry, answer: Answer, trace_id: str, settled: list[Settled]
    ) -> None:
        """Settle an entry that stands in no queue: remember it and answer all who wait for it."""
        answer.trace_id = trace_id
        self._release(entry)
        self._ledger.remember(now, entry.request, answer)
        for waiter in entry.waiters:
            del waiter.source.pending[waiter.index]
            settled.append(told(waiter, entry.request, answer))

    def _take_out_of_queue(self, entry: Entry) -> None:
        if entry.state in {EntryState.WAITING, EntryState.DELAYED}:
            self._scheduler.remove(entry)

    def _detach(self, now: float, entry: Entry, source: Source) -> bool:
        """Take a source off an entry; return whether the entry was dropped unsent for it."""
        stay = [waiter for waiter in entry.waiters if waiter.source is not source]
        for waiter in entry.waiters:
            if waiter.source is source:
                del source.pending[waiter.index]
        joins = len(entry.waiters) - max(1, len(stay))
        self.held -= joins
        self.held_bytes -= joins * JOIN_BYTES
        entry.waiters = stay
        if entry.state is EntryState.IN_FLIGHT:
            return False
        if not entry.waiters:
            self._drop(now, entry)
            return True
        if entry.queue is not None and entry.queue.source is source:
            self._scheduler.refile(now, entry)
        return False

    def _drop(self, now: float, entry: Entry) -> None:
        self._take_out_of_queue(entry)
        self._release(entry)
        if entry.tainted:
            fate = settle.unknown(entry, Reason.CONNECT_ERROR, "")
            self._ledger.remember(now, entry.request, fate)

    def _learn_pace(self, now: float, report: CallReport) -> None:
        if isinstance(report.failure, RateThrottled):
            self._pacer.throttled(now, report.started_at)
        elif report.failure is None:
            self._pacer.succeeded()

    def _apply(
        self, now: float, entry: Entry, batch: Batch, report: CallReport, settled: list[Settled]
    ) -> None:
        verdict = settle.judge(
            entry,
            report,
            alone=len(batch.entries) == 1,
            max_attempts=self._limits.max_attempts,
            rng=self._rng,
        )
        if isinstance(verdict, Answer):
            self._settle(now, entry, verdict, report.trace_id, settled)
        elif not entry.waiters:
            self._drop(now, entry)
        elif self._send_until is not None and now >= self._send_until:
            self._settle(now, entry, settle.given_up(entry, Reason.DRAINING), "", settled)
        elif entry.give_up_at <= now:
            self._settle(now, entry, settle.expired(entry), "", settled)
        else:
            entry.alone |= verdict.alone
            if verdict.delay_s > 0:
                self._scheduler.delay(entry, now + verdict.delay_s)
            else:
                self._scheduler.push(now, entry)

    def _refuse_campaign(
        self, now: float, campaign_id: str, refusal: settle.Refusal, trace_id: str, settled: list[Settled]
    ) -> None:
        for entry in self._ledger.held_in(campaign_id):
            if entry.state is not EntryState.IN_FLIGHT:
                self._take_out_of_queue(entry)
                self._settle(now, entry, refusal.answer(entry), trace_id, settled)
        if refusal.lasts_s > 0:
            self._refusals.pop(campaign_id, None)  # entered anew, at the end
            self._refusals[campaign_id] = (now + refusal.lasts_s, refusal)

    def _refusal(self, now: float, campaign_id: str) -> settle.Refusal | None:
        while self._refusals:  # entered in the order of their ends: the first ends first
            oldest = next(iter(self._refusals))
            if self._refusals[oldest][0] > now:
                break
            del self._refusals[oldest]
        known = self._refusals.get(campaign_id)
        return known[1] if known else None

    def _spend_permits(self, now: float, decision: Decision) -> None:
        while self._retries and self._pacer.take(now):
            decision.granted.append(self._retries.popleft())
        while self._may_call() and self._pacer.ready_at(now) <= now and len(decision.settled) < EXPIRY_SLICE:
            batch = self._form(now, decision.settled)
            if batch is not None:
                self._pacer.take(now)
                decision.batches.append(batch)

    def _may_call(self) -> bool:
        free = len(self._calls) < self._limits.concurrent_calls
        return free and not self._retries and self._scheduler.has_ready

    def _form(self, now: float, settled: list[Settled]) -> Batch | None:
        """Form the next batch; None where all that was taken for it has expired."""
        taken, flush = self._scheduler.form(now)
        entries = [entry for entry in taken if entry.give_up_at > now]
        if len(entries) < len(taken):  # a flood of expiries is worked off in slices, and is not done yet
            for entry in taken:
                if entry.give_up_at <= now:
                    self._settle(now, entry, settle.expired(entry), "", settled)
        if not entries:
            return None
        self._last_number += 1
        batch = Batch(
            number=self._last_number,
            campaign_id=entries[0].request.campaign_id,
            entries=entries,
            flush=flush,
            formed_at=now,
            give_up_at=min(entry.give_up_at for entry in entries),
            attempts_left=self._limits.max_attempts - max(entry.strikes for entry in entries),
        )
        self._calls[batch.number] = batch
        return batch

    def _stop_sending(self, now: float, settled: list[Settled]) -> None:
        for entry in self._ledger.everything_held():
            if entry.state is not EntryState.IN_FLIGHT:
                self._take_out_of_queue(entry)
                self._settle(now, entry, settle.given_up(entry, Reason.DRAINING), "", settled)

    def _deadline(self, now: float) -> float | None:
        instants = [self._scheduler.deadline()]
        if self._send_until is not None and now >= self._send_until:
            return instants[0]  # nothing is sent any more, also no further attempt
        if self._retries or self._may_call():
            instants.append(self._pacer.ready_at(now))
        instants.append(self._send_until)
        return min((instant for instant in instants if instant is not None), default=None)


def _memory_of(request: DialRequest) -> int:
    return ENTRY_BYTES + ATTRIBUTE_BYTES * len(request.attributes) + request.size_bytes


def _at_deadline(entry: Entry, dropped: bool) -> Answer:
    if dropped:
        return settle.given_up(entry, Reason.DEADLINE)
    text = "the deadline of the call came first, and Amazon Connect may get the request"
    return settle.unknown(entry, Reason.DEADLINE, text)


_CONFLICT = "client_token: in use, or accepted before, with another phone number or other attributes"

__all__ = ["Decision", "Engine", "FlushReason", "Limits"]
