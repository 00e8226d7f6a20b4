"""Operators' actions reach every replica of a fleet, and those that have not carried them out are named."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from gateway.core.campaigns.holds import ActionKind
from gateway.core.fleet.messages import FleetAction, FleetActionKind, Member
from gateway.core.views.campaign_status import CampaignState
from gateway.fleet.control import FleetControl
from gateway.fleet.membership import ActionResult, SharedStateAway
from gateway.runtime.supervision import Supervisor
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.control import ControlRules
from tests.simulation.fleet.virtual_loop import on_virtual_time
from tests.unit.dispatch.test_dispatcher import NOW, Bench, Owner, running, turns

HOLD, RELEASE, PURGE = FleetActionKind.HOLD, FleetActionKind.RELEASE, FleetActionKind.PURGE
EPOCH_MS = 1_700_000_000_000
"""The store's time when the replicas' clocks show `NOW`."""


@dataclass
class Replica:
    """One replica with its dispatcher, a member of `fleet`."""

    name: str
    bench: Bench
    fleet: "Fleet"
    control: FleetControl = field(init=False)
    reachable: bool = True
    removed: bool = False
    knows_members: bool = True
    wakes: int = 0

    def __post_init__(self) -> None:
        self.control = FleetControl(
            self.bench.dispatcher.campaign_actions,
            self.now,
            Supervisor(),
            record=self._record,
            confirmed_within_s=0.05,
            counted_within_s=0.05,
        )
        self.control.join(self)

    def now(self) -> float:
        return self.bench.now[0]

    @property
    def member(self) -> Member:
        return Member(f"{self.name}-1", self.name)

    @property
    def members(self) -> list[Member]:
        members = [each.member for each in self.fleet.replicas.values() if not each.removed]
        return members if self.knows_members else []

    def wake(self) -> None:
        self.wakes += 1

    def beat(self, *, lost_reply: bool = False) -> None:
        if not self.reachable:
            return
        reply = self.fleet.rules.exchange(self.fleet.now_ms(), self.control.request())
        if not lost_reply:
            self.control.replied(reply, self.now(), self.now())

    def act(
        self, kind: FleetActionKind, *, answering: bool = False
    ) -> Coroutine[None, None, ActionResult | None]:
        return self.control.act(kind, "c", "Ines", "complaints", answering=answering)

    def state(self) -> CampaignState:
        return self.bench.dispatcher.row("c").state

    async def _record(self, action: FleetAction) -> FleetAction | None:
        if not self.reachable:
            raise SharedStateUnavailable("no reply in time")
        return self.fleet.rules.act(self.fleet.now_ms(), action)


@dataclass
class Fleet:
    """Replicas around the rules of one store; a beat of all of them is exchanged whenever a test asks."""

    rules: ControlRules = field(default_factory=ControlRules)
    replicas: dict[str, Replica] = field(default_factory=dict)

    def now_ms(self) -> int:
        replica = next(iter(self.replicas.values()))
        return EPOCH_MS + round((replica.now() - NOW) * 1000)

    async def advance(self, seconds: float) -> None:
        for replica in self.replicas.values():
            await replica.bench.advance(seconds)

    def beat(self) -> None:
        for replica in self.replicas.values():
            replica.beat()

    async def done(self, action: Awaitable[ActionResult | None]) -> ActionResult:
        """Exchange beats until an action has its result."""
        task = asyncio.ensure_future(action)
        while not task.done():
            await turns()
            self.beat()
        result = task.result()
        assert result is not None
        return result


@asynccontextmanager
async def fleet_of(*names: str) -> AsyncIterator[Fleet]:
    """Run replicas whose calls never get a permit, so that their requests wait."""
    fleet = Fleet()
    async with AsyncExitStack() as stack:
        for name in names:
            slow = running(call_rate=0.001, call_burst=1.0, forecast=False)
            bench = await stack.enter_async_context(slow)
            fleet.replicas[name] = Replica(name, bench, fleet)
            bench.dispatcher.submit(Owner().arrivals(1, "warm-up"))  # spends the permit
            await turns()
        fleet.beat()
        yield fleet


@on_virtual_time
async def test_a_hold_stops_all_replicas_and_names_them() -> None:
    """A hold requested from one replica is in force in all when it returns, and waiting requests wait."""
    async with fleet_of("a", "b", "c") as fleet:
        owner = Owner()
        fleet.replicas["c"].bench.dispatcher.submit(owner.arrivals(7))
        result = await fleet.done(fleet.replicas["a"].act(HOLD))
        assert result == ActionResult(0, ("a", "b", "c"), ())
        assert {replica.state() for replica in fleet.replicas.values()} == {CampaignState.HELD}
        hold = fleet.replicas["b"].bench.dispatcher.row("c").hold
        assert hold is not None
        assert (hold.caller, hold.reason) == ("Ines", "complaints")
        assert abs(hold.at - NOW) < 0.01
        assert owner.told == []


@on_virtual_time
async def test_answers_of_all_replicas_are_counted() -> None:
    """A hold that answers, and a purge, return the number of dial requests answered by all replicas."""
    async with fleet_of("a", "b") as fleet:
        owners = {name: Owner() for name in fleet.replicas}
        for count, (name, owner) in enumerate(owners.items(), 3):
            fleet.replicas[name].bench.dispatcher.submit(owner.arrivals(count))
        result = await fleet.done(fleet.replicas["b"].act(HOLD, answering=True))
        assert result.answered == 3 + 4
        assert {outcome for owner in owners.values() for outcome in owner.outcomes} == {"NOT_ACCEPTED HELD"}
        await fleet.done(fleet.replicas["a"].act(RELEASE))
        for owner, replica in zip(owners.values(), fleet.replicas.values(), strict=True):
            replica.bench.dispatcher.submit(owner.arrivals(2))
        result = await fleet.done(fleet.replicas["a"].act(PURGE))
        assert (result.answered, result.unconfirmed) == (4, ())
        action = fleet.replicas["b"].bench.dispatcher.row("c").action
        assert action is not None
        assert (action.kind, action.answered) == (ActionKind.PURGE, 2)


@on_virtual_time
async def test_a_replica_that_knows_no_members_does_not_speak_for_them() -> None:
    """Before its first beat others may exist, so a hold is confirmed for this replica only."""
    async with fleet_of("a", "b") as fleet:
        fleet.replicas["a"].knows_members = False
        result = await fleet.done(fleet.replicas["a"].act(HOLD))
        assert result == ActionResult(0, ("a",), only_here=True)


@on_virtual_time
async def test_a_hold_waits_for_the_members() -> None:
    """A beat that names them in time lets all confirm."""
    async with fleet_of("a", "b") as fleet:
        a = fleet.replicas["a"]
        a.knows_members = False
        acting = asyncio.create_task(a.act(HOLD))
        await turns()
        assert not acting.done()
        a.knows_members = True
        assert await fleet.done(acting) == ActionResult(0, ("a", "b"), ())


@on_virtual_time
async def test_a_replica_that_does_not_beat_is_named() -> None:
    """A replica that cannot reach the store is named as unconfirmed; it learns of the hold when it can."""
    async with fleet_of("a", "b", "c") as fleet:
        fleet.replicas["b"].reachable = False
        result = await fleet.done(fleet.replicas["a"].act(HOLD))
        assert result == ActionResult(0, ("a", "c"), ("b",))
        assert fleet.replicas["b"].state() is CampaignState.FLOWING
        fleet.replicas["b"].reachable = True
        fleet.beat()
        assert fleet.replicas["b"].state() is CampaignState.HELD


@on_virtual_time
async def test_a_replica_that_is_removed_meanwhile_is_named() -> None:
    """The store may forget a replica that it does not hear of; the operator hears that it did not confirm."""
    async with fleet_of("a", "b", "c") as fleet:
        acting = asyncio.ensure_future(fleet.replicas["a"].act(HOLD))
        await turns()
        fleet.replicas["b"].reachable, fleet.replicas["b"].removed = False, True
        result = await fleet.done(acting)
        assert result == ActionResult(0, ("a", "c"), ("b",))
        assert (await fleet.done(fleet.replicas["a"].act(HOLD))).unconfirmed == ()


@on_virtual_time
async def test_a_hold_without_the_store_holds_here_and_is_recorded_later() -> None:
    """Without the store a hold applies here only, and says so; a release is refused."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        a.reachable = False
        owner = Owner()
        a.bench.dispatcher.submit(owner.arrivals(5))
        result = await a.act(HOLD, answering=True)
        assert result == ActionResult(5, ("a",), ("b",), only_here=True)
        with pytest.raises(SharedStateAway):
            await a.act(RELEASE)
        assert (a.state(), b.state()) == (CampaignState.HELD, CampaignState.FLOWING)
        a.reachable = True
        fleet.beat()
        fleet.beat()
        assert (a.state(), b.state()) == (CampaignState.HELD, CampaignState.HELD)
        await fleet.done(b.act(RELEASE))
        assert (a.state(), b.state()) == (CampaignState.FLOWING, CampaignState.FLOWING)


@on_virtual_time
async def test_a_purge_without_the_store_purges_here() -> None:
    """Without the store a purge answers what is queued here, and says so."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        owners = Owner(), Owner()
        a.bench.dispatcher.submit(owners[0].arrivals(5))
        b.bench.dispatcher.submit(owners[1].arrivals(5))
        a.reachable = False
        assert await a.act(PURGE) == ActionResult(5, ("a",), ("b",), only_here=True)
        assert owners[1].told == []


@on_virtual_time
async def test_a_late_purge_spares_what_has_arrived_since() -> None:
    """A replica that hears of a purge late answers only what it had then."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        before, after = Owner(), Owner(taken=100)
        b.bench.dispatcher.submit(before.arrivals(3))
        b.reachable = False
        await fleet.done(a.act(PURGE))
        await fleet.advance(2.0)
        b.bench.dispatcher.submit(after.arrivals(4))
        b.reachable = True
        b.beat()
        await turns()
        assert (before.outcomes, after.told) == (["NOT_ACCEPTED PURGED"] * 3, [])


@on_virtual_time
async def test_holds_survive_the_restart_of_all() -> None:
    """Replicas that start later read the holds with their first beat."""
    async with fleet_of("a") as fleet:
        await fleet.done(fleet.replicas["a"].act(HOLD))
        async with fleet_of("b") as later:
            later.rules = fleet.rules
            later.beat()
            assert later.replicas["b"].state() is CampaignState.HELD


@on_virtual_time
async def test_a_release_of_no_hold_and_of_a_local_hold() -> None:
    async with fleet_of("a") as fleet:
        a = fleet.replicas["a"]
        assert await a.act(RELEASE) is None
        a.reachable = False
        await a.act(HOLD)
        a.reachable = True
        assert await a.act(RELEASE) == ActionResult(0, ("a",), ())
        assert a.state() is CampaignState.FLOWING


@on_virtual_time
async def test_beats_are_wanted_while_something_is_to_be_told_or_asked() -> None:
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        fleet.beat()
        assert (a.control.beat_within_s(), b.control.beat_within_s()) == (None, None)
        acting = asyncio.ensure_future(a.act(PURGE))
        await turns()
        wanted = a.control.beat_within_s()
        assert a.wakes > 0
        assert wanted is not None
        assert wanted <= 0.05
        b.beat(lost_reply=True)
        assert b.control.beat_within_s() is None
        b.beat()
        wanted = b.control.beat_within_s()
        assert wanted is not None
        assert wanted <= 0.02
        await fleet.done(acting)
        fleet.beat()
        assert (a.control.beat_within_s(), b.control.beat_within_s()) == (None, None)


@on_virtual_time
async def test_a_count_whose_beat_is_lost_is_told_again() -> None:
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        owner = Owner()
        b.bench.dispatcher.submit(owner.arrivals(6))
        acting = asyncio.ensure_future(a.act(PURGE))
        await turns()
        b.beat()
        await turns()
        b.beat(lost_reply=True)
        assert (await fleet.done(acting)).answered == 6
        assert dict(b.control.request().answered) == {}


@on_virtual_time
async def test_every_replica_writes_the_audit_record(caplog: pytest.LogCaptureFixture) -> None:
    """The other replicas log who did what, and why; the one that was asked logs it elsewhere."""
    async with fleet_of("a", "b") as fleet:
        with caplog.at_level(logging.INFO, "gateway.fleet"):
            for kind in (HOLD, PURGE, RELEASE):
                await fleet.done(fleet.replicas["a"].act(kind))
    lines = [line for line in caplog.records if "for the fleet" in line.message]
    assert [line.message.split()[3] for line in lines] == ["held", "purged", "released"]
    assert {(line.__dict__["caller"], line.__dict__["reason"]) for line in lines} == {("Ines", "complaints")}


@on_virtual_time
async def test_a_listing_asks_the_other_replicas_for_reports() -> None:
    """Somebody who looks at a listing makes all replicas publish, for some seconds."""
    async with fleet_of("a", "b") as fleet:
        a, b = fleet.replicas.values()
        fleet.beat()
        watched = [b.control.watched.is_set()]
        a.control.look()
        fleet.beat()
        watched.append(b.control.watched.is_set())
        await fleet.advance(10.0)
        fleet.beat()
        assert [*watched, b.control.watched.is_set()] == [False, True, False]


@on_virtual_time
async def test_changes_are_told_to_listings() -> None:
    async with fleet_of("a", "b") as fleet:
        told: list[str] = []
        for name, replica in fleet.replicas.items():
            replica.control.changed = partial(told.append, name)
        await fleet.done(fleet.replicas["a"].act(HOLD))
        assert set(told) == {"a", "b"}
