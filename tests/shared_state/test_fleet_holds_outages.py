"""Holds of a fleet while its store is away, and after it has lost data."""

import asyncio
from pathlib import Path

import grpc
import pytest
import valkey

from dialgateway import CallFailed, CampaignState, Confirmation
from tests.integration.fleet_world import fleet_of
from tests.integration.world import CAMPAIGN, until
from tests.shared_state.operators import HOLD, NAMES, RELEASE, act, dialctl, state_in
from tests.shared_state.servers import Server, running_pair


async def test_without_the_store_a_hold_holds_here_and_a_release_is_refused(fleet_server: Server) -> None:
    """The hold says that it applies here only, and reaches the others once the store is back."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        one, other = fleet.replicas
        fleet_server.kill()
        done = await act(one, HOLD)
        assert done.confirmation == Confirmation(NAMES[:1], NAMES[1:2], only_here=True)
        with pytest.raises(CallFailed, match="the campaign stays held") as refused:
            await act(one, RELEASE)
        assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (state_in(one), state_in(other)) == (CampaignState.HELD, CampaignState.FLOWING)
        fleet_server.start()
        await until(lambda: state_in(other) is CampaignState.HELD)
        await act(other, RELEASE)
        assert state_in(other) is CampaignState.FLOWING
        await until(lambda: state_in(one) is CampaignState.FLOWING)  # on a busy machine after the answer


async def test_a_flushed_store_gets_its_holds_back(fleet_server: Server) -> None:
    """`FLUSHALL` ends no hold: the replicas record again what they know."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await act(fleet.replicas[0], HOLD)
        fleet_server.command("FLUSHALL")
        await until(lambda: fleet_server.command("HLEN", "{dial-gateway}:holds") == 1)
        assert {state_in(replica) for replica in fleet.replicas} == {CampaignState.HELD}
        late = await fleet.add("late")
        await until(lambda: state_in(late) is CampaignState.HELD)


@pytest.mark.timed
async def test_what_a_hung_store_reads_late_is_not_carried_out(fleet_server: Server) -> None:
    """A release that failed since the server hung does not happen when the server goes on."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        one, other = fleet.replicas
        await act(one, HOLD)
        fleet_server.pause()
        try:
            with pytest.raises(CallFailed, match="the campaign stays held"):
                await act(one, RELEASE)
            await asyncio.sleep(2.5)  # later than an action may arrive
        finally:
            fleet_server.resume()
        await fleet.joined()
        late = await fleet.add("late")
        await until(lambda: state_in(late) is CampaignState.HELD)
        assert {state_in(one), state_in(other)} == {CampaignState.HELD}


@pytest.mark.timed
async def test_a_hold_survives_a_failover_that_loses_it(program: str, tmp_path: Path) -> None:
    """The new primary never had the hold: replication was cut first. The replicas record it again."""
    with running_pair(program, tmp_path, sentinel=True) as pair:
        async with fleet_of(2, pair.url) as fleet:
            await fleet.joined()
            await asyncio.to_thread(pair.wait_for_replica)  # in this loop the gateways would miss beats
            pair.cut_replication()
            done = await act(fleet.replicas[0], HOLD)
            assert done.confirmation == Confirmation(NAMES[:2], (), only_here=False)
            assert _holds_at(pair.replica) == 0
            pair.primary.kill()
            await until(lambda: _holds_at(pair.replica) == 1)
            assert {state_in(replica) for replica in fleet.replicas} == {CampaignState.HELD}
            await fleet.joined()
            late = await fleet.add("late")
            await until(lambda: state_in(late) is CampaignState.HELD)


def _holds_at(server: Server) -> object:
    """Return how many holds a server has; none while it cannot answer."""
    try:
        return server.command("HLEN", "{dial-gateway}:holds")
    except valkey.ValkeyError:
        return None


async def test_a_store_without_scripts_and_a_read_only_one(fleet_server: Server) -> None:
    """`SCRIPT FLUSH` changes nothing. A store that cannot write refuses a release, as one that is away."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        fleet_server.command("SCRIPT", "FLUSH")
        done = await act(fleet.replicas[0], HOLD)
        assert done.confirmation == Confirmation(NAMES[:2], (), only_here=False)
        fleet_server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        with pytest.raises(CallFailed, match="the campaign stays held"):
            await act(fleet.replicas[0], RELEASE)
        fleet_server.command("CONFIG", "SET", "min-replicas-to-write", "0")
        await fleet.joined()
        await act(fleet.replicas[0], RELEASE)


async def test_an_edited_hold_holds_and_can_be_released(fleet_server: Server) -> None:
    """A record that somebody has edited keeps its campaign held, and says so."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        await act(fleet.replicas[0], HOLD)
        fleet_server.command("HSET", "{dial-gateway}:holds", CAMPAIGN, "edited")
        late = await fleet.add("late")
        await until(lambda: state_in(late) is CampaignState.HELD)
        hold = late.gateway.replica.dispatcher.row(CAMPAIGN).hold
        assert hold is not None
        assert "cannot be read" in hold.reason
        await act(late, RELEASE)
        await until(lambda: {state_in(replica) for replica in fleet.replicas} == {CampaignState.FLOWING})


async def test_dialctl_without_the_store(fleet_server: Server) -> None:
    """Each command says what it could not do, and what to do then."""
    async with fleet_of(2, fleet_server.url) as fleet:
        await fleet.joined()
        fleet_server.kill()
        code, out, err = await dialctl(
            fleet.replicas[0], "hold", CAMPAIGN, "--reason", "test", "--in-advance"
        )
        assert code == 1
        assert "held" in out
        assert "ONLY gateway-0 has done it" in err
        assert "the hold reaches the others once it is back" in err
        code, _, err = await dialctl(fleet.replicas[0], "purge", CAMPAIGN, "--reason", "test", "--yes")
        assert (code, "purge again once it is back" in err) == (1, True)
        code, _, err = await dialctl(fleet.replicas[0], "release", CAMPAIGN)
        assert (code, "the campaign stays held" in err) == (1, True)
        code, out, err = await dialctl(fleet.replicas[0], "campaigns")
        assert code == 0
        assert "gateway-0 0+0" in out
        assert "without gateway-1, no report from there" in err
