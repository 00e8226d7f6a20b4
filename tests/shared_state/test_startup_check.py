"""The check of a shared state: one clear line for each cause, and nothing overwritten."""

import asyncio
import shlex
from pathlib import Path

import pytest

from gateway.access.errors import KeyPairError
from gateway.composition.fleet import reached_state_of
from gateway.runtime.check_result import CheckResult
from gateway.settings import Settings
from gateway.shared_state.address import AddressError
from gateway.shared_state.port import SharedStateRefused, SharedStateUnavailable
from gateway.shared_state.primary import FLEET_KEYS
from gateway.shared_state.setup import fingerprint_key
from gateway.shared_state.startup_check import refusal_of, remarks_on
from gateway.shared_state.valkey_state import StateSettings
from tests.docs.documents import blocks
from tests.integration.world import until
from tests.ports import closed_port
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.servers import Server, running, running_pair
from tests.shared_state.states import beat, claim, state_at

SECRET = "pass-word-of-the-test"


def settings_for(url: str, secret: str | None = None, **files: str) -> StateSettings:
    named = {f"shared_state_{name}_file": path for name, path in files.items()}
    chosen = Settings(
        shared_state_url=url,
        shared_state_password=secret,
        shared_state_timeout=0.5,
        **named,  # type: ignore[arg-type]
    )
    reached = reached_state_of(chosen)
    assert reached is not None
    return reached.settings


async def test_an_empty_server_is_good_and_stays_empty(real_server: Server) -> None:
    remarks = await remarks_on(settings_for(real_server.url))
    assert [remark.result for remark in remarks] == [CheckResult.GOOD] * 3
    assert real_server.program in remarks[0].words
    assert await refusal_of(settings_for(real_server.url)) is None
    assert real_server.command("DBSIZE") == 0


async def test_the_server_of_a_fleet_is_good(real_server: Server) -> None:
    async with state_at(real_server.url) as state:
        await claim(state, "a")
        await beat(state, 1)
    assert real_server.command("GET", "{dial-gateway}:layout") == "1"
    assert await refusal_of(settings_for(real_server.url)) is None


@pytest.mark.parametrize("key", ["dial-gateway:session:1", "{dial-gateway}:other"])
async def test_the_keys_of_another_program_are_refused(real_server: Server, key: str) -> None:
    real_server.command("SET", key, "theirs")
    refusal = await refusal_of(settings_for(real_server.url))
    assert isinstance(refusal, SharedStateRefused)
    assert "keys of another program under the prefix 'dial-gateway'" in str(refusal)
    assert "session" not in str(refusal)  # a key of another program may contain anything
    assert real_server.command("KEYS", "*") == [key]


def _looks(server: Server) -> int:
    """Return how often it was asked whether a key exists."""
    client = server.client()
    stats = client.info("commandstats")
    client.close()
    assert isinstance(stats, dict)
    return int(stats.get("cmdstat_exists", {"calls": 0})["calls"])


@pytest.mark.parametrize(("layout", "fits"), [("1", True), ("7", False)])
async def test_a_replica_that_starts_at_the_same_time(
    real_server: Server, layout: str, *, fits: bool
) -> None:
    """What it writes between two looks is no other program's, and its layout counts."""
    async with lossy_proxy_to(real_server.port) as proxy:
        proxy.request_delay_s = 0.3
        checking = asyncio.create_task(refusal_of(settings_for(f"valkey://127.0.0.1:{proxy.port}")))
        await until(lambda: _looks(real_server) > len(FLEET_KEYS))  # the script looks at each first
        real_server.command("SET", "{dial-gateway}:layout", layout)
        real_server.command("SET", "{dial-gateway}:quota", "theirs")
        refusal = await checking
    assert (refusal is None) is fits
    assert fits or "another version's data" in str(refusal)


async def test_other_keys_beside_the_prefix_are_fine(real_server: Server) -> None:
    real_server.command("SET", "dial-gateways:1", "theirs")
    assert await refusal_of(settings_for(real_server.url)) is None


async def test_another_layout_is_refused(real_server: Server) -> None:
    real_server.command("SET", "{dial-gateway}:layout", "7")
    refusal = await refusal_of(settings_for(real_server.url))
    assert "another version's data under the prefix 'dial-gateway' (layout '7'" in str(refusal)
    assert real_server.command("GET", "{dial-gateway}:layout") == "7"


async def test_a_server_that_evicts_keys(program: str, tmp_path: Path) -> None:
    with running(program, tmp_path / "server", {"maxmemory-policy": "volatile-lru"}) as server:
        refusal = await refusal_of(settings_for(server.url))
    assert "maxmemory-policy volatile-lru" in str(refusal)


async def test_a_replica_is_not_taken_for_the_primary(program: str, tmp_path: Path) -> None:
    with running_pair(program, tmp_path) as pair:
        problem = await refusal_of(settings_for(pair.replica.url))
    assert isinstance(problem, SharedStateUnavailable)
    assert "is a replica" in str(problem)


async def test_each_new_connection_is_checked_for_a_primary(program: str, tmp_path: Path) -> None:
    """A demoted server is left before anything is asked of it."""
    with running_pair(program, tmp_path) as pair:
        primary = settings_for(pair.primary.url).primary("dial-gateway:test")
        (await primary.open()).close()
        pair.promote()
        with pytest.raises(SharedStateUnavailable, match="is a replica, which cannot write"):
            await primary.open()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("redis_version:6.2.14\r\nrole:master", "redis 6.2.14 is too old: 7.0 or later is needed"),
        ("server_name:valkey\r\nredis_version:7.2.4\r\nvalkey_version:6.0.0\r\nrole:master", "too old"),
        ("role:master", "redis without a version is too old"),
    ],
)
async def test_a_server_that_is_too_old(info: str, words: str) -> None:
    """A server of our own answers, since none of that age is at hand."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"INFO\r\n")
        writer.write(f"+OK\r\n${len(info)}\r\n{info}\r\n".encode())
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        refusal = await refusal_of(settings_for(f"valkey://127.0.0.1:{port}"))
        await ended.wait()
    assert isinstance(refusal, SharedStateRefused)
    assert words in str(refusal)


async def test_no_server() -> None:
    with closed_port() as port:
        problem = await refusal_of(settings_for(f"valkey://127.0.0.1:{port}"))
    assert isinstance(problem, SharedStateUnavailable)
    assert str(problem) == f"127.0.0.1:{port}: refuses connections"


async def test_a_hung_server(real_server: Server) -> None:
    real_server.pause()
    problem = await refusal_of(settings_for(real_server.url))
    real_server.resume()
    assert isinstance(problem, SharedStateUnavailable)
    assert "no reply within" in str(problem)


async def test_a_wrong_password_is_never_shown(program: str, tmp_path: Path) -> None:
    with running(program, tmp_path / "server", {"requirepass": "another"}) as server:
        settings = settings_for(server.url, SECRET)
        refusal = await refusal_of(settings)
        (tmp_path / "password").write_text("another\n")
        good = settings_for(server.url, password=str(tmp_path / "password"))
        assert await refusal_of(good) is None
    assert "refuses user or password" in str(refusal)
    assert SECRET not in f"{refusal}{settings!r}{settings.access!r}"


@pytest.mark.parametrize("missing", ["evalsha", "time", "zpopmin", "info"])
async def test_a_missing_permission(real_server: Server, missing: str) -> None:
    allowed = ["+@all", f"-{missing}", *(["-eval"] if missing == "evalsha" else [])]
    real_server.command("ACL", "SETUSER", "gw", "on", f">{SECRET}", "~*", *allowed)
    url = real_server.url.replace("://", "://gw@")
    refusal = await refusal_of(settings_for(url, SECRET))
    assert "lacks a permission: to run" in str(refusal)


async def test_the_documented_permissions_are_enough(real_server: Server) -> None:
    """The command in docs/deployment.md makes a user who may do all that the gateway does."""
    (shown,) = [block.text for block in blocks("docs/deployment.md") if "ACL SETUSER" in block.text]
    _, *command = shlex.split(shown.replace("PASSWORD", SECRET).replace(" \\\n", " ").removeprefix("$ "))
    real_server.command(*command)
    url = real_server.url.replace("://", "://dial-gateway@")
    remarks = await remarks_on(settings_for(url, SECRET))
    assert [remark.result for remark in remarks] == [CheckResult.GOOD] * 3, remarks


async def test_a_user_who_may_not_list_clients_is_told_what_follows(real_server: Server) -> None:
    rule = "~* +@all -client|list"
    real_server.command("ACL", "SETUSER", "gw", "on", f">{SECRET}", *rule.split())
    remarks = await remarks_on(settings_for(real_server.url.replace("://", "://gw@"), SECRET))
    assert [remark.result for remark in remarks] == [*[CheckResult.GOOD] * 3, CheckResult.UNSURE]
    assert "CLIENT LIST" in remarks[-1].words


# --- settings that do not fit together ------------------------------------------------------------------


def test_password_and_file_together_are_refused() -> None:
    with pytest.raises(AddressError, match="set one of them only"):
        settings_for("valkey://store", SECRET, password="/file")


def test_a_ca_file_without_tls_is_refused() -> None:
    """Somebody who gives an authority wants TLS, which this URL would not use."""
    with pytest.raises(AddressError, match=r"TLS_CA_FILE: needs a URL that begins with valkeys://"):
        settings_for("valkey://store", tls_ca="/ca.crt")


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(AddressError, match="set both or none"):
        settings_for("valkeys://store", tls_cert="/tls.crt")


@pytest.mark.parametrize(("name", "error"), [("tls_ca", KeyPairError), ("password", SharedStateRefused)])
def test_a_file_that_is_missing_is_named(name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="/nowhere/file: No such file"):
        settings_for("valkeys://store", **{name: "/nowhere/file"})


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SharedStateRefused, match="is empty"):
        settings_for("valkey://store", password=str(tmp_path / "empty"))


def test_a_missing_or_short_key_of_fingerprints_is_refused(tmp_path: Path) -> None:
    path, setting = tmp_path / "key", "DIAL_GATEWAY_SHARED_STATE_FINGERPRINT_KEY_FILE"
    with pytest.raises(SharedStateRefused, match=f"^{setting}: cannot read {path}: "):
        fingerprint_key(str(path))
    path.write_text("short\n")
    with pytest.raises(SharedStateRefused, match=f"^{setting}: {path} must contain 16 to 1024 bytes$"):
        fingerprint_key(str(path))
    (tmp_path / "key").write_text("long enough to be a key\n")
    assert fingerprint_key(str(tmp_path / "key")) == b"long enough to be a key"
    assert fingerprint_key(None) is None
