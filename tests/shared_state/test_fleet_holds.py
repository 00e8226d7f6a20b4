"""Holds, purges and listings of gateways that share a real Valkey or Redis."""

import asyncio

import pytest

from dialgateway import CampaignState, Confirmation, HeldRequests
from dialgateway.dialctl.campaign_table import campaign_line, confirmation_texts, table_lines
from tests.integration.fleet_world import fleet_of
from tests.integration.world import CAMPAIGN, PATIENCE_S, dials, until, verdicts
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.operators import (
    HOLD,
    NAMES,
    PURGE,
    RELEASE,
    act,
    client_of,
    dialctl,
    held_queue,
    listed,
    listed_with,
    outstanding,
    state_in,
)
from tests.shared_state.servers import Server
from tests.stopwatch import Stopwatch


@pytest.mark.timed
async def test_a_hold_through_one_replica_stops_all_within_a_second(fleet_server: Server) -> None:
    """No call of any replica arrives later than a second after the request; the reply names all replicas."""
    async with fleet_of(3, fleet_server.url, call_rate=20.0, linger=0.0) as fleet:
        await fleet.joined()
        for number, replica in enumerate(fleet.replicas):
            await replica.stream().send(*dials(1000, f"load-{number}"))
        journal = fleet.simulator.connect.journal
        await until(lambda: len(list(journal)) >= 20)
        watch = Stopwatch()
        done = await act(fleet.replicas[1], HOLD)
        took_s = watch.took_s
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


async def test_a_hold_survives_the_restart_of_all_replicas(fleet_server: Server) -> None:
    """The next generation of replicas reads the hold before it sends anything."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await act(fleet.replicas[0], HOLD)
    async with fleet_of(2, fleet_server.url) as fleet:
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


async def test_counts_of_all_replicas_are_added_up(fleet_server: Server) -> None:
    """Purges and holds that answer count what every replica has answered."""
    async with fleet_of(3, fleet_server.url) as fleet:
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
        await fleet.certain()
        assert verdicts(await fleet.replicas[0].ask(*dials(1, "late"))) == ["NOT_ACCEPTED HELD SAME_TOKEN"]


async def test_a_replica_that_cannot_reach_the_store_is_named(fleet_server: Server) -> None:
    """A replica that is cut off from the store is named; once it is back it has carried the hold out."""
    async with lossy_proxy_to(fleet_server.port) as proxy, fleet_of(2, fleet_server.url) as fleet:
        cut_off = await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")
        await fleet.joined()
        proxy.partitioned = True
        done = await act(fleet.replicas[0], HOLD)
        assert done.confirmation == Confirmation(NAMES[:2], ("cut-off",), only_here=False)
        assert state_in(cut_off) is CampaignState.FLOWING
        proxy.heal()
        await until(lambda: state_in(cut_off) is CampaignState.HELD)


async def test_any_replica_lists_the_fleet(fleet_server: Server) -> None:
    """List and watch show sums and the part of each replica, whichever replica is asked."""
    async with fleet_of(3, fleet_server.url) as fleet:
        await fleet.joined()
        await held_queue(fleet, 5, 6, 7)
        await listed_with(fleet.replicas[1], 18)
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


async def test_dialctl_writes_the_part_of_each_replica(fleet_server: Server) -> None:
    """The table has a column for replicas, and the result of a hold names who has confirmed it."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await held_queue(fleet, 3, 4)
        campaign = await listed_with(fleet.replicas[0], 7)
        title, row = table_lines([campaign])
        assert title.endswith("QUEUED+IN FLIGHT BY REPLICA")
        assert row.endswith("gateway-0 3+0, gateway-1 4+0")
        assert campaign_line(campaign).endswith("queued+in flight by replica: gateway-0 3+0, gateway-1 4+0")
        done = await act(fleet.replicas[0], HOLD)
        assert confirmation_texts(done.confirmation) == ("confirmed by gateway-0, gateway-1", "")


async def test_dialctl_says_which_replicas_have_confirmed(fleet_server: Server) -> None:
    """A hold that not all replicas have confirmed is no success: exit code 1, and the names on stderr."""
    async with lossy_proxy_to(fleet_server.port) as proxy, fleet_of(2, fleet_server.url) as fleet:
        await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")
        await fleet.joined()
        hold = ("hold", CAMPAIGN, "--in-advance", "--reason", "complaints")
        async with asyncio.timeout(PATIENCE_S):  # a replica on a busy machine may confirm late
            while (result := await dialctl(fleet.replicas[0], *hold))[0] != 0:
                pass
        code, out, err = result
        assert (code, err) == (0, "")
        assert out.splitlines()[0].startswith(f"{CAMPAIGN}: held")
        assert out.splitlines()[1] == "confirmed by cut-off, gateway-0, gateway-1"
        proxy.partitioned = True
        async with asyncio.timeout(PATIENCE_S):
            while "confirmed by gateway-0, gateway-1" not in out:
                code, out, err = await dialctl(fleet.replicas[1], "release", CAMPAIGN)
                assert code == 1
        assert err.startswith("dialctl: NOT confirmed by cut-off: ")
