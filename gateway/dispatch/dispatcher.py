"""The shell around the core: wakes it, does what it decides, brings back what came of it.

Everything runs on one event loop. Whatever happens sets the same wake-up, and every wake-up runs
the same turn: ask the engine what to do now, do it, sleep until something happens or until the
instant that the engine named.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from itertools import islice

from gateway.connect.port import CallSender
from gateway.core.answers import HELD, PURGED, CampaignRefusal
from gateway.core.campaigns.holds import Hold, OperatorAction
from gateway.core.engine import UNSENT, Engine
from gateway.core.errors import AccessDenied, CallFailure, CallRevoked, CallUnexpected, NoCredentials
from gateway.core.fleet.messages import TokenRecord
from gateway.core.fleet.token_look_up import TokenLookUp
from gateway.core.model import (
    Batch,
    CallReport,
    DialRequest,
    Priority,
    Source,
    Waiter,
)
from gateway.core.slices import SLICE, consume
from gateway.core.views.campaign_status import CampaignRow, Rows
from gateway.core.views.snapshot import Survey
from gateway.dispatch.claims import Claims
from gateway.dispatch.event_log import ChangeLog, FailureLog, FailureRecord
from gateway.dispatch.room_gate import RoomGate
from gateway.runtime.memory import made_old
from gateway.runtime.supervision import Supervisor, trace_of
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)

CLOCK_EVERY_S, CLOCK_STEP_S = 1.0, 0.1
"""Seconds between two checks of the wall clock, and the smallest jump in seconds that a check acts on."""

LAST_CHECKS_S, CHECKED_EVERY_S = 0.05, 0.002
"""Seconds that the denials of a call near its deadline wait for the fleet's ledger, and between two looks."""


class Dispatcher:
    """Drives one engine. `run` must be running for anything to be sent."""

    def __init__(
        self,
        engine: Engine,
        sender: CallSender,
        telemetry: Telemetry,
        now: Callable[[], float],
        supervisor: Supervisor | None = None,
        gained: Callable[[], float] = lambda: 0.0,
        claims: Claims | None = None,
    ) -> None:
        """`gained` returns the seconds by which the scale of expiries is ahead of `now`.

        `claims` reaches the ledger of the fleet; None without a shared state.
        """
        self._gained = gained
        self._claims = claims
        self._supervisor = supervisor or Supervisor()
        self._engine = engine
        self._sender = sender
        self._telemetry = telemetry
        self._now = now
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._permits: dict[int, asyncio.Future[bool]] = {}
        self._room_gate = RoomGate(engine.room)
        self._failures = FailureLog()
        self._changes = ChangeLog()
        self._draining_since: float | None = None
        self._running = False
        self.turned: Callable[[], None] | None = None
        """Called after each turn: a replica of a fleet may want to speak with the others earlier then."""

    # --- for those who bring dial requests --------------------------------------------------------

    def submit(
        self, arrivals: Sequence[tuple[Waiter, DialRequest]], priority: Priority = Priority.NORMAL
    ) -> None:
        """Take dial requests of one source for one campaign in.

        Each is answered to the owner of the source, perhaps at once.
        """
        if self.failing:
            return  # whoever brings them answers them
        self._read_wall_clock()
        self._engine.submit(self._now(), arrivals, priority)
        for waiter, _ in arrivals:
            if waiter.span is not None and waiter.index in waiter.source.pending:
                self._telemetry.queued(waiter.span)
        self._deliver_answers()
        self._wake.set()

    def source_closed(self, source: Source) -> None:
        """Note that a source sends no more."""
        if self.failing:
            return
        self._engine.source_closed(self._now(), source)
        self._wake.set()

    def source_gone(self, source: Source) -> None:
        """Forget a source that is gone, and drop what it alone waited for."""
        if self.failing:
            return
        if source.pending:
            log.debug("a caller left before its answers", extra={"unanswered": len(source.pending)})
        self._engine.source_gone(self._now(), source)
        self._wake.set()

    async def withdraw(self, source: Source) -> None:
        """Answer what is left of a source at once, since its deadline is near.

        In a fleet, denials wait for its ledger a little.
        """
        answer_by = self._now() + LAST_CHECKS_S
        while source.pending and not self.failing:
            now = self._now()
            self._engine.withdraw(now, source, final=self._claims is None or now >= answer_by)
            self._deliver_answers()
            self._wake.set()
            # A slice at a time, with turns of the event loop in between.
            await asyncio.sleep(0 if self._claims is None else CHECKED_EVERY_S)

    def source_ending(self, source: Source) -> None:
        """Answer what of a source is not in flight, and the rest as it comes back: its stream ends."""
        self._engine.source_ending(self._now(), source)
        self._wake.set()

    def room(self) -> int:
        """Return how many dial requests a newcomer may bring now; 0 or less if it must wait."""
        return self._room_gate.free()

    async def wait_for_room(self) -> int:
        """Wait until there is room, first come, first served; return how much. See `RoomGate.enter`."""
        return await self._room_gate.enter()

    @property
    def draining(self) -> bool:
        """Whether the gateway is leaving."""
        return self._engine.draining or self.failing

    @property
    def failing(self) -> bool:
        """Whether the gateway has met a bug, and leaves: the engine is asked nothing more."""
        return self._supervisor.failing

    @property
    def draining_s(self) -> float:
        """For how many seconds the gateway has been leaving."""
        return 0.0 if self._draining_since is None else self._now() - self._draining_since

    @property
    def shares_ledger(self) -> bool:
        """Whether other replicas may have sent the client tokens of this one."""
        return self._claims is not None

    @property
    def running(self) -> bool:
        """Whether `run` is running."""
        return self._running

    @property
    def waiting_for_room(self) -> int:
        """How many wait for the gateway to take dial requests again."""
        return len(self._room_gate)

    def survey(self) -> Survey:
        """Begin a census of the core; its campaigns are read in parts."""
        return self._engine.survey(self._now())

    # --- for those who run the gateway ------------------------------------------------------------

    def rows(self, before: Mapping[str, CampaignRow]) -> Rows:
        """Make a row for each campaign, by its id in order, in parts. Equal rows of `before` are kept."""
        return self._engine.rows(self._now(), before, made_old({}, len(before)))

    def row(self, campaign_id: str) -> CampaignRow:
        """Return the row of one campaign, whether anything is known of it or not."""
        return self._engine.row(self._now(), campaign_id)

    def set_pace(self, rate: float, burst: float, *, forecasts: bool) -> None:
        """Keep to another call rate, in calls a second, and burst, in calls; see `Engine.set_pace`."""
        self._engine.set_pace(self._now(), rate, burst, forecasts=forecasts)
        self._wake.set()

    def pace(self) -> tuple[float, float, int]:
        """Return the rate of calls now and as it was set, in calls a second, and how much is held."""
        return self._engine.call_rate, self._engine.call_rate_ceiling, self._engine.outstanding

    @property
    def calls_in_flight(self) -> int:
        """How many calls are under way."""
        return self._engine.calls_in_flight

    def failures(self) -> list[FailureRecord]:
        """Return the last calls that failed, the oldest first."""
        return list(self._failures.last)

    def answers(self) -> tuple[int, ...]:
        """Return how many dial requests were answered since the start, by outcome in order."""
        return tuple(self._engine.statistics.totals.values())

    async def hold(self, campaign_id: str, hold: Hold) -> int:
        """Hold a campaign; return how many dial requests were answered by that. Raises `TooManyHolds`."""
        unsent = self.begin_hold(campaign_id, hold)
        return unsent + await self.answer_held(campaign_id) if hold.answering else 0

    def begin_hold(self, campaign_id: str, hold: Hold, *, limited: bool = True) -> int:
        """Stop the calls of a campaign at once; return how many dial requests of those were not sent.

        Raises `TooManyHolds` if holds are `limited`.
        """
        self._engine.operator_actions.hold(self._now(), campaign_id, hold, limited=limited)
        unsent = self._revoke(self._engine.revoke_calls(campaign_id))
        self._wake.set()
        return _entries_in(unsent)

    async def answer_held(self, campaign_id: str) -> int:
        """Answer the waiting dial requests of a held campaign HELD; return how many that were."""
        return await self._dismiss(campaign_id, HELD)

    def release(self, campaign_id: str, action: OperatorAction) -> bool:
        """Hold a campaign no longer; return whether it was held."""
        released = self._engine.operator_actions.release(self._now(), campaign_id, action)
        self._wake.set()
        return released

    async def purge(self, campaign_id: str, action: OperatorAction, arrived_by: float = math.inf) -> int:
        """Answer what was queued for a campaign at `arrived_by`; return how many dial requests that were."""
        calls = self._engine.revoke_calls(campaign_id, purging=True, formed_by=arrived_by)
        unsent = self._revoke(calls)
        self._wake.set()
        purged = _entries_in(unsent) + await self._dismiss(campaign_id, PURGED, arrived_by)
        self._engine.operator_actions.acted(campaign_id, action._replace(answered=purged))
        return purged

    def _revoke(self, calls: Sequence[Batch]) -> list[Batch]:
        """Stop calls from sending more bytes; return those of which Amazon Connect certainly has nothing."""
        return [call for call in calls if self._sender.revoke(call)]

    async def _dismiss(self, campaign_id: str, refusal: CampaignRefusal, arrived_by: float = math.inf) -> int:
        """Answer what rests of a campaign in slices, as far as it still rests when its turn comes."""
        total = 0
        units = consume(self._engine.operator_actions.entries_of(campaign_id))
        while part := list(islice(units, SLICE)):
            total += self._engine.operator_actions.answer_waiting(self._now(), part, refusal, arrived_by)
            self._deliver_answers()
            self._wake.set()
            await asyncio.sleep(0)
        return total

    # --- for the owner of the process -------------------------------------------------------------

    async def run(self) -> None:
        """Make decisions and start calls until cancelled."""
        self._running = True
        try:
            while True:
                self._wake.clear()
                await self._sleep_until(self._turn())
        finally:
            self._running = False

    def wake(self) -> None:
        """Have the next turn made at once: something has happened to the engine."""
        self._wake.set()

    async def watch_wall_clock(self) -> None:
        """Poll the engine when the wall clock was set, since expiries follow it. Runs until cancelled."""
        before_s = self._gained()
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            gained_s = self._gained()
            if abs(gained_s - before_s) > CLOCK_STEP_S:
                text = "the wall clock was set, or corrected by AWS's, by %.1f s: expiries follow it"
                log.warning(text, gained_s - before_s)
                self._wake.set()
            before_s = gained_s

    def drain(self, grace_s: float) -> None:
        """Begin to leave: take nothing more, and send what can be sent within the grace time."""
        send_s = grace_s - min(1.0, 0.2 * grace_s)  # the last calls need time to come back
        now = self._now()
        self._draining_since = now
        self._engine.drain(now, now + send_s)
        self._wake.set()

    async def drained(self) -> None:
        """Wait until everything held is answered."""
        while self._engine.outstanding:
            self._empty.clear()
            self._wake.set()
            await self._empty.wait()

    def abandon(self) -> None:
        """Begin to answer everything, and stop waiting for calls under way; `run` answers the rest."""
        try:
            unsent = self._revoke(self._engine.revoke_calls())
            self._engine.abandon(self._now(), unsent)
            self._record_settlements()
            self._deliver_answers()
        finally:
            for call in self._calls:
                call.cancel()
            self._wake.set()

    async def answer_abandoned(self) -> None:
        """Give the answers that `abandon` has left, if `run` no longer runs."""
        while self._engine.unfinished:
            self._engine.do_slice(self._now())
            self._deliver_answers()
            await asyncio.sleep(0)

    # --- how --------------------------------------------------------------------------------------

    def _turn(self) -> float | None:
        """Do what the engine decides; return the instant of the next turn if nothing happens before."""
        self._read_wall_clock()
        decision = self._engine.poll(self._now())
        self._revoke(decision.revoked)
        self._deliver_answers()
        for waiter in decision.departed:
            self._telemetry.dropped(waiter.span)
        if decision.dropped:
            self._telemetry.left(decision.dropped)
        for source, campaign_id, notice in decision.notices:
            source.owner.notify(campaign_id, notice)
        for change in decision.changes:
            self._telemetry.changed(change)
            self._changes.note(change)
        self._changes.note_rate(self._engine.call_rate, self._engine.call_rate_ceiling)
        self._resolve(decision.granted, granted=True)
        self._resolve(decision.denied, granted=False)
        for batch in decision.batches:
            self._start(self._call(batch), f"call-{batch.number}")
        for tokens in decision.token_look_ups:
            self._start(self._look_up_tokens(tokens), "token-look-up")
        if decision.look_up:
            self._start(self._look_up(decision.look_up), "look-up")
        self._room_gate.offer()
        if not self._engine.outstanding:
            self._empty.set()
        if self.turned is not None:
            self.turned()
        return decision.wake_at

    def _read_wall_clock(self) -> None:
        """Tell the engine the position of the wall clock, which decides what has expired."""
        self._engine.wall_clock_gained(self._gained())

    async def _sleep_until(self, instant: float | None) -> None:
        alarm = None
        if instant is not None:
            delay = max(0.0, instant - self._now())
            alarm = asyncio.get_running_loop().call_later(delay, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _call(self, batch: Batch) -> None:
        if self._claims is not None and not await self._claim(batch, self._claims):
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

    def _completed(self, batch: Batch, report: CallReport) -> None:
        if self.failing:
            return  # everybody is being answered without the core
        self._engine.completed(self._now(), batch, report)
        self._record_settlements()
        self._deliver_answers()
        self._wake.set()

    async def _claim(self, batch: Batch, ledger: Claims) -> bool:
        """Claim the tokens of a call in the fleet's ledger; return whether it is to be sent."""
        asked_at = self._now()
        verdicts = None
        try:
            verdicts = await ledger.claim(batch.campaign_id, self._engine.claims(batch))
        except asyncio.CancelledError:  # the gateway leaves
            self._completed(batch, UNSENT)
            raise
        if self.failing:
            return False
        may_send = self._engine.claimed(self._now(), batch, asked_at, verdicts)
        if may_send and verdicts is None:
            ledger.unclaimed()
        self._record_settlements()
        self._deliver_answers()
        self._wake.set()
        return may_send

    def _record_settlements(self) -> None:
        if self._claims is not None:
            self._claims.settle(self._engine.take_settlements())

    async def _look_up_tokens(self, look_up: TokenLookUp) -> None:
        """Ask the fleet's ledger about tokens."""
        records: Mapping[str, TokenRecord] | None = None
        try:
            if self._claims is not None:
                records = await self._claims.look_up(look_up.campaign_id, look_up.tokens)
        finally:
            if not self.failing:
                self._engine.tokens_found(self._now(), look_up, records)
                self._deliver_answers()
                self._wake.set()

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
            self._deliver_answers()
            self._wake.set()

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._calls.add(task)
        self._supervisor.watch(task)
        task.add_done_callback(self._calls.discard)

    def _resolve(self, numbers: list[int], *, granted: bool) -> None:
        if not numbers:
            return
        self._telemetry.retries(len(numbers), granted=granted)
        for number in numbers:
            permit = self._permits.pop(number, None)
            if permit is not None and not permit.done():
                permit.set_result(granted)

    async def _permit(self, batch: Batch) -> bool:
        """Wait for the permit of one more attempt; False where there is none to come."""
        permit: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._permits[batch.number] = permit
        self._engine.ask_retry(batch)
        self._wake.set()
        try:
            return await permit
        finally:
            self._permits.pop(batch.number, None)
            self._engine.forget_retry(batch)

    def _deliver_answers(self) -> None:
        """Deliver all answers that the engine has decided. Called after every event and every decision."""
        now = self._now()
        answers = self._engine.take_answers(now)
        if answers:
            self._telemetry.answered(now, answers)
        for answer in answers:
            answer.waiter.source.owner.deliver(answer)


def _entries_in(calls: Sequence[Batch]) -> int:
    """Return how many dial requests with waiters are in calls."""
    return sum(bool(entry.waiters) for call in calls for entry in call.entries)
