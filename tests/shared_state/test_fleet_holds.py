"""Holds, purges and listings of gateways that share a real Valkey or Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from dialgateway import (
    ActionDone,
    ActionKind,
    CallFailed,
    Campaign,
    CampaignState,
    Confirmation,
    HeldRequests,
)
from dialgateway.client import DialGatewayClient
from dialgateway.dialctl.campaign_table import reach, sentence, table_lines
from tests.integration.fleet_world import FleetWorld, Replica, fleet_of
from tests.integration.world import CAMPAIGN, dials, until, verdicts
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.servers import Server

HOLD, RELEASE, PURGE = ActionKind.HOLD, ActionKind.RELEASE, ActionKind.PURGE
NAMES = ("gateway-0", "gateway-1", "gateway-2")


@asynccontextmanager
async def client_of(replica: Replica) -> AsyncIterator[DialGatewayClient]:
    async with DialGatewayClient(f"127.0.0.1:{replica.port}") as client:
        yield client


async def act(
    replica: Replica, kind: ActionKind, held_requests: HeldRequests = HeldRequests.WAIT
) -> ActionDone:
    """Act on the campaign through a replica."""
    async with client_of(replica) as client:
        return await client.act_on_campaign(kind, CAMPAIGN, "complaints", held_requests=held_requests)


async def listed(replica: Replica) -> Campaign | None:
    """Return the campaign as a replica lists it."""
    async with client_of(replica) as client:
        return (await client.see_campaigns()).campaigns.get(CAMPAIGN)


def state_in(replica: Replica) -> CampaignState:
    return CampaignState[replica.gateway._dispatcher.row(CAMPAIGN).state.name]


def outstanding(fleet: FleetWorld) -> int:
    return sum(replica.gateway.engine.outstanding for replica in fleet.replicas)


async def held_queue(fleet: FleetWorld, *counts: int) -> None:
    """Hold the campaign, and queue dial requests at each replica."""
    await act(fleet.replicas[0], HOLD)
    for number, (replica, count) in enumerate(zip(fleet.replicas, counts, strict=True)):
        await replica.stream().send(*dials(count, f"queued-{number}"))
    await until(lambda: outstanding(fleet) == sum(counts))


@pytest.mark.timed
async def test_a_hold_through_one_replica_stops_all_within_a_second(real_server: Server) -> None:
    """No call of any replica arrives later than a second after the request; the reply names all replicas."""
    async with fleet_of(3, real_server.url, call_rate=40.0, linger=0.0) as fleet:
        await fleet.joined()
        for number, replica in enumerate(fleet.replicas):
            await replica.stream().send(*dials(4000, f"load-{number}"))
        journal = fleet.simulator.connect.journal
        await until(lambda: len(list(journal)) >= 20)
        asked_at = time.monotonic()
        done = await act(fleet.replicas[1], HOLD)
        took_s = time.monotonic() - asked_at
        assert done.confirmation == Confirmation(NAMES, (), only_here=False)
        assert {state_in(replica) for replica in fleet.replicas} == {CampaignState.HELD}
        assert took_s < 1.0
        await asyncio.sleep(0.1)  # what left before arrives
        before = len(list(journal))
        await asyncio.sleep(1.0)
        assert len(list(journal)) == before
        assert (await act(fleet.replicas[2], RELEASE)).confirmation == Confirmation(
            NAMES, (), only_here=False
        )
        await until(lambda: len(list(journal)) > before)


async def test_a_hold_survives_the_restart_of_all_replicas(real_server: Server) -> None:
    """The next generation of replicas reads the hold before it sends anything."""
    async with fleet_of(2, real_server.url) as fleet:
        await fleet.joined()
        await act(fleet.replicas[0], HOLD)
    async with fleet_of(2, real_server.url) as fleet:
        streams = [replica.stream() for replica in fleet.replicas]
        for number, stream in enumerate(streams):
            await stream.send(*dials(5, f"new-{number}"))
        await fleet.joined()
        await until(lambda: outstanding(fleet) == 10)
        campaign = await listed(fleet.replicas[1])
        assert campaign is not None
        assert campaign.hold is not None
        assert (campaign.state, campaign.hold.reason) == (CampaignState.HELD, "complaints")
        assert fleet.dialed().total() == 0
        await act(fleet.replicas[1], RELEASE)
        for stream in streams:
            await stream.finish()
            assert verdicts(await stream.rest()) == ["ACCEPTED"] * 5


async def test_counts_of_all_replicas_are_added_up(real_server: Server) -> None:
    """Purges and holds that answer count what every replica has answered."""
    async with fleet_of(3, real_server.url) as fleet:
        await fleet.joined()
        await held_queue(fleet, 5, 6, 7)
        done = await act(fleet.replicas[2], PURGE)
        assert (done.answered, done.confirmation) == (18, Confirmation(NAMES, (), only_here=False))
        assert outstanding(fleet) == 0
        for number, replica in enumerate(fleet.replicas):
            await replica.stream().send(*dials(2, f"more-{number}"))
        await until(lambda: outstanding(fleet) == 6)
        done = await act(fleet.replicas[1], HOLD, HeldRequests.ANSWER)
        assert done.answered == 6
        assert verdicts(await fleet.replicas[0].ask(*dials(1, "late"))) == ["NOT_ACCEPTED HELD SAME_TOKEN"]


async def test_a_replica_that_cannot_reach_the_store_is_named(real_server: Server) -> None:
    """A replica that is cut off from the store is named; once it is back it has carried the hold out."""
    async with lossy_proxy_to(real_server.port) as proxy, fleet_of(2, real_server.url) as fleet:
        cut_off = await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")
        await fleet.joined()
        proxy.partitioned = True
        done = await act(fleet.replicas[0], HOLD)
        assert done.confirmation == Confirmation(NAMES[:2], ("cut-off",), only_here=False)
        assert state_in(cut_off) is CampaignState.FLOWING
        proxy.heal()
        await until(lambda: state_in(cut_off) is CampaignState.HELD)


async def test_without_the_store_a_hold_holds_here_and_a_release_is_refused(real_server: Server) -> None:
    """The hold says that it applies here only, and reaches the others once the store is back."""
    async with fleet_of(2, real_server.url) as fleet:
        await fleet.joined()
        one, other = fleet.replicas
        real_server.kill()
        done = await act(one, HOLD)
        assert done.confirmation == Confirmation(NAMES[:1], NAMES[1:2], only_here=True)
        with pytest.raises(CallFailed, match="the campaign stays held") as refused:
            await act(one, RELEASE)
        assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (state_in(one), state_in(other)) == (CampaignState.HELD, CampaignState.FLOWING)
        real_server.start()
        await until(lambda: state_in(other) is CampaignState.HELD)
        await act(other, RELEASE)
        assert (state_in(one), state_in(other)) == (CampaignState.FLOWING, CampaignState.FLOWING)


async def test_a_flushed_store_gets_its_holds_back(real_server: Server) -> None:
    """`FLUSHALL` ends no hold: the replicas record again what they know."""
    async with fleet_of(2, real_server.url) as fleet:
        await fleet.joined()
        await act(fleet.replicas[0], HOLD)
        real_server.command("FLUSHALL")
        await until(lambda: real_server.command("HLEN", "{dial-gateway}:holds") == 1)
        assert {state_in(replica) for replica in fleet.replicas} == {CampaignState.HELD}
        late = await fleet.add("late")
        await until(lambda: state_in(late) is CampaignState.HELD)


async def test_any_replica_lists_the_fleet(real_server: Server) -> None:
    """List and watch show sums and the part of each replica, whichever replica is asked."""
    async with fleet_of(3, real_server.url) as fleet:
        await fleet.joined()
        await held_queue(fleet, 5, 6, 7)
        async with client_of(fleet.replicas[1]) as client:
            seen = await client.see_campaigns()
            assert [(each.name, each.reported) for each in seen.replicas] == [(name, True) for name in NAMES]
            campaign = seen.campaigns[CAMPAIGN]
            assert (campaign.queued, campaign.state) == (18, CampaignState.HELD)
            parts = [(part.replica, part.queued) for part in campaign.replicas]
            assert parts == list(zip(NAMES, (5, 6, 7), strict=True))
            async for seen in client.watch_campaigns(0.25):
                if seen.campaigns[CAMPAIGN].queued == 18:
                    break
            await fleet.replicas[2].stream().send(*dials(10, "more"))
            async for seen in client.watch_campaigns(0.25):
                if seen.campaigns[CAMPAIGN].queued == 28:
                    assert [part.queued for part in seen.campaigns[CAMPAIGN].replicas] == [5, 6, 17]
                    break


async def test_dialctl_writes_the_part_of_each_replica(real_server: Server) -> None:
    """The table has a column for replicas, and the result of a hold names who has confirmed it."""
    async with fleet_of(2, real_server.url) as fleet:
        await fleet.joined()
        await held_queue(fleet, 3, 4)
        campaign = await listed(fleet.replicas[0])
        assert campaign is not None
        title, row = table_lines([campaign])
        assert title.endswith("QUEUED+IN FLIGHT BY REPLICA")
        assert row.endswith("gateway-0 3+0, gateway-1 4+0")
        assert sentence(campaign).endswith("queued+in flight by replica: gateway-0 3+0, gateway-1 4+0")
        done = await act(fleet.replicas[0], HOLD)
        assert reach(done) == ("confirmed by gateway-0, gateway-1", "")
