"""A replica exchanges beats in time, puts holds in force before permits, and tells how it goes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.core.fleet.messages import (
    ControlReply,
    ControlRequest,
    FleetSettings,
    Member,
    TickReply,
    TickRequest,
)
from gateway.core.quota.beat_times import BEAT_EVERY_S, IDLE_BEAT_EVERY_S
from gateway.core.quota.pause_watch import HEAR_S, PauseWatch
from gateway.dispatch.fleet_member import FleetMember
from gateway.shared_state.port import Beat, BeatReply, SharedStateRefused, SharedStateUnavailable
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


@on_virtual_time
async def test_beats_are_regular(bench: Bench) -> None:
    await asyncio.sleep(1.1)
    assert bench.sent_at == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-3)


@on_virtual_time
async def test_an_idle_replica_sends_fewer_beats_but_not_after_a_failed_one(
    bench: Bench,
) -> None:
    bench.every_s = IDLE_BEAT_EVERY_S
    await asyncio.sleep(0.7)
    bench.problem = AWAY
    await asyncio.sleep(0.6)
    bench.problem = None
    await asyncio.sleep(0.6)
    assert bench.sent_at == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.1, 1.3, 1.6], abs=1e-3)


@on_virtual_time
async def test_an_idle_replica_whose_permits_want_a_beat_does_not_wait(bench: Bench) -> None:
    bench.every_s = IDLE_BEAT_EVERY_S
    await asyncio.sleep(0.05)
    bench.every_s = BEAT_EVERY_S
    bench.member.turned()
    await asyncio.sleep(0.2)
    assert bench.sent_at == pytest.approx([0.0, 0.2], abs=1e-3)


@on_virtual_time
async def test_a_slow_reply_does_not_shift_the_next_beat(bench: Bench) -> None:
    bench.takes_s = 0.15
    await asyncio.sleep(0.65)
    assert bench.sent_at == pytest.approx([0.0, 0.2, 0.4, 0.6], abs=1e-3)


@on_virtual_time
async def test_permits_that_are_wanted_are_asked_for_at_once(bench: Bench) -> None:
    """The dispatcher's turn shows the wish; two beats are never closer than the shortest gap."""
    await asyncio.sleep(0.05)
    bench.wanted_at = 0.05
    bench.member.turned()
    await asyncio.sleep(0.001)
    assert bench.sent_at == pytest.approx([0.0, 0.05], abs=1e-3)
    bench.wanted_at = 0.0
    bench.member.turned()
    await asyncio.sleep(0.1)
    assert bench.sent_at == pytest.approx([0.0, 0.05, 0.055], abs=1e-3)


@on_virtual_time
async def test_urgent_beats_are_no_denser_than_ten_in_a_fifth_of_a_second(bench: Bench) -> None:
    for _ in range(1000):
        bench.wanted_at = 0.0
        bench.member.turned()
        await asyncio.sleep(0.001)
    assert bench.sent_at[:3] == pytest.approx([0.0, 0.005, 0.01], abs=2e-3)
    assert max(sum(at <= one < at + 0.2 for one in bench.sent_at) for at in bench.sent_at) == 10
    assert len(bench.sent) in range(45, 56)


@on_virtual_time
async def test_a_turn_without_a_wish_changes_nothing(bench: Bench) -> None:
    await asyncio.sleep(0.05)
    for _ in range(100):
        bench.member.turned()
    await asyncio.sleep(0.1)
    assert len(bench.sent) == 1


@on_virtual_time
async def test_actions_that_wait_for_confirmation_hurry_the_beats(bench: Bench) -> None:
    bench.within_s = 0.05
    bench.member.wake()
    await asyncio.sleep(0.21)
    assert bench.sent_at == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2], abs=5e-3)


@on_virtual_time
async def test_a_wake_during_a_beat_is_not_lost(bench: Bench) -> None:
    bench.takes_s = 0.1
    await asyncio.sleep(0.05)
    bench.member.wake()
    await asyncio.sleep(0.06)
    assert len(bench.sent) == 2


@on_virtual_time
async def test_holds_and_doubts_are_in_force_before_the_permits_of_the_same_reply(bench: Bench) -> None:
    await asyncio.sleep(0.01)
    assert bench.events == ["holds", "seen", "permits", "wake"]


@on_virtual_time
async def test_while_the_store_is_away_beats_are_no_denser(bench: Bench) -> None:
    """A wish for permits cannot be met, so it does not hurry beats that fail."""
    bench.problem = AWAY
    for _ in range(100):
        bench.wanted_at = 0.0
        bench.member.turned()
        await asyncio.sleep(0.01)
    assert len(bench.sent) <= 7
    assert set(bench.events) == {"failed", "wake"}


@on_virtual_time
async def test_the_return_of_the_store_is_used_at_once(bench: Bench) -> None:
    bench.problem = AWAY
    await asyncio.sleep(0.65)
    bench.problem = None
    bench.member.wake()
    await asyncio.sleep(0.001)
    assert bench.events[-1] == "wake"
    assert bench.member.in_words() == (True, "connected; 1 replica")


@on_virtual_time
async def test_how_it_goes_in_words_and_figures(bench: Bench) -> None:
    bench.problem = AWAY
    assert bench.member.in_words() == (
        False,
        "unavailable since the start: no reply yet; nothing is sent before it has answered once",
    )
    await asyncio.sleep(0.3)
    assert bench.member.in_words()[1].startswith(f"unavailable since the start: {AWAY}; nothing is sent")
    assert bench.member.figures().outage_s == pytest.approx(0.3, abs=1e-3)
    bench.problem = None
    bench.members = (HERE, OTHER)
    await asyncio.sleep(0.3)
    assert bench.member.in_words() == (True, "connected; 2 replicas")
    bench.members = (HERE, replace(OTHER, lost=True))
    assert bench.member.in_words() == (True, "connected; 2 replicas, 1 of them lost")
    assert bench.member.live() == [HERE.member]
    bench.problem = AWAY
    await asyncio.sleep(0.25)
    assert bench.member.in_words()[1].startswith("connected")  # one missed beat is a hiccup
    assert not bench.member.figures().connected
    await asyncio.sleep(2.0)
    ready, words = bench.member.in_words()
    assert ready
    assert words.startswith("unavailable for 2 s: ")
    assert "at its own part of the rate" in words
    await asyncio.sleep(LONGEST_S)
    ready, words = bench.member.in_words()
    assert not ready
    assert words.endswith("nothing is sent: the holds that were read last are too old")
    assert bench.member.figures().missed > 30


def test_an_outage_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def outage(bench: Bench) -> None:
        await asyncio.sleep(0.1)
        for _ in range(2):
            bench.problem = AWAY
            await asyncio.sleep(3.0)
            bench.problem = None
            await asyncio.sleep(0.3)

    outage()
    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    away, back = "the shared state is unavailable", "the shared state answers again"
    assert lines == ["this replica has joined its fleet", away, back, away, back]


def test_a_single_missed_beat_is_not_logged_and_a_refusal_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def hiccup(bench: Bench) -> None:
        await asyncio.sleep(0.1)
        bench.problem = AWAY
        await asyncio.sleep(0.2)
        bench.problem = None
        await asyncio.sleep(0.2)
        assert len(caplog.records) == 1
        bench.problem = SharedStateRefused("store:6379: the user lacks a permission")
        await asyncio.sleep(0.2)
        assert "the user lacks a permission" in caplog.records[-1].getMessage()

    hiccup()


def test_different_settings_are_logged_when_they_begin_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")

    @on_virtual_time
    async def differing(bench: Bench) -> None:
        bench.differing = ("call_rate",)
        await asyncio.sleep(1.0)
        assert bench.member.notes() == {
            "fleet": "replicas have different settings, and the stricter apply to all: call_rate"
        }
        assert bench.member.figures().settings_differ
        bench.differing = ()
        await asyncio.sleep(1.0)
        assert bench.member.notes() == {}

    differing()
    texts = [record.getMessage() for record in caplog.records]
    assert sum("DIFFERENT SETTINGS" in text for text in texts) == 1
    assert sum("same settings again" in text for text in texts) == 1


@on_virtual_time
async def test_members_that_have_ended_are_reported_with_the_next_beat(bench: Bench) -> None:
    bench.members = (HERE, replace(OTHER, lost=True))
    bench.gone = (OTHER.member,)
    await asyncio.sleep(0.3)
    assert [beat.tick.gone for beat in bench.sent] == [(), (OTHER.member,)]


@on_virtual_time
async def test_a_replica_that_leaves_says_so_and_sends_no_beat_after_it(bench: Bench) -> None:
    await asyncio.sleep(0.1)
    await bench.member.leave()
    assert [beat.tick.leaving for beat in bench.sent] == [False, True]
    await asyncio.sleep(1.0)
    assert len(bench.sent) == 2


@on_virtual_time
async def test_leaving_during_a_beat_waits_for_its_end(bench: Bench) -> None:
    bench.takes_s = 0.15
    await asyncio.sleep(0.05)
    await bench.member.leave()
    assert [beat.tick.leaving for beat in bench.sent] == [False, True]


@on_virtual_time
async def test_leaving_without_the_store_takes_one_attempt(bench: Bench) -> None:
    bench.problem = AWAY
    await asyncio.sleep(0.3)
    began = asyncio.get_running_loop().time()
    await bench.member.leave()
    assert asyncio.get_running_loop().time() - began < 0.2


def test_a_name_that_another_replica_has_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A replica with this name that has just ended is no reason for a line in the log."""
    caplog.set_level(logging.INFO, "gateway")
    taken = (
        "another live replica of the fleet is named 'here' as well: DIAL_GATEWAY_REPLICA must differ; "
        "nothing is sent"
    )

    @on_virtual_time
    async def twins(bench: Bench) -> None:
        bench.name_taken = True
        await asyncio.sleep(1.0)
        assert bench.member.in_words() == (False, taken)
        assert not bench.member.figures().connected
        assert set(bench.events) == {"permits", "wake"}  # no holds are read, and nothing counts as heard
        assert not caplog.records
        await asyncio.sleep(3.0)
        assert [record.getMessage() for record in caplog.records] == [taken]
        bench.name_taken = False
        await asyncio.sleep(0.3)
        assert bench.member.in_words() == (True, "connected; 1 replica")

    twins()


@on_virtual_time
async def test_a_slow_beat_is_no_pause(bench: Bench) -> None:
    """While a beat waits for its reply this process runs, also if there is nothing else to do."""
    bench.takes_s = 2.0
    showing = asyncio.create_task(bench.member.show_life())
    await asyncio.sleep(10.0)
    showing.cancel()
    assert bench.pauses.waits_until < 0.0


@on_virtual_time
async def test_a_turn_after_a_pause_ends_it(bench: Bench) -> None:
    now = asyncio.get_running_loop().time()
    bench.pauses.runs(now - 30.0)
    bench.member.turning()
    assert bench.pauses.waits_until == now + HEAR_S
