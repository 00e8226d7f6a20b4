"""Makes this replica a member of its fleet: exchanges beats with the shared state, and reports on them.

A beat is the heartbeat of a replica. It asks for permits, reports what the replica has carried out, and
brings back permits, the members of the fleet, operators' actions and conditions of campaigns.

Permits say when the next beat is due: more often if the replica has calls to make, less often if it is idle.
Operators' actions and conditions of campaigns may want it earlier. No call waits for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.core.fleet.messages import Member, TickReply
from gateway.core.quota.beat_times import BEAT_EVERY_S, IDLE_BEAT_EVERY_S
from gateway.core.quota.pause_watch import SIGN_EVERY_S
from gateway.fleet.beat_pace import BeatPace
from gateway.fleet.beat_protocols import CampaignConditions, ControlExchange, Ticks
from gateway.runtime.supervision import trace_of
from gateway.shared_state.port import Beat, BeatReply, SharedStateError, SharedStateRefused
from gateway.telemetry import FleetFigures

log = logging.getLogger(__name__)

OUTAGE_BEATS, OUTAGE_S = 3, 0.75
"""Beats missed in a row, or seconds without a reply if one is missed, after which an outage is logged;
shorter interruptions are not logged."""
NAME_REFUSALS = 10
"""Beats refused in a row because of the name after which that is logged. A replica that has just ended keeps
its name for a second."""
LEAVE_S = 1.0
"""Seconds to leave the fleet in, at most."""


Send = Callable[[Beat], Awaitable[BeatReply]]
Ended = Callable[[Sequence[Member]], Awaitable[tuple[str, ...]]]
"""Returns the lost members whose processes have certainly ended."""


class FleetMember:
    """Exchanges beats for `member`, this replica.

    `send` exchanges a beat, and raises `SharedStateError`. `now` returns seconds on the gateway's clock.
    `wake_dispatcher` is called after each beat, `reply_seen` with each reply before its permits are used.
    Without a reply for longer than `longest_outage_s` nothing is sent, which the permits decide.
    """

    def __init__(
        self,
        member: Member,
        send: Send,
        ticks: Ticks,
        exchange: ControlExchange,
        now: Callable[[], float],
        wake_dispatcher: Callable[[], None],
        longest_outage_s: float,
        ended: Ended | None = None,
        conditions: CampaignConditions | None = None,
    ) -> None:
        self.member = member
        self.reply_seen: Callable[[BeatReply], None] = lambda _: None
        self._send = send
        self._ended = ended
        self._ticks = ticks
        self._exchange = exchange
        self._conditions = conditions
        self._now = now
        self._wake_dispatcher = wake_dispatcher
        self._longest_outage_s = longest_outage_s
        self._alarm = asyncio.Event()
        self._sent_at = float("-inf")
        self._pace = BeatPace()
        self._due = float("-inf")
        self._began_at = now()
        self._replied_at: float | None = None
        self._problem: SharedStateError | None = None
        self._missed = self._missed_in_a_row = 0
        self._is_logged = False
        self._name_taken = False
        self._name_refusals = 0  # in a row
        self._differing: tuple[str, ...] = ()
        self._gone: tuple[str, ...] = ()
        self._looking: asyncio.Task[None] | None = None
        self._leaving = False
        self._has_left = asyncio.Event()

    @property
    def members(self) -> Sequence[Member]:
        """All replicas as the last reply named them, this one included."""
        return self._ticks.members

    def live(self) -> list[str]:
        """Return the members that are not lost, by the last reply."""
        return [each.member for each in self._ticks.members if not each.lost]

    # --- beats ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Exchange beats until cancelled."""
        try:
            while not self._has_left.is_set():
                await self._sleep_until_due()
                await self._beat()
            await asyncio.Future()  # until cancelled: that a task still runs is no bug
        finally:
            if self._looking is not None:
                self._looking.cancel()

    def wake(self) -> None:
        """Exchange the next beat soon, since the wishes of permits or actions have changed."""
        self._due = min(self._due, self._pace.earliest)
        self._alarm.set()

    def turning(self) -> None:
        """Note that this process runs; after a pause it hears from the shared state before it sends."""
        self._ticks.pauses.runs(self._now())

    async def show_life(self) -> None:
        """Note that this process runs, also while a beat waits for its reply, until cancelled."""
        while True:
            self.turning()
            await asyncio.sleep(SIGN_EVERY_S)

    def turned(self) -> None:
        """Note that the dispatcher has done what was to do: a beat may be wanted earlier now."""
        if self._missed_in_a_row:
            return
        wanted = self._ticks.tick_at(self._now())
        if self._conditions is not None and self._conditions.has_news:
            wanted = self._sent_at
        if wanted < self._due:
            self._due = max(wanted, self._pace.earliest)
            self._alarm.set()

    async def leave(self) -> None:
        """Return the permits and leave the fleet, if the shared state answers at once. No beat follows."""
        self._leaving = True
        self.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._has_left.wait()

    async def _sleep_until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while (wait_s := self._due - self._now()) > 0:
            self._alarm.clear()
            timer = loop.call_later(wait_s, self._alarm.set)
            try:
                await self._alarm.wait()
            finally:
                timer.cancel()

    async def _beat(self) -> None:
        try:
            await self._exchange_beat()
        except SharedStateError as problem:
            self.turning()
            self._failed(problem)
            self._due = min(self._due, self._sent_at + BEAT_EVERY_S)
        self._look_for_ended()
        self._wake_dispatcher()

    async def _exchange_beat(self) -> None:
        """Exchange a beat. Raises `SharedStateError`."""
        self._sent_at = sent_at = self._now()
        self._pace.sent(sent_at)
        self._due = sent_at + IDLE_BEAT_EVERY_S  # at the latest
        tick = self._ticks.tick(sent_at, self._gone, leaving=self._leaving)
        conditions = self._conditions
        asked = None if conditions is None else conditions.request(sent_at, leaving=self._leaving)
        reply = await self._send(Beat(tick, self._exchange.request(), asked))
        self.turning()
        now = self._now()
        if reply.tick.name_taken:
            self._ticks.ticked(sent_at, now, reply.tick)
            self._shut_out()
            self._plan(now)
            return
        self._succeeded(now, reply.tick)
        self._exchange.replied(reply.control, sent_at, now)  # holds and doubts first: permits may follow
        if conditions is not None:
            conditions.replied(now, reply.tick, reply.conditions_version, reply.conditions)
        self.reply_seen(reply)
        self._ticks.ticked(sent_at, now, reply.tick)
        self._plan(now)
        if tick.leaving:
            self._has_left.set()

    def _plan(self, now: float) -> None:
        wanted = [self._due, self._ticks.tick_at(now)]
        if (within_s := self._exchange.beat_within_s()) is not None:
            wanted.append(self._sent_at + within_s)
        if self._conditions is not None and self._conditions.wants_beat():
            wanted.append(self._sent_at)
        self._due = max(min(wanted), self._pace.earliest)

    def _look_for_ended(self) -> None:
        """Ask, beside the beats, which lost members have ended."""
        if (
            self._ended is not None
            and len(self._ticks.members) > 1
            and (self._looking is None or self._looking.done())
        ):
            self._looking = asyncio.create_task(self._look(), name="fleet: ended members")

    async def _look(self) -> None:
        if self._ended is not None:
            try:
                self._gone = await self._ended(self._ticks.members)
            except Exception as bug:  # noqa: BLE001 - the next look may succeed
                log.error("looking for replicas that have ended met a bug:\n%s", trace_of(bug))

    # --- state ------------------------------------------------------------------------------------

    def _succeeded(self, now: float, reply: TickReply) -> None:
        if self._is_logged:
            away_s = now - self._answered_at
            log.info("the shared state answers again", extra={"away_s": round(away_s, 1)})
        elif self._replied_at is None:
            log.info("this replica has joined its fleet", extra={"replicas": len(reply.members)})
        self._is_logged = self._name_taken = False
        self._name_refusals = 0
        self._replied_at, self._problem, self._missed_in_a_row = now, None, 0
        if reply.differing != self._differing:
            self._differing = reply.differing
            self._log_differing()

    def _shut_out(self) -> None:
        """Note that another live replica has this name, so that this one is no member."""
        self._name_taken = True
        self._replied_at, self._problem, self._missed_in_a_row = None, None, 0
        if self._leaving:
            self._has_left.set()
        if self._name_refusals == NAME_REFUSALS:
            log.error("%s; nothing is sent", self._words_on_name())
        self._name_refusals += 1

    def _words_on_name(self) -> str:
        return (
            f"another live replica of the fleet is named {self.member.name!r} as well: "
            "DIAL_GATEWAY_REPLICA must differ"
        )

    def _log_differing(self) -> None:
        if self._differing:
            words = "REPLICAS OF THE FLEET HAVE DIFFERENT SETTINGS: the stricter ones apply to all"
            log.warning(words, extra={"settings": list(self._differing)})
        else:
            log.info("all replicas of the fleet have the same settings again")

    def _failed(self, problem: SharedStateError) -> None:
        self._ticks.tick_failed(self._now())
        if self._conditions is not None:
            self._conditions.failed(self._now())
        self._problem, self._name_taken = problem, False
        if self._leaving:
            self._has_left.set()
        self._missed += 1
        self._missed_in_a_row += 1
        is_outage = self._is_outage or isinstance(problem, SharedStateRefused)
        if is_outage and not self._is_logged:
            self._is_logged = True
            log.error("the shared state is unavailable: %s; %s", problem, self._consequence())

    @property
    def _is_outage(self) -> bool:
        missed = self._missed_in_a_row
        return missed >= OUTAGE_BEATS or (missed > 0 and self.outage_s >= OUTAGE_S)

    def _consequence(self) -> str:
        if self._replied_at is None:
            return "nothing is sent before it has answered once"
        if self.outage_s > self._longest_outage_s:
            return "nothing is sent: the holds that were read last are too old"
        return "this replica sends at its own part of the rate, and answers in doubt are UNKNOWN"

    @property
    def _answered_at(self) -> float:
        return self._began_at if self._replied_at is None else self._replied_at

    @property
    def outage_s(self) -> float:
        """Seconds since the last reply if the last beat failed, or since the start before the first reply."""
        is_away = self._problem is not None or self._replied_at is None
        return self._now() - self._answered_at if is_away else 0.0

    def in_words(self) -> tuple[bool, str]:
        """Return whether the fleet lets this replica send, and the state of the shared state, in words."""
        problem = self._problem or "no reply yet"
        if self._name_taken:
            return False, f"{self._words_on_name()}; nothing is sent"
        if self._replied_at is None:
            return False, f"unavailable since the start: {problem}; {self._consequence()}"
        if self._is_outage:
            away_s = self.outage_s
            words = f"unavailable for {away_s:.0f} s: {problem}; {self._consequence()}"
            return away_s <= self._longest_outage_s, words
        members = self._ticks.members
        lost = sum(each.lost for each in members)
        words = f"connected; {len(members)} replica{'s' * (len(members) != 1)}"
        return True, f"{words}, {lost} of them lost" if lost else words

    def notes(self) -> dict[str, str]:
        """Return observations for people."""
        if not self._differing:
            return {}
        names = ", ".join(self._differing)
        return {"fleet": f"replicas have different settings, and the stricter apply to all: {names}"}

    def figures(self) -> FleetFigures:
        """Return the figures for metrics."""
        members = self._ticks.members
        return FleetFigures(
            connected=self._replied_at is not None and self._problem is None,
            outage_s=self.outage_s,
            missed=self._missed,
            members=len(members),
            members_lost=sum(each.lost for each in members),
            solo=self._ticks.solo,
            settings_differ=bool(self._differing),
            granted=self._ticks.granted,
            returned=self._ticks.returned,
        )
