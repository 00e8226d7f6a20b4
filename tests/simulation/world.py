"""The world of a simulation: an event loop on its own clock, around one observed engine and one Connect."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.core.engine import Decision, Limits
from gateway.core.errors import CallFailure, CallRevoked, CallTooLate, CallTransient, RateThrottled
from gateway.core.model import Answer, Batch, CallReport, DialRequest, Priority, Settled
from tests.oracle.observed_engine import ObservedEngine
from tests.oracle.records import Caller, caller_of
from tests.simulation.connect_model import Connect, Reply

WARM_S = 1.0
"""Seconds without a call after which the next ones must open connections first, and so are slow to leave."""
SLICE_S = 0.0005
"""Seconds that a slice of long work takes."""
PHONE = "+12065550100"


@dataclass(slots=True)
class Call:
    """A call in flight, as the shell with its retries sees it. `left`: a byte of this attempt has left."""

    batch: Batch
    attempts: int = 0
    counted_attempts: int = 0
    unused: int = 0
    uncertain: bool = False
    started_at: float = 0.0
    left: bool = False
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
    """Lets things happen in the order of their instants. The oracle checks every promise after each."""

    limits: Limits
    connect: Connect
    rng: random.Random
    latency_s: float = 0.03
    may_look: bool = True
    look_up_fails: float = 0.0
    told: list[Told] = field(default_factory=list)
    trace: deque[tuple[object, ...]] = field(default_factory=lambda: deque(maxlen=60))

    def __post_init__(self) -> None:
        rng = random.Random(self.rng.random())
        self.observed = ObservedEngine(self.limits, 0.0, rng, self.connect, self._tell)
        self.wake_at: float | None = None
        self._calls: dict[int, Call] = {}
        self._asking: dict[int, Call] = {}
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = 0
        limits, bucket = self.limits, self.connect.bucket
        # And the burst exceeds what may be in flight.
        self._quota_as_set = 0.0 < limits.call_rate <= bucket.rate and (
            limits.concurrent_calls < limits.call_burst <= bucket.burst
        )
        self._warm_until = float("-inf")
        self._connected_at = 0.0
        self._sent_at: dict[tuple[Caller, int], float] = {}

    # --- time --------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The present instant."""
        return self.observed.now

    def at(self, instant: float, event: Callable[..., object], *args: Any) -> None:
        """Let something happen at `instant`, or now where that is past."""
        self._order += 1
        heapq.heappush(self._events, (max(instant, self.now), self._order, event, args))

    def run(self, until: float) -> None:
        """Carry out everything that is due until then."""
        while True:
            instants = (self._events[0][0] if self._events else None, self.wake_at)
            upcoming = min((instant for instant in instants if instant is not None), default=None)
            if upcoming is None or upcoming > until:
                self.observed.now = max(self.now, until)
                return
            self.observed.now = max(self.now, upcoming)
            while self._events and self._events[0][0] <= self.now:
                _, _, event, args = heapq.heappop(self._events)
                event(*args)
            self.poll()

    # --- callers -----------------------------------------------------------------------------------

    def submit(self, caller: Caller, *requests: DialRequest, priority: Priority = Priority.NORMAL) -> None:
        """Send dial requests of one campaign, if the caller still sends and the gateway has room."""
        if caller.gone or caller.closed:
            return
        requests = requests[: max(0, self.observed.engine.room())]
        first = caller.sent
        answers = self.observed.submit(caller, *requests, priority=priority)
        for index, (request, answer) in enumerate(zip(requests, answers, strict=True), first):
            self.trace.append((self.now, "submit", caller.name, request, priority.name, answer))
            if answer is None:
                self._sent_at[caller, index] = self.now
            else:
                token = request.client_token
                self.told.append(Told(self.now, caller, 0.0, request.campaign_id, token, answer))

    def close(self, caller: Caller) -> None:
        """Half-close."""
        self.trace.append((self.now, "close", caller.name))
        self.observed.close(caller)

    def leave(self, caller: Caller) -> None:
        """Disconnect."""
        self.trace.append((self.now, "leave", caller.name))
        self.observed.leave(caller)

    def end_stream(self, caller: Caller) -> None:
        """End a stream in good order."""
        self.trace.append((self.now, "end stream", caller.name))
        self.observed.end_stream(caller)

    def withdraw(self, caller: Caller) -> None:
        """Let the deadline of a unary call come."""
        self.trace.append((self.now, "withdraw", caller.name))
        self.observed.withdraw(caller)

    # --- operators, and the end --------------------------------------------------------------------

    def hold(self, campaign_id: str, *, answering: bool) -> None:
        """Hold a campaign."""
        self.trace.append((self.now, "hold", campaign_id, answering))
        self.observed.hold(campaign_id, answering=answering)

    def release(self, campaign_id: str) -> None:
        """Release a campaign, if it is held."""
        self.trace.append((self.now, "release", campaign_id))
        self.observed.release(campaign_id)

    def purge(self, campaign_id: str) -> None:
        """Purge a campaign."""
        self.trace.append((self.now, "purge", campaign_id))
        self.observed.purge(campaign_id)

    def drain(self, grace_s: float) -> None:
        """Begin to leave."""
        self.trace.append((self.now, "drain", grace_s))
        self.observed.drain(self.now + grace_s)
        self.wake_at = self.now  # as `Dispatcher.drain` does

    def abandon(self) -> None:
        """Leave now."""
        self.trace.append((self.now, "abandon"))
        unsent = [call.batch for call in self._calls.values() if not call.attempts - 1 and not call.left]
        self.observed.abandon(unsent)
        self._events.clear()

    # --- the shell ---------------------------------------------------------------------------------

    def poll(self) -> None:
        """Ask the engine what to do, and do it, until it decides nothing more."""
        while self._turn():
            pass
        # Slices of long work take time, in which other things happen.
        self.wake_at = self.now + SLICE_S if self.observed.unfinished else self.observed.wake_at

    def _turn(self) -> bool:
        """Do what the engine decides once; return whether calls have ended by that."""
        decision = self.observed.poll()
        in_flight = len(self._calls)
        self._decide_retries(decision)
        for batch in decision.batches:
            size = len(batch.entries)
            self.trace.append((self.now, "call", batch.number, batch.campaign_id, batch.flush.name, size))
            call = self._calls[batch.number] = Call(batch)
            self._send(call)
        if decision.look_up:
            self.trace.append((self.now, "look up", decision.look_up))
            self.at(self.now + self.latency_s, self._looked_up, decision.look_up)
        return in_flight > len(self._calls) - len(decision.batches)

    def _decide_retries(self, decision: Decision) -> None:
        for number in decision.granted:
            self._send(self._asking.pop(number))
        for number in decision.denied:
            call = self._asking.pop(number)
            self._end(call, Reply({}, {}, call.last))

    def _send(self, call: Call) -> None:
        call.attempts += 1
        call.started_at, call.left = self.now, False
        if self.now > self._warm_until:  # connections must be opened first
            self._connected_at = self.now + self.latency_s * self.rng.uniform(0.0, 5.0)
        self._warm_until = self.now + WARM_S
        self.at(self._connected_at, self._leave, call)

    def _leave(self, call: Call) -> None:
        """Let the first byte of an attempt leave, unless it is revoked or too late by now."""
        if call.batch.revoked or self.now >= call.batch.give_up_at:
            call.attempts -= 1
            call.unused += 1
            self._end(call, Reply({}, {}, CallRevoked() if call.batch.revoked else CallTooLate()))
            return
        self.observed.leaves(call.batch)
        call.left = True
        self.at(self.now + self.latency_s * self.rng.uniform(0.1, 0.4), self._arrive, call)

    def _arrive(self, call: Call) -> None:
        batch = call.batch
        self.observed.arrives(batch)
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
        self.observed.ask_retry(call.batch)

    def _end(self, call: Call, reply: Reply) -> None:
        batch, failure = call.batch, reply.failure
        report = CallReport(
            accepted=reply.accepted,
            failed=reply.failed,
            failure=failure,
            attempts=call.attempts,
            counted_attempts=call.counted_attempts + (failure is None),
            unused=call.unused,
            uncertain=call.uncertain,
            started_at=call.started_at,
        )
        name = type(failure).__name__
        self.trace.append((self.now, "end", batch.number, name, len(reply.accepted), reply.failed))
        del self._calls[batch.number]
        self.observed.complete(batch, report)

    def _looked_up(self, campaign_ids: list[str]) -> None:
        if not self.may_look:
            self.observed.may_not_look_up()
            return
        states = self.connect.campaign_states(campaign_ids)
        if self.rng.random() < self.look_up_fails:
            states = {}
        self.observed.looked_up(campaign_ids, states)

    def _tell(self, settled: Settled) -> None:
        waiter, campaign_id, token, answer = settled
        caller = caller_of(waiter.source)
        waited_s = self.now - self._sent_at.pop((caller, waiter.index))
        self.told.append(Told(self.now, caller, waited_s, campaign_id, token, answer))
