"""The shared state over a real cluster: keys of several nodes, redirects, and a node that ends."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.core.fleet.contacts import Contact, ContactLimit, KeptContact
from gateway.core.fleet.messages import Claim, ClaimVerdict, Settlement
from gateway.runtime.check_result import CheckResult
from gateway.shared_state.address import parse
from gateway.shared_state.cluster import REFRESH_EVERY_S, SlotMap
from gateway.shared_state.port import SharedStateChanged, SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.startup_check import remarks_on
from gateway.shared_state.valkey_connection import Node, ValkeyConnection, slot_of
from gateway.shared_state.valkey_state import StateSettings, ValkeyState
from tests.integration.fleet_world import fleet_of
from tests.integration.world import dials
from tests.shared_state.clusters import move_slot, running_cluster
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.servers import Server
from tests.shared_state.states import claim, state_at


@pytest.fixture
def cluster(program: str, tmp_path: Path) -> Iterator[list[Server]]:
    with running_cluster(program, tmp_path) as nodes:
        yield nodes


def url_of(*nodes: Server) -> str:
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"valkey+cluster://{hosts}"


def node_of(nodes: list[Server], campaign_id: str) -> Server:
    """Return the node that has the tokens of a campaign, by the ranges that the test has given out."""
    return nodes[slot_of(f"{{{campaign_id}}}") * 3 // 16_384]


async def claimed(state: ValkeyState, campaign_id: str, token: str) -> ClaimVerdict:
    (found,) = await state.claim(campaign_id, "m-1", ["m-1"], [Claim(token, "f", 1)])
    return found.verdict


async def has_room(state: ValkeyState, campaign_id: str, one: Claim, member: str = "m-2") -> bool:
    """Claim a token with a contact; return whether its limits have room."""
    (found,) = await state.claim(campaign_id, member, [member], [one])
    assert found.count is not None
    return found.count.full is None


async def test_campaigns_are_on_all_nodes_and_each_is_found(cluster: list[Server]) -> None:
    campaigns = [f"c-{number}" for number in range(12)]
    assert {node_of(cluster, each).port for each in campaigns} == {node.port for node in cluster}
    async with state_at(url_of(cluster[0])) as state, state_at(url_of(*cluster), "m-2") as other:
        for each in campaigns:
            assert await claimed(state, each, "t") is ClaimVerdict.CLAIMED
        for each in campaigns:
            assert (await other.look_up(each, ["m-1"], ["t"])).keys() == {"t"}


async def test_a_node_that_becomes_silent_when_it_is_asked_for_the_slots(cluster: list[Server]) -> None:
    """The operation fails in time, and a later one asks again."""
    async with lossy_proxy_to(cluster[0].port) as proxy:
        proxy.silenced_by = b"SLOTS"
        async with state_at(f"valkey+cluster://127.0.0.1:{proxy.port}") as state:
            with pytest.raises(SharedStateUnavailable):
                await asyncio.wait_for(claimed(state, "c-1", "t"), 10.0)
            proxy.silenced_by = b""
            async with asyncio.timeout(10.0):
                while True:
                    with suppress(SharedStateUnavailable):
                        assert await claimed(state, "c-1", "t") is ClaimVerdict.CLAIMED
                        return
                    await asyncio.sleep(0.05)


async def test_dead_nodes_do_not_delay_each_other(cluster: list[Server]) -> None:
    """Of three nodes that the URL names, one is silent, one has ended, and the last one tells the slots.

    Another reading begins with the next node, and tells the same.
    """
    ended, silent, alive = Node("127.0.0.1", 1), Node("127.0.0.1", 2), Node("127.0.0.1", cluster[0].port)
    asked, never = list[Node](), asyncio.Event()
    primary = StateSettings(parse(url_of(*cluster))).primary("test")

    async def open_any(node: Node) -> ValkeyConnection:
        asked.append(node)
        if node == silent:
            await never.wait()
        return await primary.open_any(node)

    slots = SlotMap([silent, ended, alive], open_any)
    async with asyncio.timeout(60):
        found = await slots.node_of(slot_of("{c-1}"))
        assert found == Node("127.0.0.1", node_of(cluster, "c-1").port)
        assert asked == [silent, ended, alive]
        await asyncio.sleep(REFRESH_EVERY_S)
        slots.outdated()
        assert await slots.node_of(slot_of("{c-1}")) == found
        assert asked[3:5] == [ended, alive]


async def test_a_slot_that_moved_is_followed(cluster: list[Server]) -> None:
    source, target = node_of(cluster, "c-1"), node_of(cluster, "c-2")
    assert source is not target
    async with state_at(url_of(*cluster)) as state:
        assert await claimed(state, "c-1", "before") is ClaimVerdict.CLAIMED
        source.command("FLUSHALL")
        move_slot(slot_of("{c-1}"), source, target, cluster)
        assert await claimed(state, "c-1", "after") is ClaimVerdict.CLAIMED
        assert target.command("EXISTS", "dial-gateway:{c-1}:after") == 1
        assert await claimed(state, "c-1", "again") is ClaimVerdict.CLAIMED


async def test_a_slot_on_the_move_is_asked_for(cluster: list[Server]) -> None:
    """While a slot moves, its node names another one for keys that it does not have (ASK)."""
    source, target = node_of(cluster, "c-1"), node_of(cluster, "c-2")
    slot = slot_of("{c-1}")
    async with state_at(url_of(*cluster)) as state:
        assert await claimed(state, "c-2", "t") is ClaimVerdict.CLAIMED
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", str(source.command("CLUSTER", "MYID")))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", str(target.command("CLUSTER", "MYID")))
        assert await claimed(state, "c-1", "new") is ClaimVerdict.CLAIMED
        source.command("CLUSTER", "SETSLOT", slot, "STABLE")
        assert await claimed(state, "c-1", "new") is ClaimVerdict.CLAIMED  # the source never had it


async def test_a_redirect_without_a_host_leads_to_the_host_that_was_asked(cluster: list[Server]) -> None:
    """Nodes behind one address name each other by port only; a node that lacks its host name is "?"."""

    def name_nodes_by(preferred: str) -> None:
        for node in cluster:
            node.command("CONFIG", "SET", "cluster-preferred-endpoint-type", preferred)

    source, target = node_of(cluster, "c-1"), node_of(cluster, "c-2")
    slot = slot_of("{c-1}")
    name_nodes_by("unknown-endpoint")
    async with state_at(url_of(*cluster)) as state:
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", str(source.command("CLUSTER", "MYID")))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", str(target.command("CLUSTER", "MYID")))
        assert await claimed(state, "c-1", "asked") is ClaimVerdict.CLAIMED
        name_nodes_by("hostname")
        move_slot(slot, source, target, cluster)
        assert await claimed(state, "c-1", "moved") is ClaimVerdict.CLAIMED
        assert target.command("EXISTS", "dial-gateway:{c-1}:moved") == 1


async def test_a_node_that_ends_fails_its_campaigns_only(cluster: list[Server]) -> None:
    for node in cluster:
        node.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    ending, staying = node_of(cluster, "c-1"), node_of(cluster, "c-2")
    async with state_at(url_of(staying)) as state:
        assert await claimed(state, "c-1", "t") is ClaimVerdict.CLAIMED
        ending.kill()
        with pytest.raises(SharedStateUnavailable):
            await claimed(state, "c-1", "u")
        assert await claimed(state, "c-2", "u") is ClaimVerdict.CLAIMED


async def test_contacts_count_across_campaigns_on_all_nodes(cluster: list[Server]) -> None:
    """After the node that has them has lost its data, nothing counts until they are written again."""
    contact = Contact(b"a person", b"call c-1", (ContactLimit("once", 1, 600.0),))
    one, other = Claim("t", "f", 1, contact), Claim("u", "f", 1, contact._replace(call=b"call c-2"))
    assert node_of(cluster, "c-1") is not node_of(cluster, "c-2")
    async with state_at(url_of(*cluster)) as state, state_at(url_of(*cluster), "m-2") as second:
        assert await has_room(state, "c-1", one, "m-1")
        assert not await has_room(second, "c-2", other)
        await state.settle("c-1", "m-1", [Settlement("t", "f", 1, None, withdrawn=contact)])
        assert await has_room(second, "c-2", other)
        node_of(cluster, "dial-gateway").command("FLUSHALL")
        with pytest.raises(SharedStateChanged):
            await has_room(second, "c-2", other)
        assert other.contact is not None
        await second.restore_contacts("m-2", math.inf, [KeptContact(other.contact, 1, False, 0)])
        assert not await has_room(second, "c-1", one)


async def test_a_url_without_cluster_is_refused_and_the_check_passes_with_it(cluster: list[Server]) -> None:
    async with state_at(cluster[0].url) as state:
        with pytest.raises(SharedStateRefused, match=r"must begin with valkey\+cluster://"):
            await claim(state, "t")
    remarks = await remarks_on(StateSettings(parse(url_of(cluster[1]))))
    assert [remark.result for remark in remarks] == [CheckResult.GOOD] * 3


async def test_cluster_in_the_url_of_a_single_server_is_refused(shared_server: Server) -> None:
    async with state_at(url_of(shared_server)) as state:
        with pytest.raises(SharedStateRefused, match="cluster support disabled"):
            await claim(state, "t")


async def test_gateways_over_a_cluster_are_one_fleet(cluster: list[Server]) -> None:
    async with fleet_of(2, url_of(*cluster)) as fleet:
        await fleet.joined()
        one, other = fleet.replicas
        for campaign in ("c-1", "c-2", "c-3"):
            first = await one.ask(*dials(10), campaign=campaign)
            again = await other.ask(*dials(10), campaign=campaign)
            assert [result.dial_request_id for result in again] == [
                result.dial_request_id for result in first
            ]
            assert set(fleet.dialed(campaign).values()) == {1}
