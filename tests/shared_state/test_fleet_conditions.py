"""Conditions of campaigns in gateways that share a real Valkey or Redis, with the simulator."""

import asyncio
from collections import Counter

import pytest

from gateway.simulator import CampaignState
from tests.integration.fleet_world import FleetWorld, fleet_of
from tests.integration.world import CAMPAIGN, dials, until
from tests.shared_state.servers import Server
from tests.stopwatch import Stopwatch

DIALS, STATES = "PutDialRequestBatch", "GetCampaignStateBatch"


def calls(fleet: FleetWorld, operation: str) -> int:
    """Return how many calls of an operation have arrived."""
    return sum(fleet.simulator.connect.stats().calls.get(operation, {}).values())


def outstanding(fleet: FleetWorld) -> int:
    """Return how many dial requests have no answer."""
    return sum(each.gateway.engine.outstanding for each in fleet.replicas)


def owners(fleet: FleetWorld) -> Counter[str]:
    """Return which replicas read the state of the campaign, or probe it."""
    records = {each.name: each.gateway.engine._conditions.records().get(CAMPAIGN) for each in fleet.replicas}
    return Counter(name for name, record in records.items() if record is not None and not record.elsewhere)


@pytest.mark.timed
async def test_one_gateway_reads_the_state_of_a_paused_campaign_and_all_go_on(fleet_server: Server) -> None:
    """Each lists it as parked; nobody calls; all dial within two seconds after the campaign runs."""
    async with fleet_of(3, fleet_server.url) as fleet:
        await fleet.joined()
        fleet.simulator.connect.set_state(CAMPAIGN, CampaignState.PAUSED)
        for each in fleet.replicas:
            await each.stream().send(*dials(30, each.name))
        await until(lambda: len(owners(fleet)) == 1)
        await asyncio.sleep(0.5)
        dialed, asked = calls(fleet, DIALS), calls(fleet, STATES)
        await asyncio.sleep(3.0)
        assert len(owners(fleet)) == 1
        assert calls(fleet, DIALS) == dialed
        assert 1 <= calls(fleet, STATES) - asked <= 4
        states = [each.gateway.replica.dispatcher.row(CAMPAIGN).state.name for each in fleet.replicas]
        assert states == ["PARKED"] * 3
        fleet.simulator.connect.set_state(CAMPAIGN, CampaignState.RUNNING)
        watch = Stopwatch()
        await until(lambda: not outstanding(fleet))
        assert watch.took_s < 2.0
        assert set(fleet.dialed().values()) == {1}


@pytest.mark.timed
async def test_another_gateway_reads_the_state_when_the_first_leaves(fleet_server: Server) -> None:
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        fleet.simulator.connect.set_state(CAMPAIGN, CampaignState.PAUSED)
        for each in fleet.replicas:
            await each.stream().send(*dials(30, each.name))
        await until(lambda: len(owners(fleet)) == 1)
        (name,) = owners(fleet)
        first, other = sorted(fleet.replicas, key=lambda each: each.name != name)
        await first.gateway.stop(0.1)
        fleet.replicas.remove(first)
        watch = Stopwatch()
        await until(lambda: set(owners(fleet)) == {other.name})
        assert watch.took_s < 2.0
        fleet.simulator.connect.set_state(CAMPAIGN, CampaignState.RUNNING)
        watch = Stopwatch()
        await until(lambda: not outstanding(fleet))
        assert watch.took_s < 3.0
