"""The shared state over real servers, and over a network that delays and loses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.fleet.messages import ClaimVerdict, FleetAction, FleetActionKind
from gateway.shared_state.commands.script_call import ScriptCall
from gateway.shared_state.port import TIMES_ASKED, SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.server import ServerAccess
from gateway.shared_state.valkey_state import ValkeyState
from tests.pki import Authority
from tests.shared_state.lossy_proxy import LossyProxy, lossy_proxy_to
from tests.shared_state.servers import Server, absent, running, running_pair
from tests.shared_state.states import CAMPAIGN, accept, claim, state_at, tls_context

CLAIMED, ACCEPTED, ELSEWHERE = ClaimVerdict.CLAIMED, ClaimVerdict.ACCEPTED, ClaimVerdict.ELSEWHERE


async def until_claimed(state: ValkeyState, token: str, within_s: float = 10.0) -> list[ClaimVerdict]:
    """Claim until the server is there; return the verdict."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await claim(state, token)
            except SharedStateUnavailable:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def through_proxy(
    server: Server, timeout_s: float = 0.5
) -> AsyncIterator[tuple[LossyProxy, ValkeyState]]:
    """Reach a server through a proxy."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(lossy_proxy_to(server.port))
        url = f"valkey://127.0.0.1:{proxy.port}"
        yield proxy, await stack.enter_async_context(state_at(url, timeout_s=timeout_s))


async def test_a_token_accepted_by_one_replica_is_known_to_another(shared_server: Server) -> None:
    async with state_at(shared_server.url) as one, state_at(shared_server.url, "m-2") as other:
        assert await claim(one, "known") == [CLAIMED]
        assert (await other.look_up(CAMPAIGN, ["m-1"], ["known", "never"])).keys() == {"known"}
        await accept(one, "known", "d-1")
        assert await claim(other, "known", "new", member="m-2") == [ACCEPTED, CLAIMED]


async def test_actions_and_reports(shared_server: Server) -> None:
    async with state_at(shared_server.url) as state:
        recorded = await state.act(FleetAction(FleetActionKind.HOLD, "c-held", "ops", "why"))
        assert recorded is not None
        assert recorded.version > 0
        await state.publish("m-1", b"\x00report", 5.0)
        assert (await state.reports())["m-1"] == b"\x00report"


async def test_a_server_that_forgets_the_scripts_gets_them_again(shared_server: Server) -> None:
    async with state_at(shared_server.url) as state:
        assert await claim(state, "before-flush") == [CLAIMED]
        shared_server.command("SCRIPT", "FLUSH")
        assert await claim(state, "after-flush") == [CLAIMED]


@pytest.mark.timed
async def test_a_killed_server_fails_operations_at_once_until_it_is_back(real_server: Server) -> None:
    async with state_at(real_server.url, timeout_s=30.0) as state:
        assert await claim(state, "a") == [CLAIMED]
        real_server.kill()
        with pytest.raises(SharedStateUnavailable):
            await claim(state, "b")
        async with asyncio.timeout(10.0):  # far less than the time limit: nobody waits for a dead server
            for _ in range(20):
                with pytest.raises(SharedStateUnavailable) as last:
                    await claim(state, "b")
                await asyncio.sleep(0.01)
        assert "refuses connections" in str(last.value)
        real_server.start()
        assert await until_claimed(state, "c") == [CLAIMED]


@pytest.mark.timed
async def test_a_hung_server_costs_the_time_limit_once(real_server: Server) -> None:
    async with state_at(real_server.url, timeout_s=1.0) as state:
        assert await claim(state, "a") == [CLAIMED]
        real_server.pause()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(SharedStateUnavailable, match="no reply within 3 s"):
            await claim(state, "b")
        assert 3.0 <= loop.time() - began < 6.0
        began = loop.time()
        for _ in range(50):
            with pytest.raises(SharedStateUnavailable):
                await claim(state, "b")
        assert loop.time() - began < 3.0  # less than one more time limit
        real_server.resume()
        assert await until_claimed(state, "c") == [CLAIMED]


@pytest.mark.timed
async def test_a_late_event_loop_does_not_lose_a_reply_that_is_there(shared_server: Server) -> None:
    """While the gateway itself is busy for longer than the time limit, the server is not taken for slow.

    The proxy is in the same process, so it has passed nothing on by then.
    """
    timeout_s = 0.3
    async with through_proxy(shared_server, timeout_s) as (_, state):
        await until_claimed(state, "on-time")
        for number in range(3):
            asyncio.get_running_loop().call_soon(time.sleep, TIMES_ASKED * timeout_s + 0.05)
            assert await claim(state, f"late-{number}") == [CLAIMED]


async def test_a_cancelled_operation_does_not_shift_the_replies_of_others(shared_server: Server) -> None:
    """Cancelled at any moment, an operation leaves each later one its own reply."""
    async with through_proxy(shared_server, timeout_s=5.0) as (proxy, state):
        await claim(state, "mine")
        await accept(state, "mine", "d-mine")
        proxy.reply_delay_s = 0.02
        for number in range(30):
            cancelled = asyncio.create_task(claim(state, f"cancelled-{number}"))
            await asyncio.sleep(number * 0.001)
            cancelled.cancel()
            assert await claim(state, "mine", f"fresh-{number}") == [ACCEPTED, CLAIMED]
            await asyncio.gather(cancelled, return_exceptions=True)


async def test_a_lost_reply_does_not_reach_the_next_operation(shared_server: Server) -> None:
    async with through_proxy(shared_server) as (proxy, state):
        await claim(state, "mine-2")
        await accept(state, "mine-2", "d-2")
        proxy.lose_replies = True
        with pytest.raises(SharedStateUnavailable):
            await claim(state, "lost")
        proxy.heal()
        assert await until_claimed(state, "mine-2") == [ACCEPTED]
        assert (await state.look_up(CAMPAIGN, ["m-1"], ["lost"])).keys() == {"lost"}  # it was carried out


async def test_a_partition_and_its_end(shared_server: Server) -> None:
    async with through_proxy(shared_server) as (proxy, state):
        await claim(state, "before-partition")
        proxy.partitioned = True
        with pytest.raises(SharedStateUnavailable):
            await claim(state, "in-partition")
        proxy.heal()
        assert await until_claimed(state, "after-partition") == [CLAIMED]


async def test_concurrent_operations_get_their_own_replies(shared_server: Server) -> None:
    async with state_at(shared_server.url, timeout_s=5.0) as state:
        tokens = [f"many-{number}" for number in range(200)]
        assert await asyncio.gather(*(claim(state, token) for token in tokens)) == [[CLAIMED]] * 200
        connections = str(shared_server.command("CLIENT", "LIST")).count("dial-gateway:m-1")
        assert connections <= 20


async def test_out_of_memory_is_said_and_ends(program: str, tmp_path: Path) -> None:
    with running(program, tmp_path / "server") as server:
        async with state_at(server.url) as state:
            assert await claim(state, "a") == [CLAIMED]
            server.command("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(SharedStateUnavailable, match=r"out of memory \(maxmemory\)"):
                await claim(state, "b")
            server.command("CONFIG", "SET", "maxmemory", "0")
            assert await claim(state, "c") == [CLAIMED]


async def test_after_a_promotion_the_old_primary_is_left(program: str, tmp_path: Path) -> None:
    """A demoted server answers, and cannot write: no operation is taken for done there."""
    with running_pair(program, tmp_path) as pair:
        async with state_at(pair.primary.url) as state:
            assert await claim(state, "a") == [CLAIMED]
            pair.promote()
            with pytest.raises(SharedStateUnavailable):
                await claim(state, "b")
            await asyncio.sleep(0.1)
            with pytest.raises(SharedStateUnavailable, match="is a replica, which cannot write"):
                await claim(state, "b")
            pair.promote()
            assert await until_claimed(state, "b") == [CLAIMED]


@pytest.mark.timed
async def test_a_sentinel_leads_to_the_new_primary(program: str, tmp_path: Path) -> None:
    with running_pair(program, tmp_path, sentinel=True) as pair:
        async with state_at(pair.url) as state:
            assert await claim(state, "a") == [CLAIMED]
            pair.wait_for_replica()
            pair.primary.kill()
            with pytest.raises(SharedStateUnavailable):
                await claim(state, "b")
            assert await until_claimed(state, "b", 20.0) == [CLAIMED]
            assert pair.replica.command("EXISTS", f"dial-gateway:{{{CAMPAIGN}}}:b") == 1


async def test_an_unknown_service_of_a_sentinel_is_named(program: str, tmp_path: Path) -> None:
    with running_pair(program, tmp_path, sentinel=True) as pair:
        async with state_at(pair.url.replace("/gateways/", "/others/")) as state:
            with pytest.raises(SharedStateRefused, match="knows no service 'others'"):
                await claim(state, "a")


async def test_a_server_of_another_version_or_program_is_refused(real_server: Server) -> None:
    """Nothing is overwritten in a store that is not ours."""
    real_server.command("SET", "{dial-gateway}:layout", "2")
    async with state_at(real_server.url) as state:
        with pytest.raises(SharedStateRefused, match=r"another version's data .* \(layout '2'"):
            await state._beats.run([ScriptCall("layout", ["{dial-gateway}:layout"], ["1"])])
    real_server.command("DEL", "{dial-gateway}:layout")
    real_server.command("SET", "{dial-gateway}:quota", "mine")
    async with state_at(real_server.url) as state:
        with pytest.raises(SharedStateRefused, match="keys of another program"):
            await state._beats.run([ScriptCall("layout", ["{dial-gateway}:layout"], ["1"])])
    assert real_server.command("KEYS", "*") == ["{dial-gateway}:quota"]
    assert real_server.command("GET", "{dial-gateway}:quota") == "mine"


async def test_a_wrong_password_is_refused_and_not_shown(program: str, tmp_path: Path) -> None:
    with running(program, tmp_path / "server", {"requirepass": "right-password"}) as server:
        wrong = ServerAccess(password=lambda: "wrong-password")
        async with state_at(server.url, access=wrong) as state:
            with pytest.raises(SharedStateRefused, match="refuses user or password") as raised:
                await claim(state, "a")
            assert "wrong-password" not in str(raised.value)
            assert "wrong-password" not in repr(wrong)
        async with state_at(server.url) as state:
            with pytest.raises(SharedStateRefused, match="asks for a password"):
                await claim(state, "a")
        async with state_at(server.url, access=ServerAccess(password=lambda: "right-password")) as state:
            assert await claim(state, "a") == [CLAIMED]


async def test_a_missing_permission_is_named(real_server: Server) -> None:
    """The user may do everything but run scripts."""
    real_server.command("ACL", "SETUSER", "gw", "on", ">pw", "~*", "+@all", "-evalsha", "-eval")
    access = ServerAccess(user="gw", password=lambda: "pw")
    async with state_at(real_server.url, access=access) as state:
        with pytest.raises(SharedStateRefused, match="lacks a permission: to run EVAL"):
            await claim(state, "a")


async def test_a_user_without_a_command_of_the_scripts(real_server: Server) -> None:
    real_server.command("ACL", "SETUSER", "gw", "on", ">pw", "~*", "+@all", "-time")
    async with state_at(real_server.url, access=ServerAccess(user="gw", password=lambda: "pw")) as state:
        with pytest.raises(SharedStateRefused, match="lacks a permission"):
            await claim(state, "a")


async def test_a_user_without_the_keys(real_server: Server) -> None:
    real_server.command("ACL", "SETUSER", "gw", "on", ">pw", "~other:*", "+@all")
    async with state_at(real_server.url, access=ServerAccess(user="gw", password=lambda: "pw")) as state:
        with pytest.raises(SharedStateRefused, match="lacks a permission: to use keys under the prefix"):
            await claim(state, "a")


async def test_a_server_that_evicts_keys_is_refused(program: str, tmp_path: Path) -> None:
    with running(program, tmp_path / "server", {"maxmemory-policy": "allkeys-lru"}) as server:
        async with state_at(server.url) as state:
            with pytest.raises(
                SharedStateRefused, match=r"evicts keys .* set maxmemory-policy to noeviction"
            ):
                await claim(state, "a")


async def test_another_program_on_the_port_is_named() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, state_at(f"valkey://127.0.0.1:{port}") as state:
        with pytest.raises(SharedStateUnavailable, match="does not speak the protocol"):
            await claim(state, "a")


# --- TLS: Debian's Redis only, since the wheel's Valkey is built without --------------------------------


async def test_tls_with_a_ca_file(tls_server: Server) -> None:
    assert tls_server.tls_folder is not None
    trusted = tls_context(tls_server.tls_folder)
    async with state_at(tls_server.url, access=ServerAccess(tls=lambda: trusted)) as state:
        assert await claim(state, "a") == [CLAIMED]


async def test_a_certificate_of_another_authority_is_refused(tls_server: Server, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(Authority().pem)
    other = tls_context(tmp_path)
    async with state_at(tls_server.url, access=ServerAccess(tls=lambda: other)) as state:
        with pytest.raises(SharedStateUnavailable, match="TLS: the certificate is not accepted"):
            await claim(state, "a")


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    """The name in the URL must be in the certificate, also if the authority is trusted."""
    if reason := absent("redis"):
        pytest.skip(reason)
    with running("redis", tmp_path / "server", {"bind": "127.0.0.1 127.0.0.2"}, tls=True) as server:
        assert server.tls_folder is not None
        trusted = tls_context(server.tls_folder)
        url = server.url.replace("127.0.0.1", "127.0.0.2")
        async with state_at(url, access=ServerAccess(tls=lambda: trusted)) as state:
            with pytest.raises(SharedStateUnavailable, match="TLS: the certificate is not accepted"):
                await claim(state, "a")


async def test_a_client_certificate(tmp_path: Path) -> None:
    if reason := absent("redis"):
        pytest.skip(reason)
    with running("redis", tmp_path / "server", {"tls-auth-clients": "yes"}, tls=True) as server:
        folder = server.tls_folder
        assert folder is not None
        bare = tls_context(folder)
        async with state_at(server.url, access=ServerAccess(tls=lambda: bare)) as state:
            with pytest.raises(SharedStateUnavailable):
                await claim(state, "a")
        shown = tls_context(folder, certificate=True)
        async with state_at(server.url, access=ServerAccess(tls=lambda: shown)) as state:
            assert await claim(state, "a") == [CLAIMED]


async def test_tls_to_a_server_without_it_and_the_reverse(tls_server: Server, shared_server: Server) -> None:
    trusted = tls_context(None)
    url = shared_server.url.replace("://", "s://", 1)
    async with state_at(url, access=ServerAccess(tls=lambda: trusted)) as state:
        with pytest.raises(SharedStateUnavailable, match=r"TLS|closed|no reply"):
            await claim(state, "a")
    async with state_at(tls_server.url.replace("rediss", "redis")) as state:
        with pytest.raises(SharedStateUnavailable):
            await claim(state, "a")
