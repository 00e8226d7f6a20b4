"""Beats over real servers: what makes replicas one fleet, and what a store that lost its data leaves."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest

from gateway.core.fleet.messages import ClaimVerdict, Member
from gateway.shared_state.port import SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.valkey_state import ValkeyState
from tests.integration.world import until
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.servers import Server
from tests.shared_state.states import beat, claim, state_at

EVERY_LAYOUT = b"EVAL\r\n"
"""What the check of the layout of a new connection contains, and a beat does not."""
RETURNS_S = 60.0
"""Seconds after which a server that answers again is used, at most."""


def names_in(members: tuple[Member, ...]) -> set[str]:
    return {each.member for each in members}


async def test_replicas_learn_of_each_other(real_server: Server) -> None:
    async with state_at(real_server.url) as one, state_at(real_server.url, "m-2") as other:
        assert names_in((await beat(one, 1)).tick.members) == {"m-1"}
        assert names_in((await beat(other, 1, "m-2")).tick.members) == {"m-1", "m-2"}


@pytest.mark.timed
async def test_a_second_replica_with_the_same_name_joins_only_after_the_first(real_server: Server) -> None:
    """Two processes that start at once: the server decides, whatever each has seen before."""
    async with state_at(real_server.url) as one, state_at(real_server.url, "m-2") as other:
        await beat(one, 1, "m-1")
        taken = await beat(other, 1, "m-2", name="name of m-1")
        assert (taken.tick.name_taken, taken.tick.members) == (True, ())
        await beat(one, 2, "m-1", leaving=True)
        joined = await beat(other, 2, "m-2", name="name of m-1")
        assert not joined.tick.name_taken
        assert names_in(joined.tick.members) == {"m-2"}


async def test_a_flushed_store_gets_its_layout_again(real_server: Server) -> None:
    async with state_at(real_server.url) as state:
        first = await beat(state, 1)
        real_server.command("FLUSHALL")
        second = await beat(state, 2)
        assert second.tick.epoch != first.tick.epoch
        assert real_server.command("GET", "{dial-gateway}:layout") == "1"


async def test_another_layout_that_appears_later_is_refused(real_server: Server) -> None:
    async with state_at(real_server.url) as state:
        await beat(state, 1)
        real_server.command("SET", "{dial-gateway}:layout", "2")
        with pytest.raises(SharedStateRefused, match=r"layout '2'"):
            await beat(state, 2)


async def test_keys_of_a_fleet_edited_by_hand_are_named(real_server: Server) -> None:
    async with state_at(real_server.url) as state:
        await beat(state, 1)
        real_server.command("DEL", "{dial-gateway}:layout")
        real_server.command("SADD", "{dial-gateway}:layout", "x")
        with pytest.raises(SharedStateRefused, match="changed by hand, or by another program"):
            await beat(state, 2)


async def test_a_script_that_is_forgotten_between_beats_is_sent_again(real_server: Server) -> None:
    async with state_at(real_server.url) as state:
        await beat(state, 1)
        real_server.command("SCRIPT", "FLUSH")
        assert (await beat(state, 2)).tick.members


async def test_slow_claims_do_not_delay_beats(real_server: Server) -> None:
    """While every connection for claims waits for a reply, a beat gets its own at once."""
    async with state_at(real_server.url, timeout_s=10.0) as state:
        await beat(state, 1)
        claims = [asyncio.create_task(claim(state, f"t-{number}")) for number in range(400)]
        await asyncio.sleep(0)
        await beat(state, 2)
        assert not all(task.done() for task in claims)
        await asyncio.gather(*claims)


# --- whose process has ended ------------------------------------------------------------------------


async def until_ended(
    state: ValkeyState, members: tuple[Member, ...], within_s: float = 20.0
) -> tuple[str, ...]:
    """Ask until a process has ended, or the time is over."""
    ended: tuple[str, ...] = ()
    try:
        async with asyncio.timeout(within_s):
            while not ended:
                ended = await state.ended(members)
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    return ended


async def seen(observer: ValkeyState, server: Server) -> None:
    """Let a replica see the connection by which m-2 shows that it lives."""
    async with asyncio.timeout(RETURNS_S):
        while "m-2@" not in str(server.command("CLIENT", "LIST")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await observer.ended(LIVING) == ()


LIVING = (Member("m-1", "one"), Member("m-2", "two"))
ONE_LOST = (Member("m-1", "one"), Member("m-2", "two", lost=True))


async def test_a_process_that_ended_is_seen_by_its_closed_connection(real_server: Server) -> None:
    async with state_at(real_server.url) as observer:
        async with state_at(real_server.url, "m-2") as other:
            await beat(other, 1, "m-2")
            await seen(observer, real_server)
        assert await until_ended(observer, ONE_LOST) == ("m-2",)


async def test_a_lost_replica_that_lives_has_not_ended(real_server: Server) -> None:
    async with state_at(real_server.url) as observer, state_at(real_server.url, "m-2") as other:
        await beat(other, 1, "m-2")
        await seen(observer, real_server)
        assert await until_ended(observer, ONE_LOST, 1.0) == ()


async def test_a_connection_through_a_proxy_proves_nothing(real_server: Server) -> None:
    """A proxy that ends closes the connection of a replica that lives."""
    async with (
        state_at(real_server.url) as observer,
        lossy_proxy_to(real_server.port) as proxy,
        state_at(f"valkey://127.0.0.1:{proxy.port}", "m-2") as other,
    ):
        await beat(other, 1, "m-2")
        await seen(observer, real_server)
        proxy.refuse = True
        proxy.cut()
        assert await until_ended(observer, ONE_LOST, 1.0) == ()


async def test_a_replica_never_seen_has_not_ended(real_server: Server) -> None:
    async with state_at(real_server.url) as observer:
        assert await until_ended(observer, ONE_LOST, 1.0) == ()


async def test_a_restarted_server_proves_nothing(real_server: Server) -> None:
    """After a restart of the server, a replica without a connection may not have found it yet."""
    async with state_at(real_server.url) as observer:
        async with state_at(real_server.url, "m-2") as other:
            await beat(other, 1, "m-2")
            await seen(observer, real_server)
            real_server.kill()
        real_server.start()
        assert await until_ended(observer, ONE_LOST, 1.5) == ()


async def test_without_the_permission_to_list_clients_none_has_ended(real_server: Server) -> None:
    async with state_at(real_server.url) as observer:
        real_server.command("ACL", "SETUSER", "default", "-client|list")
        assert await until_ended(observer, ONE_LOST, 0.5) == ()


async def beats_until(state: ValkeyState, condition: Callable[[], object] = lambda: True) -> None:
    """Exchange beats until one is answered and a condition holds."""
    async with asyncio.timeout(RETURNS_S):
        for sequence in itertools.count(1):
            with suppress(SharedStateUnavailable):
                await beat(state, sequence)
                if condition():
                    return
            await asyncio.sleep(0.05)


async def test_a_server_that_becomes_silent_while_it_is_connected_to_again(real_server: Server) -> None:
    """No step of connecting waits for ever, also the last one: it is tried again on a new connection."""
    async with (
        lossy_proxy_to(real_server.port) as proxy,
        state_at(f"valkey://127.0.0.1:{proxy.port}") as state,
    ):
        await beats_until(state)
        proxy.silenced_by = EVERY_LAYOUT
        proxy.cut()
        beating = asyncio.create_task(beats_until(state, lambda: not proxy.silenced_by))
        await until(lambda: proxy.silenced)
        proxy.silenced_by = b""
        await beating
        assert await claim(state, "t") == [ClaimVerdict.CLAIMED]


async def test_a_server_that_becomes_silent_while_it_is_told_of_this_process(real_server: Server) -> None:
    """The connection that shows that this process lives is opened again."""
    async with lossy_proxy_to(real_server.port) as proxy:
        proxy.silenced_by = b"@127.0.0.1"
        async with state_at(f"valkey://127.0.0.1:{proxy.port}"):
            await until(lambda: proxy.silenced)
            proxy.silenced_by = b""
            async with asyncio.timeout(RETURNS_S):
                while "m-1@127.0.0.1" not in str(real_server.command("CLIENT", "LIST")):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
