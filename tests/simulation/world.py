"""The world of a simulation: an event loop on a clock of its own, around one engine and one Connect."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.core import answers
from gateway.core.campaigns.conditions import BLIND_FOR_S
from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.errors import CallFailure, CallTransient, RateThrottled
from gateway.core.model import BATCH_LIMIT, Answer, Batch, CallReport, DialRequest, Priority, Settled, Waiter
from tests.simulation.connect_model import Connect, Reply
from tests.simulation.promises import EXACT_S, Book, Caller

RETRY_SHARE, RETRY_CREDIT = 0.2, 10.0
LOOKS_APART_S = 0.5
WARM_S = 1.0
"""Seconds without a call after which the next ones are slow to arrive."""
COUNTED = 2000
"""So many held at most are counted at every step."""
SLICE_S = 0.0005
"""Seconds that a slice of long work takes."""
LONGEST_WORK = 20_000
"""Units of work, more than any world has, that may be done in slices without a rest."""
PHONE = "+12065550100"


@dataclass(slots=True)
class Call:
    """A call under way, as the caller with its retries sees it."""

    batch: Batch
    attempts: int = 0
    counted_attempts: int = 0
    uncertain: bool = False
    started_at: float = 0.0
    last: CallFailure | None = None


class Told(NamedTuple):
    """One answer: when, to whom, after how long, for which campaign."""

    at: float
    caller: Caller
    waited_s: float
    campaign_id: str
    token: str
    answer: Answer


@dataclass(eq=False)
class World:
    """Lets things happen in the order of their instants, and checks every promise after each."""

    limits: Limits
    connect: Connect
    rng: random.Random
    latency_s: float = 0.03
    may_look: bool = True
    look_up_fails: float = 0.0
    now: float = 0.0
    told: list[Told] = field(default_factory=list)
    trace: deque[tuple[object, ...]] = field(default_factory=lambda: deque(maxlen=60))

    def __post_init__(self) -> None:
        self.engine = Engine(self.limits, random.Random(self.rng.random()))
        self.book = Book(self.limits, self.connect)
        self.calls: dict[int, Call] = {}
        self.throttled = False
        self.wake_at: float | None = None
        self.send_until: float | None = None
        self.dropped = self._slices = 0
        self.gone: list[Caller] = []
        self._asking: dict[int, Call] = {}
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = 0
        self._firsts = self._retries = 0
        self._looked_at = float("-inf")
        self._blind_until = 0.0
        limits, bucket = self.limits, self.connect.bucket
        # And the burst exceeds what may be under way.
        self._quota_as_set = 0.0 < limits.call_rate <= bucket.rate and (
            limits.concurrent_calls < limits.call_burst <= bucket.burst
        )
        self._warm_until = float("-inf")
        self._connected_at = 0.0
        self._sent_at: dict[tuple[Caller, int], float] = {}

    # --- time --------------------------------------------------------------------------------------

    def at(self, instant: float, event: Callable[..., object], *args: Any) -> None:
        """Let something happen at `instant`, or now where that is past."""
        self._order += 1
        heapq.heappush(self._events, (max(instant, self.now), self._order, event, args))

    def run(self, until: float) -> None:
        """Let everything happen that does so until then."""
        while True:
            instants = (self._events[0][0] if self._events else None, self.wake_at)
            upcoming = min((instant for instant in instants if instant is not None), default=None)
            if upcoming is None or upcoming > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, upcoming)
            while self._events and self._events[0][0] <= self.now:
                _, _, event, args = heapq.heappop(self._events)
                event(*args)
            self.poll()

    # --- callers -----------------------------------------------------------------------------------

    def submit(self, caller: Caller, request: DialRequest, priority: Priority = Priority.NORMAL) -> None:
        """Send a dial request, if the caller is still there and the gateway has room."""
        if caller.gone or caller.closed or self.engine.room() <= 0:
            return
        waiter = Waiter(caller.source, caller.sent)
        caller.sent += 1
        told = self.engine.submit(self.now, [(waiter, request)], priority)
        answer = told[0].answer if told else None
        self.trace.append((self.now, "submit", caller.name, request, priority.name, answer))
        self.book.submitted(self.now, (caller, waiter.index), request, priority, answer)
        if answer is None:
            self._sent_at[caller, waiter.index] = self.now
        else:
            caller.answers[waiter.index] = answer
            self.told.append(Told(self.now, caller, 0.0, request.campaign_id, request.client_token, answer))

    def close(self, caller: Caller) -> None:
        """Half-close."""
        self.trace.append((self.now, "close", caller.name))
        caller.closed = True
        self.engine.source_closed(self.now, caller.source)

    def leave(self, caller: Caller) -> None:
        """Disconnect."""
        self.trace.append((self.now, "leave", caller.name))
        self.engine.leave(self.now, caller.source)
        self.dropped += self.book.left(self.now, caller)
        self.gone.append(caller)

    def withdraw(self, caller: Caller) -> None:
        """Let the deadline of a unary call come."""
        self.trace.append((self.now, "withdraw", caller.name))
        told: list[Settled] = []
        while caller.source.pending:
            told += self.engine.withdraw(self.now, caller.source, limit=self.limits.slice_units)
        self.book.withdrawn(self.now, caller, told)
        self.engine.leave(self.now, caller.source)

    def hold(self, campaign_id: str, *, answering: bool) -> None:
        """Hold a campaign."""
        self.trace.append((self.now, "hold", campaign_id, answering))
        self.engine.operator_actions.hold(self.now, campaign_id, Hold("me", "", self.now, answering))
        self.book.holds[campaign_id] = answering
        if answering:
            self._dismiss(campaign_id, answers.HELD)

    def release(self, campaign_id: str) -> None:
        """Release a campaign, if it is held."""
        self.trace.append((self.now, "release", campaign_id))
        action = OperatorAction(ActionKind.RELEASE, "me", "", self.now)
        held = self.book.holds.pop(campaign_id, None) is not None
        assert self.engine.operator_actions.release(self.now, campaign_id, action) == held
        self.book.steered.add(campaign_id)

    def purge(self, campaign_id: str) -> None:
        """Purge a campaign."""
        self.trace.append((self.now, "purge", campaign_id))
        self.book.purging = campaign_id
        self._dismiss(campaign_id, answers.PURGED)
        self.book.purging = ""

    def _dismiss(self, campaign_id: str, refusal: answers.CampaignRefusal) -> None:
        entries = self.engine.operator_actions.resting(campaign_id)
        count, settled = self.engine.operator_actions.dismiss(self.now, entries, refusal)
        assert count == len(entries) or self.engine.unfinished
        self._keep(settled)
        left = [held for key, held in self.book.held.items() if key[0] == campaign_id]
        assert all(held.in_call for held in left), "queued still"

    def drain(self, grace_s: float) -> None:
        """Begin to leave."""
        self.trace.append((self.now, "drain", grace_s))
        self.book.draining = True
        self.send_until = self.now + grace_s
        self.engine.drain(self.now, self.send_until)

    def abandon(self) -> None:
        """Leave now."""
        self.trace.append((self.now, "abandon"))
        self.book.draining = True
        for held in self.book.held.values():
            if held.in_call:
                self.book.doubt.add((held.request.campaign_id, held.request.client_token))
        self.book.settled(self.now, self.engine.abandon(self.now))
        while self.engine.unfinished:
            self.book.settled(self.now, self.engine.work_off(self.now))
        self._events.clear()

    # --- the shell ---------------------------------------------------------------------------------

    def poll(self) -> None:
        """Ask the engine what to do, check it, and do it, until nothing new comes of it."""
        while self._turn():
            pass
        again = self.wake_at is not None and self.wake_at <= self.now
        assert again or not self.engine.unfinished, "asleep over unfinished work"
        self._slices = self._slices + 1 if again else 0
        if again and self._slices * self.limits.slice_units < LONGEST_WORK:
            self.wake_at = self.now + SLICE_S  # the shell's time: other things happen meanwhile
        else:
            self._check_rest()

    def _turn(self) -> bool:
        """Do what the engine decides once; return whether calls have ended by that."""
        decision = self.engine.poll(self.now)
        self._keep(decision.settled)
        self.book.noticed(decision.notices)
        self.book.steered.clear()
        under_way = len(self.calls)
        self._decide_retries(decision)
        for batch in decision.batches:
            self.trace.append(
                (self.now, "call", batch.number, batch.campaign_id, batch.flush.name, len(batch.entries))
            )
            self._firsts += 1
            self.book.formed(self.now, batch)
            call = self.calls[batch.number] = Call(batch)
            self._send(call)
        if decision.look_up:
            self._look_up(decision.look_up)
        self.wake_at = decision.wake_at
        return under_way > len(self.calls) - len(decision.batches)

    def _decide_retries(self, decision: Decision) -> None:
        for number in decision.granted:
            call = self._asking.pop(number)
            self._retries += 1
            assert self._retries <= RETRY_CREDIT + RETRY_SHARE * self._firsts + EXACT_S, "too many retries"
            if self.now < call.batch.give_up_at:
                self.book.may_send(self.now, call.batch)
                self._send(call)
            else:
                self.book.permit_lost(self.now)  # its time came while it waited for the permit
                self._end(call, Reply({}, {}, call.last))
        for number in decision.denied:
            call = self._asking.pop(number)
            self._end(call, Reply({}, {}, call.last))

    def _send(self, call: Call) -> None:
        call.attempts += 1
        call.started_at = self.now
        if self.now > self._warm_until:  # connections must be opened first
            self._connected_at = self.now + self.latency_s * self.rng.uniform(0.0, 5.0)
        self._warm_until = self.now + WARM_S
        arrives_at = self.now + self.latency_s * self.rng.uniform(0.1, 0.4)
        self.at(max(arrives_at, self._connected_at), self._arrive, call)

    def _arrive(self, call: Call) -> None:
        batch = call.batch
        self.book.arrives(batch)
        reply = self.connect.put(self.now, batch.campaign_id, [entry.request for entry in batch.entries])
        if isinstance(reply.failure, RateThrottled):
            assert self.connect.bucket.shared or not self._quota_as_set, (
                "more calls than burst and rate allow, as Connect counts them"
            )
        self.at(self.now + self.latency_s * self.rng.uniform(0.3, 1.4), self._return, call, reply)

    def _return(self, call: Call, reply: Reply) -> None:
        """Take Connect's answer: the end of the call, or a pause before the next attempt."""
        failure = reply.failure
        if failure is not None:
            call.last = failure
            call.counted_attempts += not isinstance(failure, RateThrottled)
            call.uncertain |= failure.uncertain
        pause_s = self.rng.uniform(0.0, min(2.0, 0.1 * 2.0**call.attempts))
        more = isinstance(failure, CallTransient) and call.attempts < call.batch.attempts_left
        if more and self.now + pause_s < call.batch.give_up_at:
            self.at(self.now + pause_s, self._ask, call)
        else:
            self._end(call, reply)

    def _ask(self, call: Call) -> None:
        self._asking[call.batch.number] = call
        self.engine.ask_retry(call.batch)

    def _end(self, call: Call, reply: Reply) -> None:
        batch, failure = call.batch, reply.failure
        report = CallReport(
            accepted=reply.accepted,
            failed=reply.failed,
            failure=failure,
            attempts=call.attempts,
            counted_attempts=call.counted_attempts + (failure is None),
            uncertain=call.uncertain,
            started_at=call.started_at,
        )
        self.trace.append(
            (self.now, "end", batch.number, type(failure).__name__, len(reply.accepted), reply.failed)
        )
        self.throttled |= isinstance(failure, RateThrottled) or bool(reply.failed)
        del self.calls[batch.number]
        self.book.weigh(self.now, batch, report)
        self._keep(self.engine.completed(self.now, batch, report))
        self.book.after_call(self.now, batch)

    def _look_up(self, campaign_ids: list[str]) -> None:
        self.trace.append((self.now, "look up", campaign_ids))
        assert 1 <= len(campaign_ids) == len(set(campaign_ids)) <= BATCH_LIMIT
        assert self.now >= self._looked_at + LOOKS_APART_S - EXACT_S, "states are asked for too often"
        assert self.book.may_look or self.now >= self._blind_until, "asks without the right to"
        self._looked_at = self.now
        self.at(self.now + self.latency_s, self._looked_up, campaign_ids)

    def _looked_up(self, campaign_ids: list[str]) -> None:
        if not self.may_look:
            self.book.may_look, self._blind_until = False, self.now + BLIND_FOR_S
            self.engine.may_not_look_up(self.now)
            return
        states = self.connect.campaign_states(campaign_ids)
        if self.rng.random() < self.look_up_fails:
            states = {}
        self.book.looked_up(campaign_ids, states)
        self._keep(self.engine.looked_up(self.now, campaign_ids, states))

    def _keep(self, settled: list[Settled]) -> None:
        self.book.settled(self.now, settled)
        for waiter, campaign_id, token, answer in settled:
            caller: Caller = waiter.source.owner
            waited_s = self.now - self._sent_at.pop((caller, waiter.index))
            self.told.append(Told(self.now, caller, waited_s, campaign_id, token, answer))

    # --- what a poll left undone -------------------------------------------------------------------

    def _check_rest(self) -> None:
        """Check that nothing that could be done was left, and that the next instant is honest."""
        book, engine, limits = self.book, self.engine, self.limits
        assert engine.dropped == self.dropped, "not all that is dropped is counted, or too much"
        assert not any(caller.source.pending or caller.source.queues for caller in self.gone)
        self.gone.clear()
        if len(book.held) < COUNTED:
            joins = sum(len(held.waiters) - 1 for held in book.held.values() if len(held.waiters) > 1)
            assert engine.held == len(book.held) + joins
        assert engine.held <= limits.queue_limit
        if self.send_until is not None and book.holds:
            resting = [key for key, held in book.held.items() if not held.in_call]
            assert not any(key[0] in book.holds for key in resting), "leaving waits for a hold"
        assert engine.calls_in_flight == len(self.calls) <= limits.concurrent_calls
        assert self.wake_at is None or self.wake_at > self.now, "would be asked again at once, for nothing"
        sending = self.send_until is None or self.now < self.send_until
        free = len(self.calls) < limits.concurrent_calls and not self._asking
        if sending and free and self._backlog():
            self._check_no_permit()

    def _backlog(self) -> bool:
        """Whether a campaign that nothing disturbs has a full call, or one that has lingered."""
        due = self.now - self.limits.linger_s - EXACT_S
        for campaign_id, waiting in self.book.fresh.items():
            kept = campaign_id in self.book.disturbed or campaign_id in self.book.holds
            if waiting and not kept and not self.book.in_doubt(self.now, campaign_id):
                full = len(waiting) >= BATCH_LIMIT or self.book.draining
                if full or next(iter(waiting.values())).since < due:
                    return True
        return False

    def _check_no_permit(self) -> None:
        """Check that what is ready waits for want of a permit, and for no longer than that takes."""
        assert self.wake_at is not None, "asleep over a backlog"
        if not self.limits.call_rate:
            assert self.throttled, "no limit, and still not sent"
            return
        longest_s = (2.0 if self.throttled else 1.0) / self.engine.call_rate
        assert self.wake_at <= self.now + longest_s + EXACT_S, "sleeps longer than a permit takes"
        if not self.throttled:
            assert self.book.sure.level(self.now) < 1.0 + EXACT_S, "a permit was there"
