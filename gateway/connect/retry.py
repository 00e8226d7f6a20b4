"""Retries failed calls with tenacity, for transient failures only.

Throttles and failures of single items are not retried here: the scheduler puts their requests back into the
queue, where they share a later call with others. Every attempt after the first waits for its own permit.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import tenacity

from gateway.connect.port import ConnectPort, PutReply
from gateway.connect.reachability import ConnectHealth
from gateway.connect.ticket import HasPaused, Ticket, never_paused
from gateway.core.errors import CallFailure, CallRevoked, CallTransient, CallUnexpected, RateThrottled
from gateway.core.model import Batch, CallReport
from gateway.telemetry import BatchTrace, Telemetry

BASE_S, LONGEST_S = 0.1, 2.0
"""Full jitter: a pause between 0 and the base doubled with every attempt, at most the longest."""

Permit = Callable[[], Awaitable[bool]]


class RetryingSender:
    """Sends batches through a port, and again while that is worth it."""

    def __init__(
        self,
        port: ConnectPort,
        telemetry: Telemetry,
        now: Callable[[], float],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        expiry_now: Callable[[], float] | None = None,
    ) -> None:
        """`expiry_now` returns the instant on the scale of expiries; by default that is `now`.

        The owner of a replica sets `has_paused`, since its fleet may have held campaigns during a pause.
        """
        self.has_paused: HasPaused = never_paused
        self._port = port
        self._telemetry = telemetry
        self._now = now
        self._expiry_now = expiry_now or now
        self._rng = rng
        self._sleep = sleep
        self._in_flight: dict[int, _Call] = {}
        self.health = ConnectHealth()

    async def call(self, batch: Batch, permit: Permit) -> CallReport:
        """Send `batch`, at most `attempts_left` times and never after its `give_up_at`."""
        operation = self._port.operation(batch.campaign_id)
        call = _Call(batch, permit, self._telemetry.batch(batch, *operation))
        self._in_flight[batch.number] = call
        try:
            return await self._reported(call)
        finally:
            del self._in_flight[batch.number]

    def revoke(self, batch: Batch) -> bool:
        """Stop a call from sending more bytes; return whether Connect certainly received nothing of it."""
        call = self._in_flight.get(batch.number)
        return call is None or call.revoke()  # a call that has not begun checks its batch first

    async def _reported(self, call: "_Call") -> CallReport:
        try:
            return call.report(await self._attempt(call))
        except CallTransient:
            pass  # tenacity comes in here, since it costs a healthy call a tenth of its time
        except CallFailure as failure:
            return call.report(failure=failure)
        try:
            return call.report(await self._attempt_again(call))
        except CallFailure as failure:
            return call.report(failure=failure)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask once; the engine decides when to ask again."""
        return await self._port.campaign_states(campaign_ids)

    async def _attempt_again(self, call: "_Call") -> PutReply:
        """Go on after a first attempt that failed; raises the last failure when it is over."""
        # A new instance for each call: a shared one would mix the attempts of all calls.
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(CallTransient),
            stop=tenacity.stop_after_attempt(call.batch.attempts_left)
            | _StopRetrying(self._expiry_now, call),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if attempt.retry_state.attempt_number == 1 and call.last is not None:
                    raise call.last  # the first has been made: its schedule starts with its failure
                return await self._attempt(call)
        raise CallUnexpected  # not reached: tenacity returns or raises

    async def _attempt(self, call: "_Call") -> PutReply:
        if call.last is not None and not await self._may_attempt_again(call):
            call.over = True
            raise call.last
        call.attempts += 1
        call.started_at = self._now()
        call.ticket = ticket = Ticket(call.batch.give_up_at, self._expiry_now, self._now, self.has_paused)
        requests = [
            entry.request if entry.verdict is None else entry.request_to_send()
            for entry in call.batch.entries
        ]
        with call.trace.attempt(call.attempts, self._expiry_now()) as span:
            try:
                if call.batch.revoked:
                    raise CallRevoked
                reply = await self._port.put_dial_requests(call.batch.campaign_id, requests, ticket)
            except CallFailure as failure:
                call.failed(failure)
                now = self._now()
                self.health.failed(now, failure)
                span.failed(failure, now - call.started_at)
                raise
            finally:
                call.ended()
            now = self._now()
            self.health.answered(now)
            failures = list(reply.failed.values()) if reply.failed else ()
            span.replied(reply.request_id, len(reply.accepted), failures, now - call.started_at)
        return reply

    async def _may_attempt_again(self, call: "_Call") -> bool:
        """Wait for a permit; it must be there before the earliest expiry, since nothing is sent after it."""
        if not await call.permit():
            return False
        may_leave = not call.batch.revoked and self._expiry_now() < call.batch.give_up_at
        call.unused += not may_leave
        return may_leave

    def _pause(self, state: tenacity.RetryCallState) -> float:
        return self._rng.uniform(0.0, min(LONGEST_S, BASE_S * 2.0 ** min(state.attempt_number, 30)))


@dataclass(slots=True)
class _Call:
    """What is known of a call after its attempts so far."""

    batch: Batch
    permit: Permit
    trace: BatchTrace
    attempts: int = 0
    counted_attempts: int = 0
    unused: int = 0
    uncertain: bool = False
    started_at: float = 0.0
    ticket: Ticket | None = None
    last: CallFailure | None = None
    over: bool = False

    def failed(self, failure: CallFailure) -> None:
        self.last = failure
        if not failure.attempted:
            self.attempts -= 1
            self.unused += 1
            return
        self.counted_attempts += not isinstance(failure, RateThrottled)
        self.uncertain |= failure.uncertain

    def ended(self) -> None:
        """Note that the present attempt is over: no more bytes of it may leave."""
        if self.ticket is not None:
            self.ticket.revoke()
            if self.ticket.left_at is not None:
                self.started_at = self.ticket.left_at
        self.ticket = None

    def revoke(self) -> bool:
        """Revoke the present attempt; return whether Connect certainly has nothing of the call."""
        unsent = self.ticket is None or self.ticket.revoke()
        return unsent and not self.uncertain

    def report(self, reply: PutReply | None = None, failure: CallFailure | None = None) -> CallReport:
        return CallReport(
            accepted=reply.accepted if reply else {},
            failed=reply.failed if reply else {},
            failure=failure,
            attempts=self.attempts,
            counted_attempts=self.counted_attempts + (reply is not None),
            unused=self.unused,
            uncertain=self.uncertain,
            started_at=self.started_at,
            trace_id=self.trace.trace_id,
        )


class _StopRetrying(tenacity.stop.stop_base):
    """Stops a call that may not go on, and one whose next pause would end after its earliest expiry."""

    def __init__(self, now: Callable[[], float], call: _Call) -> None:
        self._now = now
        self._call = call

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        too_late = self._now() + retry_state.upcoming_sleep >= self._call.batch.give_up_at
        return self._call.over or too_late
