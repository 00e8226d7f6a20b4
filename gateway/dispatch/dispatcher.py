"""The shell around the core: wakes it, carries out what it decides, and reports the results to it.

Everything runs on one event loop. Whatever happens sets the same wake-up, and every wake-up runs
the same turn: ask the engine what to do now, do it, sleep until something happens or until the
instant that the engine named.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from gateway.connect.port import CallSender
from gateway.core.compliance.port import RequestGuard
from gateway.core.compliance.records import GuardRecord
from gateway.core.engine import Engine
from gateway.core.intake.dry_run import Checked
from gateway.core.model import Batch, DialRequest, Priority, Source, Waiter
from gateway.core.views.campaign_status import CampaignRow, Rows
from gateway.core.views.snapshot import Survey
from gateway.dispatch.answer_delivery import AnswerDelivery
from gateway.dispatch.call_tasks import CallTasks
from gateway.dispatch.campaign_actions import CampaignActions
from gateway.dispatch.event_log import ChangeLog, FailureRecord
from gateway.dispatch.room_gate import RoomGate
from gateway.dispatch.token_claims import TokenClaims
from gateway.runtime.memory import tenured
from gateway.runtime.supervision import Supervisor
from gateway.telemetry import Telemetry

log = logging.getLogger(__name__)

CLOCK_EVERY_S, CLOCK_STEP_S = 1.0, 0.1
"""Seconds between two checks of the wall clock, and the smallest jump in seconds that a check acts on."""

LAST_CHECKS_S, CHECKED_EVERY_S = 0.05, 0.002
"""Seconds that the denials of a call near its deadline wait for the fleet's ledger, and between two looks."""


class Dispatcher:
    """Drives one engine. `run` must be running for anything to be sent.

    `campaign_actions` is for operators.
    """

    def __init__(
        self,
        engine: Engine,
        sender: CallSender,
        telemetry: Telemetry,
        now: Callable[[], float],
        supervisor: Supervisor | None = None,
        gained: Callable[[], float] = lambda: 0.0,
        claims: TokenClaims | None = None,
    ) -> None:
        """`gained` returns the seconds by which the scale of expiries is ahead of `now`.

        `claims` reaches the ledger of the fleet; None without a shared state.
        """
        self._gained = gained
        self._supervisor = supervisor or Supervisor()
        self._engine = engine
        self._telemetry = telemetry
        self._now = now
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._delivery = AnswerDelivery(engine, telemetry, now)
        self._calls = CallTasks(
            engine, sender, telemetry, now, self._supervisor, self._delivery, self.wake, claims
        )
        self.campaign_actions = CampaignActions(engine, self._calls, self._delivery, now, self.wake)
        self._claims = claims
        self.shares_ledger = claims is not None
        """Whether other replicas may have sent the client tokens of this one."""
        self._room_gate = RoomGate(engine.room)
        self._changes = ChangeLog()
        self._draining_since: float | None = None
        self._running = False
        self.turning: Callable[[], None] | None = None
        """Called before each turn: a replica of a fleet may have to hear from the others first."""
        self.turned: Callable[[], None] | None = None
        """Called after each turn: a replica of a fleet may want to speak with the others earlier then."""

    # --- for those who bring dial requests --------------------------------------------------------

    def submit(
        self, arrivals: Sequence[tuple[Waiter, DialRequest]], priority: Priority = Priority.NORMAL
    ) -> None:
        """Take dial requests of one source for one campaign.

        Each is answered to the owner of the source, perhaps at once.
        """
        if self.failing:
            return  # whoever brings them answers them
        self._read_wall_clock()
        self._engine.submit(self._now(), arrivals, priority)
        for waiter, _ in arrivals:
            if waiter.span is not None and waiter.index in waiter.source.pending:
                self._telemetry.queued(waiter.span)
        self._delivery.deliver()
        self._wake.set()

    def source_closed(self, source: Source) -> None:
        """Note that a source sends no more."""
        if self.failing:
            return
        self._engine.source_closed(self._now(), source)
        self._wake.set()

    def source_gone(self, source: Source) -> None:
        """Forget a source that is gone, and drop the requests that only it waits for."""
        if self.failing:
            return
        if source.pending:
            log.debug("a caller left before its answers", extra={"unanswered": len(source.pending)})
        self._engine.source_gone(self._now(), source)
        self._wake.set()

    async def withdraw(self, source: Source) -> None:
        """Answer the remaining requests of a source at once, since its deadline is near.

        In a fleet, denials wait for its ledger a little.
        """
        answer_by = self._now() + LAST_CHECKS_S
        while source.pending and not self.failing:
            now = self._now()
            self._engine.withdraw(now, source, final=not self.shares_ledger or now >= answer_by)
            self._delivery.deliver()
            self._wake.set()
            # A slice at a time, with turns of the event loop in between.
            await asyncio.sleep(CHECKED_EVERY_S if self.shares_ledger else 0)

    def source_ending(self, source: Source) -> None:
        """Answer a source whose stream ends: requests in no call at once, the others when their calls end."""
        self._engine.source_ending(self._now(), source)
        self._wake.set()

    def room(self) -> int:
        """Return how many dial requests a caller may submit now; 0 or less if it must wait."""
        return self._room_gate.free()

    async def wait_for_room(self) -> int:
        """Wait until there is room, first come, first served; return how much. See `RoomGate.enter`."""
        return await self._room_gate.enter()

    @property
    def draining(self) -> bool:
        """Whether the gateway drains."""
        return self._engine.draining or self.failing

    @property
    def failing(self) -> bool:
        """Whether the gateway stops because of a bug: the engine is asked nothing more."""
        return self._supervisor.failing

    @property
    def draining_s(self) -> float:
        """For how many seconds the gateway has been draining."""
        return 0.0 if self._draining_since is None else self._now() - self._draining_since

    @property
    def running(self) -> bool:
        """Whether `run` is running."""
        return self._running

    @property
    def waiting_for_room(self) -> int:
        """How many wait for the gateway to take dial requests again."""
        return len(self._room_gate)

    def begin_snapshot(self) -> Survey:
        """Begin a snapshot of the core's figures; its campaigns are read in parts."""
        return self._engine.begin_snapshot(self._now())

    # --- for those who run the gateway ------------------------------------------------------------

    def rows(self, before: Mapping[str, CampaignRow]) -> Rows:
        """Make a row for each campaign, by its id in order, in parts. Equal rows of `before` are kept."""
        return self._engine.campaign_listing.rows(self._now(), before, tenured({}, len(before)))

    def row(self, campaign_id: str) -> CampaignRow:
        """Return the row of one campaign, whether anything is known of it or not."""
        return self._engine.campaign_listing.row(self._now(), campaign_id)

    def set_pace(self, rate: float, burst: float, *, forecasts: bool) -> None:
        """Keep to another call rate, in calls a second, and burst, in calls; see `Engine.set_pace`."""
        self._engine.set_pace(self._now(), rate, burst, forecasts=forecasts)
        self._wake.set()

    def use_guard(self, guard: RequestGuard) -> None:
        """Use a new guard. It also decides again about requests that wait or are in flight."""
        self._engine.guarding.use(guard)
        self.rules_changed()

    def rules_changed(self) -> None:
        """Decide again about all requests, since the rules of the guard have changed.

        Calls with a request that it does not allow any more are revoked; the next turns do the rest.
        """
        self._decide_again(self._engine.rules_changed)

    def numbers_changed(self) -> None:
        """Decide again about all requests, since numbers were suppressed or allowed again.

        Calls with a request that may not be sent any more are revoked; the rest is done soon, for many
        changes together.
        """
        self._decide_again(self._engine.numbers_changed)

    async def check(self, requests: Sequence[DialRequest]) -> list[Checked]:
        """Return what would happen to dial requests that arrive now. Nothing is sent or counted."""
        self._read_wall_clock()
        dry_run, now = self._engine.dry_run, self._now()
        checked = [dry_run.check(now, request) for request in requests]
        limited = dry_run.contacts(requests, checked)
        if not limited or self._claims is None:
            return checked
        counts = await self._claims.look_at_contacts(list(limited.values()))
        for place, at in enumerate(limited):
            count = None if counts is None else counts[place]
            checked[at] = dry_run.limited(now, requests[at], checked[at], count)
        return checked

    def tell_guard_decisions(self, decided: Callable[[Sequence[GuardRecord]], None]) -> None:
        """Call a function with the guard's decisions from now on; it must not wait or raise."""
        self._delivery.guard_decided = decided

    @property
    def waiting_for_opening(self) -> int:
        """How many dial requests wait until the guard allows them."""
        return self._engine.guarding.waiting

    def pace(self) -> tuple[float, float, int]:
        """Return the present and the set rate, in calls a second, and how many requests are outstanding."""
        return self._engine.call_rate, self._engine.call_rate_ceiling, self._engine.outstanding

    def failures(self) -> list[FailureRecord]:
        """Return the last calls that failed, the oldest first."""
        return self._calls.failures()

    def answers(self) -> tuple[int, ...]:
        """Return how many dial requests were answered since the start, by outcome in order."""
        return tuple(self._engine.statistics.totals.values())

    def accepted_and_replayed(self) -> tuple[int, int]:
        """Return how many dial requests Connect accepted, and were replayed, since the start."""
        return self._engine.statistics.accepted, self._engine.statistics.replayed

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
        """Take the next turn at once, since something has happened to the engine."""
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
        """Begin to drain: take nothing more, and send what can be sent within the grace time."""
        send_s = grace_s - min(1.0, 0.2 * grace_s)  # the last calls need time to come back
        now = self._now()
        self._draining_since = now
        self._engine.drain(now, now + send_s)
        self._wake.set()

    async def drained(self) -> None:
        """Wait until all outstanding requests are answered."""
        while self._engine.outstanding:
            self._empty.clear()
            self._wake.set()
            await self._empty.wait()

    def abandon(self) -> None:
        """Begin to answer everything, and stop waiting for calls in flight; `run` answers the rest."""
        try:
            unsent = self._calls.revoke(self._engine.revoke_calls())
            self._engine.abandon(self._now(), unsent)
            self._calls.record_settlements()
            self._delivery.deliver()
        finally:
            self._calls.cancel()
            self._wake.set()

    async def answer_abandoned(self) -> None:
        """Give the answers that `abandon` has left, if `run` no longer runs."""
        while self._engine.unfinished:
            self._engine.do_slice(self._now())
            self._delivery.deliver()
            await asyncio.sleep(0)

    # --- implementation ---------------------------------------------------------------------------

    def _turn(self) -> float | None:
        """Do what the engine decides; return the instant of the next turn if nothing happens before."""
        self._read_wall_clock()
        if self.turning is not None:
            self.turning()
        decision = self._engine.poll(self._now())
        self._calls.revoke(decision.revoked)
        self._delivery.deliver()
        for waiter in decision.departed:
            self._telemetry.dropped(waiter.span)
        if decision.dropped:
            self._telemetry.dropped_unsent(decision.dropped)
        for source, campaign_id, notice in decision.notices:
            source.owner.notify(campaign_id, notice)
        for change in decision.changes:
            self._telemetry.changed(change)
            self._changes.note(change)
        self._note_rate()
        self._calls.carry_out(decision)
        self._room_gate.offer()
        if not self._engine.outstanding:
            self._empty.set()
        if self.turned is not None:
            self.turned()
        return decision.wake_at

    def _decide_again(self, changed: Callable[[float], Sequence[Batch]]) -> None:
        """Tell the engine of a change of the guard, and revoke the calls that it returns."""
        if not self.failing:
            self._calls.revoke(changed(self._now()))
            self._delivery.deliver()
            self._wake.set()

    def _note_rate(self) -> None:
        engine = self._engine
        self._changes.note_rate(engine.call_rate, engine.call_rate_ceiling, is_cut=engine.call_rate_is_cut)

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
