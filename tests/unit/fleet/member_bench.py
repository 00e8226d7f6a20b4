"""A member of a fleet with scripted permits, actions and store, on virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.fleet.messages import (
    ControlReply,
    ControlRequest,
    FleetSettings,
    Member,
    TickReply,
    TickRequest,
)
from gateway.core.quota.beat_times import BEAT_EVERY_S
from gateway.core.quota.pause_watch import PauseWatch
from gateway.fleet.member import FleetMember
from gateway.shared_state.port import Beat, BeatReply, SharedStateUnavailable
from tests.simulation.fleet import virtual_loop

SETTINGS = FleetSettings(10.0, 10.0, 1200.0)
HERE, OTHER = Member("here-1", "here"), Member("other-1", "other")
AWAY = SharedStateUnavailable("store:6379: refuses connections")
LONGEST_S = 5.0


@dataclass
class Bench:
    """A member with scripted permits, actions and store; `events` is what happened, in order."""

    events: list[str] = field(default_factory=list)
    sent: list[Beat] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    problem: Exception | None = None
    takes_s: float = 0.0
    wanted_at: float | None = None
    every_s: float = BEAT_EVERY_S
    within_s: float | None = None
    members: Sequence[Member] = (HERE,)
    differing: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    bugs: list[Exception] = field(default_factory=list)
    solo: bool = False
    name_taken: bool = False
    granted: int = 0
    returned: int = 0
    sequence: int = 0
    pauses: PauseWatch = field(default_factory=PauseWatch)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.member = FleetMember(
            HERE, self.send, self, self, loop.time, lambda: self.note("wake"), LONGEST_S, self.ended
        )
        self.member.reply_seen = lambda reply: self.note("seen")

    def note(self, event: str) -> None:
        self.events.append(event)

    # --- the store --------------------------------------------------------------------------------

    async def send(self, beat: Beat) -> BeatReply:
        self.sent.append(beat)
        self.sent_at.append(asyncio.get_running_loop().time())
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.problem is not None:
            raise self.problem
        tick = TickReply("e-1", tuple(self.members), SETTINGS, 10.0, differing=self.differing)
        if self.name_taken:
            tick = TickReply("", (), SETTINGS, 10.0, name_taken=True)
        return BeatReply(tick, ControlReply(0, 0, None))

    async def ended(self, members: Sequence[Member]) -> tuple[str, ...]:
        if self.bugs:
            raise self.bugs.pop()
        return self.gone

    # --- permits ----------------------------------------------------------------------------------

    def tick(self, now: float, gone: Sequence[str] = (), *, leaving: bool = False) -> TickRequest:
        self.sequence += 1
        return TickRequest(HERE.member, HERE.name, self.sequence, SETTINGS, gone=tuple(gone), leaving=leaving)

    def ticked(self, sent_at: float, now: float, reply: TickReply) -> None:
        self.note("permits")
        self.wanted_at = None

    def tick_failed(self, now: float) -> None:
        self.note("failed")

    def tick_at(self, now: float) -> float:
        return self.sent_at[-1] + self.every_s if self.wanted_at is None else self.wanted_at

    # --- operators' actions -----------------------------------------------------------------------

    def request(self) -> ControlRequest:
        return ControlRequest(HERE.member, 0)

    def replied(self, reply: ControlReply, sent_at: float, received_at: float) -> None:
        self.note("holds")

    def beat_within_s(self) -> float | None:
        return self.within_s


def on_virtual_time(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on a virtual event loop, with the member's loop of beats running."""

    async def run() -> None:
        bench = Bench()
        beating = asyncio.create_task(bench.member.run())
        try:
            await test(bench)
        finally:
            beating.cancel()

    def wrapped() -> None:
        virtual_loop.run(run())

    wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
    return wrapped
