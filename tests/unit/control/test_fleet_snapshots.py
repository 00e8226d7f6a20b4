"""A listing of any replica shows the whole fleet, while reports are published only if somebody looks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.control.fleet_snapshots import CAMPAIGNS_REPORTED, FIRST_ATTEMPTS, READ_EVERY_S, FleetSnapshots
from gateway.control.snapshots import ReplicaSeen, StatusSnapshot
from gateway.core.fleet.messages import FleetActionKind
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState, Rows
from gateway.shared_state.port import SharedStateUnavailable
from tests.unit.dispatch.test_dispatcher import Owner, turns
from tests.unit.fleet.test_control import Fleet, Replica, fleet_of


@dataclass
class Listing:
    """The snapshots of one replica, its task that publishes, and the store as it sees it."""

    replica: Replica
    published: int = 0
    read: int = 0
    rows: dict[str, CampaignRow] = field(default_factory=dict)
    snapshots: FleetSnapshots = field(init=False)

    def __post_init__(self) -> None:
        control = self.replica.control
        self.snapshots = FleetSnapshots(self._rows, self.replica.now, control, self, pause=self._pause)
        control.changed = self.snapshots.outdated

    async def publish(self, member: str, report: bytes, keep_s: float) -> None:
        self._check()
        self.published += 1
        self.replica.fleet.rules.publish(self.replica.fleet.now_ms(), member, report, keep_s)

    async def reports(self) -> Mapping[str, bytes]:
        self._check()
        self.read += 1
        return self.replica.fleet.rules.reports(self.replica.fleet.now_ms())

    def _check(self) -> None:
        if not self.replica.reachable:
            raise SharedStateUnavailable("no reply in time")

    def _rows(self, before: Mapping[str, CampaignRow]) -> Rows:
        if self.rows:
            return _given(self.rows)
        return self.replica.bench.dispatcher.rows(before)

    async def _pause(self, seconds: float) -> None:
        """Let the beats and reports of some tenths of a second happen."""
        self.replica.fleet.beat()
        await turns()


def _given(rows: dict[str, CampaignRow]) -> Rows:
    yield
    return rows


@dataclass
class Listings:
    """The listings of a fleet."""

    fleet: Fleet
    of: dict[str, Listing]

    async def look(self, name: str) -> StatusSnapshot:
        """Return what the listing of a replica shows."""
        return await self.of[name].snapshots.fresh()

    async def next_second(self) -> None:
        """Let a second pass, with a beat and a report of each replica."""
        await self.fleet.advance(1.0)
        self.fleet.beat()
        for listing in self.of.values():
            listing.snapshots.outdated()  # the task waits on the loop's clock, which stands still here
        await turns()


@asynccontextmanager
async def listings(*names: str) -> AsyncIterator[Listings]:
    async with fleet_of(*names) as fleet:
        of = {name: Listing(replica) for name, replica in fleet.replicas.items()}
        tasks = [asyncio.create_task(listing.snapshots.publish_reports()) for listing in of.values()]
        try:
            yield Listings(fleet, of)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def queue(replica: Replica, count: int, campaign: str = "c") -> None:
    replica.bench.dispatcher.submit(Owner().arrivals(count, campaign))


async def test_the_first_look_shows_all_replicas() -> None:
    """Whichever replica is asked first, it waits for the reports of the others and adds them up."""
    async with listings("a", "b", "c") as fleet:
        for count, replica in enumerate(fleet.fleet.replicas.values(), 1):
            queue(replica, count)
        queue(fleet.fleet.replicas["c"], 5, "only-there")
        found = await fleet.look("b")
        row = found.rows["c"]
        assert row.queued == 1 + 2 + 3
        assert [(part.replica, part.queued) for part in row.parts] == [("a", 1), ("b", 2), ("c", 3)]
        assert [part.replica for part in found.rows["only-there"].parts] == ["c"]
        assert found.replicas == tuple(ReplicaSeen(name, reported=True) for name in "abc")


async def test_nobody_publishes_unless_somebody_looks() -> None:
    async with listings("a", "b") as fleet:
        for _ in range(5):
            await fleet.next_second()
        assert [listing.published for listing in fleet.of.values()] == [0, 0]
        await fleet.look("a")
        await fleet.next_second()
        assert fleet.of["b"].published > 0
        for _ in range(10):
            await fleet.next_second()
        before = fleet.of["b"].published
        for _ in range(5):
            await fleet.next_second()
        assert fleet.of["b"].published == before


async def test_looks_share_what_was_read() -> None:
    """Many watches of one replica read the reports together, a few times a second."""
    async with listings("a", "b") as fleet:
        await fleet.look("a")
        read = fleet.of["a"].read
        await asyncio.gather(*(fleet.look("a") for _ in range(20)))
        assert fleet.of["a"].read == read
        await fleet.fleet.advance(READ_EVERY_S * 1.1)
        await asyncio.gather(*(fleet.look("a") for _ in range(20)))
        assert fleet.of["a"].read == read + 1


async def test_a_replica_without_a_report_is_named() -> None:
    """The listing does not wait for long for a replica that does not report, and says that it is missing."""
    async with listings("a", "b", "c") as fleet:
        fleet.fleet.replicas["b"].reachable = False
        queue(fleet.fleet.replicas["b"], 5)
        found = await fleet.look("a")
        assert dict(found.replicas) == {"a": True, "b": False, "c": True}
        assert "c" not in found.rows
        assert fleet.of["a"].read <= FIRST_ATTEMPTS + 1
        fleet.fleet.replicas["b"].reachable = True
        await fleet.next_second()
        found = await fleet.look("a")
        assert dict(found.replicas) == {"a": True, "b": True, "c": True}
        assert found.rows["c"].queued == 5


async def test_without_the_store_a_listing_shows_its_own_replica() -> None:
    """What was read before stays for some seconds; then the others are missing."""
    async with listings("a", "b") as fleet:
        queue(fleet.fleet.replicas["a"], 1)
        queue(fleet.fleet.replicas["b"], 2)
        await fleet.look("a")
        fleet.fleet.replicas["a"].reachable = False
        await fleet.fleet.advance(1.0)
        assert (await fleet.look("a")).rows["c"].queued == 3
        await fleet.fleet.advance(5.0)
        found = await fleet.look("a")
        assert found.rows["c"].queued == 1
        assert dict(found.replicas) == {"a": True, "b": False}


async def test_unchanged_campaigns_stay_the_same_objects() -> None:
    """A watch sends differences: a report that says the same must not look like a change."""
    async with listings("a", "b") as fleet:
        queue(fleet.fleet.replicas["b"], 3)
        first = await fleet.look("a")
        await fleet.next_second()
        second = await fleet.look("a")
        assert second.rows is not first.rows
        assert second.rows["c"] is first.rows["c"]


async def test_one_campaign_after_an_operation() -> None:
    """The row of a campaign adds what the last reports have said."""
    async with listings("a", "b") as fleet:
        queue(fleet.fleet.replicas["a"], 1)
        queue(fleet.fleet.replicas["b"], 2)
        await fleet.look("a")
        a = fleet.fleet.replicas["a"]
        await fleet.fleet.done(a.act(FleetActionKind.HOLD))
        row = await fleet.of["a"].snapshots.as_listed(a.bench.dispatcher.row("c"))
        assert (row.state, row.queued, len(row.parts)) == (CampaignState.HELD, 3, 2)
        assert (await fleet.look("a")).rows["c"].state is CampaignState.HELD


async def test_the_answer_to_an_operation_counts_the_requests_of_all_replicas() -> None:
    """Although nobody has looked at a listing before, and reports of the time before are there."""
    async with listings("a", "b", "c") as fleet:
        for count, replica in enumerate(fleet.fleet.replicas.values(), 1):
            queue(replica, count)
        a = fleet.fleet.replicas["a"]
        for kind, state in (
            (FleetActionKind.HOLD, CampaignState.HELD),
            (FleetActionKind.RELEASE, CampaignState.FLOWING),
        ):
            await fleet.fleet.done(a.act(kind))
            row = await fleet.of["a"].snapshots.as_listed(a.bench.dispatcher.row("c"))
            assert row.state is state
            assert [(part.replica, part.queued) for part in row.parts] == [("a", 1), ("b", 2), ("c", 3)]
            assert {part.state for part in row.parts} == {state}


async def test_an_operation_does_not_wait_for_a_replica_that_does_not_report() -> None:
    async with listings("a", "b") as fleet:
        queue(fleet.fleet.replicas["a"], 1)
        fleet.fleet.replicas["b"].reachable = False
        a = fleet.fleet.replicas["a"]
        await fleet.fleet.done(a.act(FleetActionKind.HOLD))
        row = await fleet.of["a"].snapshots.as_listed(a.bench.dispatcher.row("c"))
        assert (row.queued, [part.replica for part in row.parts]) == (1, ["a"])
        assert fleet.of["a"].read <= FIRST_ATTEMPTS + 1


async def test_a_report_has_a_bounded_number_of_campaigns() -> None:
    """Campaigns that do not flow, and the largest backlogs, come first."""
    figures = (0, 0, None, (0,) * 5, 0.0, Reason.NONE, "", None, None, None, None)
    rows = {
        name: CampaignRow(name, CampaignState.FLOWING, *figures)._replace(queued=number)
        for number, name in enumerate(f"c{number:05}" for number in range(CAMPAIGNS_REPORTED + 100))
    }
    rows["c00000"] = rows["c00000"]._replace(state=CampaignState.PARKED)
    async with listings("a", "b") as fleet:
        fleet.of["b"].rows = rows
        found = await fleet.look("a")
        listed = [name for name in found.rows if name.startswith("c")]
        assert len(listed) == CAMPAIGNS_REPORTED
        assert "c00000" in found.rows
        assert "c00050" not in found.rows
