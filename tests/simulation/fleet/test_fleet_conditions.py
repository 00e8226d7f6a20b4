"""Replicas share the conditions of campaigns: one probes, one reads states, and all go on at once.

The real shells run on virtual time, over a model of the store.
"""

import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest

from gateway.core.campaigns.conditions import STATE_CHECK_S
from gateway.core.engine import Limits
from gateway.core.fleet.messages import ConditionsReply, ConditionsRequest, FleetActionKind
from gateway.core.model import BATCH_LIMIT, DialRequest
from gateway.shared_state.rules.conditions import ConditionsRules
from tests.simulation.connect_model import RUNNING, Bucket, Buffer, Connect
from tests.simulation.fleet.fleet import Fleet
from tests.simulation.fleet.replica import EPOCH_S
from tests.simulation.fleet.virtual_loop import run
from tests.simulation.world import PHONE

NAMES = ("a", "b", "c")
READY_S = 3.0
"""Seconds after which the replicas know each other, and the bucket is full."""
RATE, BURST = 50.0, 20.0
PAUSED = "Paused"
SOON_S = 0.5
"""Seconds in which a change reaches all replicas, and their calls."""


class World:
    """A fleet with requests for one campaign, and what it asked and sent."""

    def __init__(self, names: tuple[str, ...] = NAMES) -> None:
        rng = random.Random(1)
        self.connect = Connect(rng, Bucket(RATE, BURST))
        self.fleet = Fleet(Limits(call_rate=RATE, call_burst=BURST, forecast=False), self.connect, rng)
        self.names = names
        self._tokens = 0
        for name in names:
            self.fleet.start(name)

    async def until(self, instant: float) -> None:
        """Let the time pass."""
        await self.fleet.run(READY_S + instant)

    def send(self, name: str, count: int, campaign: str = "c") -> None:
        """Send dial requests through one replica."""
        expiration = EPOCH_S + self.fleet.now + 3600.0
        requests = [
            DialRequest(campaign, f"{name}-{self._tokens + number}", PHONE, {}, expiration, 100)
            for number in range(count)
        ]
        self._tokens += count
        self.fleet.stream(name, name).send(*requests)

    def send_all(self, count: int) -> None:
        """Send dial requests through every replica."""
        for name in self.names:
            self.send(name, count)

    def asked(self, begin: float = 0.0) -> list[str]:
        """Return which replicas have read states since an instant, in order."""
        return [name for at, name in self.fleet.account.asked if at >= READY_S + begin]

    def calls(self, begin: float = 0.0, end: float = 1e9) -> list[float]:
        """Return when calls arrived at Connect between two instants."""
        instants = (seen.at - READY_S for seen in self.connect.seen)
        return [at for at in instants if begin <= at < end]

    @property
    def waiting(self) -> dict[str, int]:
        """How many requests each replica has."""
        return {name: each.engine.outstanding for name, each in self.fleet.replicas.items()}

    def owner(self, campaign: str = "c") -> str:
        """Return the replica that probes or asks."""
        (owner,) = [
            name
            for name, each in self.fleet.replicas.items()
            if (record := each.engine._conditions.records().get(campaign)) and not record.elsewhere
        ]
        return owner


def simulate(story: Callable[[World], Coroutine[None, None, None]], names: tuple[str, ...] = NAMES) -> World:
    """Run a sequence of events in a world."""

    async def work() -> World:
        world = World(names)
        await world.until(0.0)
        await story(world)
        return world

    return run(work())


def park(world: World, *, running: bool = False) -> None:
    """Change what Connect says about the campaign."""
    world.connect.states["c"] = RUNNING if running else PAUSED


# --- parked ------------------------------------------------------------------------------------------


async def _paused_for_10_s(world: World) -> None:
    park(world)
    world.send_all(300)
    await world.until(10.0)
    park(world, running=True)
    await world.until(13.0)


def test_one_replica_reads_the_state_of_a_parked_campaign_and_all_go_on() -> None:
    """The fleet reads the state as often as one gateway does, and nobody calls while it is paused."""
    fleet, alone = simulate(_paused_for_10_s), simulate(_paused_for_10_s, ("a",))
    asked = len(fleet.asked(1.0))
    assert len(set(fleet.asked(1.0))) == 1
    assert abs(asked - len(alone.asked(1.0))) <= 2
    assert asked <= 11.0 / STATE_CHECK_S
    assert fleet.calls(1.0, 10.0) == []
    assert fleet.calls(10.0)[0] < 10.0 + STATE_CHECK_S + SOON_S
    assert fleet.waiting == dict.fromkeys(NAMES, 0)


def test_all_replicas_refuse_a_campaign_whose_end_one_has_seen() -> None:
    """Connect says Completed to the one that asks; the requests of all are answered without a call."""

    async def story(world: World) -> None:
        park(world)
        world.send_all(50)
        await world.until(5.0)
        world.connect.states["c"] = "Completed"
        await world.until(7.0)
        assert world.waiting == dict.fromkeys(NAMES, 0)
        assert world.calls(1.0) == []

    simulate(story)


def crash(world: World, owner: str) -> None:
    """Kill a replica."""
    world.fleet.crash(owner)


def partition(world: World, owner: str) -> None:
    """Cut a replica off from the store."""
    world.fleet.partition(owner, cut=True)


def leave(world: World, owner: str) -> None:
    """Let a replica leave in good order."""
    world.fleet.at(world.fleet.now, world.fleet.stop, owner, 0.1)


def lose_callers(world: World, owner: str) -> None:
    """Disconnect all callers of a replica."""
    for stream in world.fleet.streams:
        if stream.replica.name == owner:
            stream.leave()


@pytest.mark.parametrize("end", [crash, partition, leave, lose_callers])
def test_another_replica_asks_if_the_one_that_did_ends_or_nothing_waits_there(
    end: Callable[[World, str], None],
) -> None:
    """The state is read again within a second or so, by one of the others."""

    async def story(world: World) -> None:
        park(world)
        world.send_all(50)
        await world.until(5.0)
        owner = world.owner()
        end(world, owner)
        await world.until(6.0 + STATE_CHECK_S)
        assert [name for name in world.asked(5.05) if name != owner][:1]
        await world.until(16.0)
        others = Counter(world.asked(8.0))
        if end is not partition:
            assert owner not in others
        del others[owner]
        assert len(others) == 1
        park(world, running=True)
        await world.until(18.0)
        assert all(not count for name, count in world.waiting.items() if name != owner)
        assert world.calls(1.0, 16.0) == []

    simulate(story)


def test_without_the_store_each_replica_asks_itself() -> None:
    """Nobody waits for an owner that cannot tell it anything; when the store is back, one asks again."""

    async def story(world: World) -> None:
        park(world)
        world.send_all(50)
        await world.until(5.0)
        world.fleet.trouble()
        world.fleet.store.kill()
        await world.until(10.0)
        assert set(world.asked(7.0)) == set(NAMES)
        world.fleet.heal(world.fleet.store.start)
        await world.until(20.0)
        assert len(set(world.asked(13.0))) == 1
        park(world, running=True)
        await world.until(22.0)
        assert world.waiting == dict.fromkeys(NAMES, 0)

    simulate(story)


@pytest.mark.parametrize("loses", ["flush", "fail_over"])
def test_a_store_that_loses_conditions_gets_them_again(loses: str) -> None:
    """Nobody calls, since all replicas know the condition; still one asks."""

    async def story(world: World) -> None:
        saved = world.fleet.store.snapshot()
        park(world)
        world.send_all(50)
        await world.until(5.0)
        if loses == "flush":
            world.fleet.store.flush()
        else:
            world.fleet.store.fail_over(saved)
        await world.until(15.0)
        assert len(set(world.asked(6.0))) == 1
        assert world.calls(1.0) == []

    simulate(story)


# --- cooling -----------------------------------------------------------------------------------------


def fill(world: World, drain_rate: float = 0.0) -> None:
    """Let the campaign's buffer in Connect be full."""
    world.connect.buffers["c"] = Buffer(0.5, drain_rate)


async def _full_for_30_s(world: World) -> None:
    fill(world)
    world.send_all(300)
    await world.until(30.0)
    world.connect.buffers["c"] = Buffer()
    await world.until(55.0)


def test_one_replica_probes_a_cooling_campaign() -> None:
    """The fleet probes as often as one gateway does, with one item a call, and all send when it flows."""
    fleet, alone = simulate(_full_for_30_s), simulate(_full_for_30_s, ("a",))
    probes, probes_alone = fleet.calls(2.0, 30.0), alone.calls(2.0, 30.0)
    assert abs(len(probes) - len(probes_alone)) <= 2
    assert 3 <= len(probes) <= 12
    sizes = {seen.size for seen in fleet.connect.seen if 2.0 <= seen.at - READY_S < 30.0}
    assert sizes == {1}
    assert fleet.waiting == dict.fromkeys(NAMES, 0)


def test_a_replica_with_one_request_hands_the_probing_on() -> None:
    """Its probe is accepted, and nothing waits there any more; the next replica lets calls grow further."""

    async def story(world: World) -> None:
        fill(world)
        world.send("a", 1)
        await world.until(0.6)
        assert world.owner() == "a"
        world.send("b", 200)
        world.connect.buffers["c"] = Buffer()
        await world.until(4.0)
        assert world.waiting == dict.fromkeys(NAMES, 0)
        sizes = [seen.size for seen in world.connect.seen if seen.at > READY_S + 0.6]
        assert sizes[:2] == [1, 13]
        assert BATCH_LIMIT in sizes

    simulate(story)


# --- holds -------------------------------------------------------------------------------------------


def test_a_hold_on_top_of_a_condition_is_independent() -> None:
    """A campaign that Connect runs again stays held; a release of a parked one lets nobody call."""

    async def story(world: World) -> None:
        park(world)
        world.send_all(50)
        await world.until(3.0)
        await world.fleet.act("a", FleetActionKind.HOLD, "c")
        await world.until(5.0)
        park(world, running=True)
        await world.until(8.0)
        assert world.calls(1.0) == []
        park(world)
        await world.fleet.act("b", FleetActionKind.RELEASE, "c")
        await world.until(12.0)
        assert len(world.calls(1.0)) <= 8 * len(NAMES)  # each may find out that it is paused again
        assert world.calls(9.0) == []
        park(world, running=True)
        await world.until(15.0)
        assert world.waiting == dict.fromkeys(NAMES, 0)

    simulate(story)


# --- cost --------------------------------------------------------------------------------------------


@dataclass
class Counted(ConditionsRules):
    """Counts the exchanges."""

    exchanges: int = 0

    def exchange(self, now_ms: int, request: ConditionsRequest) -> ConditionsReply:
        """Exchange conditions."""
        self.exchanges += 1
        return super().exchange(now_ms, request)


def test_a_fleet_whose_campaigns_flow_exchanges_nothing() -> None:
    """Beats carry no conditions before the first campaign stops, and when all flow again."""

    async def story(world: World) -> None:
        table = world.fleet.store.rules.conditions = Counted()
        world.send_all(100)
        await world.until(5.0)
        assert table.exchanges == 0
        await _paused_for_10_s(world)
        before = table.exchanges
        assert before > 0
        world.send_all(100)
        await world.until(20.0)
        assert table.exchanges == before

    simulate(story)
