"""Gateways dial on while a replica takes over the fleet's slot of a cluster.

Two gateways have more requests than the quota allows, before, during and after it. No number is called twice,
the quota is never exceeded, every answer is true, and calls go on within seconds.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialgateway.v1 import dial_request_service_pb2 as pb
from gateway.shared_state.commands.keys import Keys
from gateway.shared_state.valkey_connection import slot_of
from gateway.simulator import SimulatorSettings
from tests.integration.fleet_world import FleetWorld, Replica, fleet_of
from tests.integration.world import dials, until
from tests.shared_state.clusters import SLOTS, follower_of, role_of, running_cluster, until_follows
from tests.shared_state.servers import Server

RATE, BURST = 10.0, 5.0
LIST, AT_ONCE = 5, 6
"""Dial requests of a list, and lists that wait at each gateway at any time: more than the quota carries."""
BEFORE_S, AGAIN_S = 1.0, 1.0
"""Seconds of load before the promotions, and the calls after each, as seconds of the quota."""
BACK_S = 30.0
"""Seconds from a promotion until then, at most. Usually it takes 3, or 6 after a kill."""
CAMPAIGNS = ("c-1", "c-2", "c-3")


@dataclass
class Load:
    """Keeps gateways busy until `stopped`. `outcomes` are those of each token, by campaign and token."""

    fleet: FleetWorld
    stopped: bool = False
    outcomes: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    async def run(self) -> None:
        """Send lists, each after the answers to the one before."""
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                for replica in self.fleet.replicas:
                    group.create_task(self._lists(replica, number))

    async def repeat_elsewhere(self) -> None:
        """Send all tokens again, each through the gateway that has not had it."""
        one, other = self.fleet.replicas
        async with asyncio.TaskGroup() as group:
            for campaign, prefix in {(of, token.rpartition("-")[0]) for of, token in self.outcomes}:
                replica = other if prefix.startswith(one.name) else one
                group.create_task(self._ask(replica, prefix, campaign))

    def assert_true(self) -> None:
        """Every accepted token was dialed once, none twice, and those that were only denied not at all."""
        for (campaign, token), outcomes in self.outcomes.items():
            dialed = self.fleet.simulator.connect.journal.dials(campaign)[campaign, token]
            assert dialed <= 1
            if outcomes != {"OUTCOME_UNKNOWN"}:
                assert dialed == ("OUTCOME_ACCEPTED" in outcomes), (token, outcomes)

    async def _lists(self, replica: Replica, number: int) -> None:
        for count in itertools.count():
            if self.stopped:
                return
            await self._ask(replica, f"{replica.name}-{number}-{count}", CAMPAIGNS[number % len(CAMPAIGNS)])

    async def _ask(self, replica: Replica, prefix: str, campaign: str) -> None:
        results = await replica.ask(*dials(LIST, prefix), campaign=campaign)
        assert len(results) == LIST
        for result in results:
            outcomes = self.outcomes.setdefault((campaign, result.client_token), set())
            outcomes.add(pb.Outcome.Name(result.outcome))


def calls_since(fleet: FleetWorld, began: float) -> int:
    """Return how many calls were carried out since an instant in Unix seconds."""
    return sum(record.at >= began for record in fleet.simulator.connect.journal)


async def promoted(fleet: FleetWorld, node: Server) -> None:
    """Wait until a node is the primary, the gateways are connected to it, and calls go on."""
    async with asyncio.timeout(BACK_S):
        await until(lambda: "master" in role_of(node))
        await fleet.joined()
        back_at = time.time()
        await until(lambda: calls_since(fleet, back_at) >= AGAIN_S * RATE)


@pytest.mark.timed
async def test_gateways_dial_on_through_promotions(program: str, tmp_path: Path) -> None:
    """Requests are answered through a promotion by an operator, and one after the new primary died."""
    with running_cluster(program, tmp_path) as nodes:
        primary = nodes[slot_of(Keys().layout) * len(nodes) // SLOTS]
        with follower_of(primary, nodes, tmp_path / "follower") as follower:
            urls = f"valkey+cluster://127.0.0.1:{nodes[0].port},127.0.0.1:{nodes[1].port}"
            quota = SimulatorSettings(call_rate=RATE, call_burst=BURST)
            async with fleet_of(2, urls, quota, call_rate=RATE, call_burst=BURST) as fleet:
                await fleet.joined()
                load = Load(fleet)
                loading = asyncio.create_task(load.run())
                await asyncio.sleep(BEFORE_S)
                await asyncio.to_thread(follower.command, "CLUSTER", "FAILOVER")
                await promoted(fleet, follower)
                await asyncio.to_thread(until_follows, primary)
                follower.kill()
                await promoted(fleet, primary)
                load.stopped = True
                await loading
                await load.repeat_elsewhere()
                load.assert_true()
                assert {record.result for record in fleet.simulator.connect.journal} == {"OK"}
