"""The tasks of the calls and look-ups that the engine has decided on.

The task of a call claims its tokens first if there is a fleet, sends it, asks for a permit for each further
attempt, and reports the result to the engine. However a task ends, it reports that to the engine, so that
every request is answered.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from gateway.connect.port import CallSender
from gateway.core.claims.fleet_ledger import FleetLedger
from gateway.core.decision import Decision
from gateway.core.engine import UNSENT, Engine
from gateway.core.errors import AccessDenied, CallFailure, CallRevoked, CallUnexpected, NoCredentials
from gateway.core.fleet.messages import TokenRecord
from gateway.core.fleet.token_look_up import TokenLookUp
from gateway.core.model import Batch, CallReport
from gateway.dispatch.answer_delivery import AnswerDelivery
from gateway.dispatch.event_log import FailureLog, FailureRecord
from gateway.dispatch.token_claims import TokenClaims
from gateway.runtime.supervision import Supervisor, trace_of
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)


class _FleetTokens(NamedTuple):
    """What decides about the tokens of a fleet, and what reaches the shared state for it."""

    ledger: FleetLedger
    claims: TokenClaims


class CallTasks:
    """Starts a task for each call and look-up. `wake` makes the dispatcher take its next turn at once.

    `claims` reaches the ledger of the fleet; None without a shared state.
    """

    def __init__(
        self,
        engine: Engine,
        sender: CallSender,
        telemetry: Telemetry,
        now: Callable[[], float],
        supervisor: Supervisor,
        delivery: AnswerDelivery,
        wake: Callable[[], None],
        claims: TokenClaims | None,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._telemetry = telemetry
        self._now = now
        self._supervisor = supervisor
        self._delivery = delivery
        self._wake = wake
        ledger = engine.fleet_ledger
        self._fleet = None if ledger is None or claims is None else _FleetTokens(ledger, claims)
        self._tasks: set[asyncio.Task[None]] = set()
        self._permits: dict[int, asyncio.Future[bool]] = {}
        self._failures = FailureLog()

    def carry_out(self, decision: Decision) -> None:
        """Let calls make a further attempt or end, and start the calls and look-ups of a decision."""
        self._resolve(decision.granted, granted=True)
        self._resolve(decision.denied, granted=False)
        for batch in decision.batches:
            self._start(self._call(batch), f"call-{batch.number}")
        if self._fleet is not None:
            for tokens in decision.token_look_ups:
                self._start(self._look_up_tokens(tokens, self._fleet), "token-look-up")
        if decision.look_up:
            self._start(self._look_up(decision.look_up), "look-up")

    def revoke(self, calls: Sequence[Batch]) -> list[Batch]:
        """Stop calls from sending more bytes; return those of which Amazon Connect certainly has nothing."""
        return [call for call in calls if self._sender.revoke(call)]

    def cancel(self) -> None:
        """Stop waiting for calls and look-ups."""
        for task in self._tasks:
            task.cancel()

    def record_settlements(self) -> None:
        """Have the settlements of claims written to the fleet's ledger."""
        if self._fleet is not None:
            self._fleet.claims.settle(self._fleet.ledger.take_settlements())

    def failures(self) -> list[FailureRecord]:
        """Return the last calls that failed, the oldest first."""
        return list(self._failures.last)

    # --- calls ------------------------------------------------------------------------------------

    async def _call(self, batch: Batch) -> None:
        if self._fleet is not None and not await self._claim(batch, self._fleet):
            return
        lost = CallReport(failure=CallUnexpected(), uncertain=True)
        try:
            report = await self._sender.call(batch, partial(self._permit, batch))
        except asyncio.CancelledError:  # it may have been carried out all the same
            self._completed(batch, lost)
            raise
        except Exception as bug:  # noqa: BLE001 - whatever happens, everybody is answered
            log.error("a call met a bug; its requests are answered as UNKNOWN:\n%s", trace_of(bug))
            report = lost
        if report.failure is not None and not isinstance(report.failure, CallRevoked):
            self._failures.note(self._now(), batch, report)
        self._completed(batch, report)

    async def _claim(self, batch: Batch, fleet: _FleetTokens) -> bool:
        """Claim the tokens of a call in the shared state; return whether it is to be sent."""
        asked_at = self._now()
        verdicts = None
        try:
            verdicts = await fleet.claims.claim(batch.campaign_id, fleet.ledger.claims(batch))
        except asyncio.CancelledError:  # the gateway shuts down
            self._completed(batch, UNSENT)
            raise
        if self._supervisor.failing:
            return False
        may_send = self._engine.claimed(self._now(), batch, asked_at, verdicts)
        if may_send and verdicts is None:
            fleet.claims.unclaimed()
        self.record_settlements()
        self._delivery.deliver()
        self._wake()
        return may_send

    async def _permit(self, batch: Batch) -> bool:
        """Wait for the permit of one more attempt; False if none will come."""
        permit: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._permits[batch.number] = permit
        self._engine.ask_retry(batch)
        self._wake()
        try:
            return await permit
        finally:
            self._permits.pop(batch.number, None)
            self._engine.forget_retry(batch)

    def _resolve(self, numbers: list[int], *, granted: bool) -> None:
        if not numbers:
            return
        self._telemetry.retries(len(numbers), granted=granted)
        for number in numbers:
            permit = self._permits.pop(number, None)
            if permit is not None and not permit.done():
                permit.set_result(granted)

    def _completed(self, batch: Batch, report: CallReport) -> None:
        if self._supervisor.failing:
            return  # everybody is being answered without the core
        self._engine.completed(self._now(), batch, report)
        self.record_settlements()
        self._delivery.deliver()
        self._wake()

    # --- look-ups ---------------------------------------------------------------------------------

    async def _look_up_tokens(self, look_up: TokenLookUp, fleet: _FleetTokens) -> None:
        """Ask the shared state for the records of tokens."""
        records: Mapping[str, TokenRecord] | None = None
        try:
            records = await fleet.claims.look_up(look_up.campaign_id, look_up.tokens)
        finally:
            if not self._supervisor.failing:
                fleet.ledger.found(self._now(), look_up, records)
                self._delivery.deliver()
                self._wake()

    async def _look_up(self, campaign_ids: list[str]) -> None:
        """Ask Connect for the states of parked campaigns."""
        states: Mapping[str, str] = {}
        try:
            states = await self._sender.campaign_states(campaign_ids)
        except NoCredentials:
            log.debug("the states of campaigns could not be read: no credentials")
        except AccessDenied:
            log.warning("no right to see the states of campaigns: parked ones are probed now and then")
            self._engine.may_not_look_up(self._now())
        except CallFailure as failure:
            log.debug("the states of campaigns could not be seen: %s", type(failure).__name__)
        except Exception as bug:  # noqa: BLE001 - the campaigns must be asked about again
            log.error("asking for the states of campaigns met a bug:\n%s", trace_of(bug))
        finally:
            self._engine.looked_up(self._now(), campaign_ids, states)
            self._delivery.deliver()
            self._wake()

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        self._supervisor.watch(task)
        task.add_done_callback(self._tasks.discard)
