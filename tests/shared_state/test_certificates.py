"""Certificates of the shared state that change while the gateways of a fleet run.

The server is Debian's Redis, since the wheel's Valkey is built without TLS. It asks for a certificate.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.access.key_pair import ClientTls
from gateway.access.reloading import Reloaded
from gateway.cli import check
from gateway.core.fleet.messages import ClaimVerdict
from gateway.runtime.check_result import CheckResult, Finding
from gateway.settings import Settings
from gateway.shared_state.connections import MAX_CONNECTIONS
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.server import ServerAccess
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.fleet_world import FleetWorld, Replica, fleet_of
from tests.integration.world import dial, until, verdicts
from tests.pki import Authority, Issued
from tests.shared_state.servers import Server, absent, running
from tests.shared_state.states import claim, state_at, tls_context

NAMES = ("ca.crt", "tls.crt", "tls.key")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if reason := absent("redis"):
        pytest.skip(reason)
    with running("redis", tmp_path / "server", {"tls-auth-clients": "yes"}, tls=True) as server:
        yield server


@pytest.fixture
def own(tmp_path: Path, server: Server) -> Path:
    """A folder with the files of the gateways: the same certificate as the server's."""
    folder = tmp_path / "own"
    folder.mkdir()
    renew(server, folder)
    return folder


def renew(server: Server, folder: Path) -> None:
    """Put the server's present files in place of those of the gateways."""
    assert server.tls_folder is not None
    for name in NAMES:
        put(folder / name, (server.tls_folder / name).read_bytes())


def settings_of(folder: Path) -> dict[str, Any]:
    settings = ("ca", "cert", "key")
    return {
        f"shared_state_tls_{one}_file": str(folder / name) for one, name in zip(settings, NAMES, strict=True)
    }


def certificates(replica: Replica) -> Reloaded[ClientTls]:
    found = replica.gateway._files._state_tls
    assert found is not None
    return found


def is_connected(world: FleetWorld) -> bool:
    return all(replica.shared_state[1].startswith("connected") for replica in world.replicas)


def connections_of(server: Server) -> dict[str, str]:
    """Return the connections of gateways: which replica has each, by the number that the server gave it."""
    listed = str(server.command("CLIENT", "LIST", "TYPE", "normal")).splitlines()
    fields = [dict(field.split("=", 1) for field in line.split()) for line in listed]
    ours = [one for one in fields if one["name"].startswith("dial-gateway:")]
    return {one["id"]: one["name"].partition("@")[0] for one in ours}


async def accept(world: FleetWorld, *tokens: str) -> None:
    """Have each replica dial a token, which it claims before."""
    for replica, token in zip(world.replicas, tokens, strict=True):
        assert verdicts(await replica.ask(dial(token))) == ["ACCEPTED"]


async def connect_again(world: FleetWorld, server: Server) -> None:
    """Have the server close all connections, and wait until each replica has new ones."""
    before = connections_of(server)
    server.disconnect_clients()

    def are_back() -> bool:
        new = connections_of(server)
        return not new.keys() & before.keys() and set(new.values()) == set(before.values())

    await until(lambda: are_back() and is_connected(world))


async def test_new_connections_use_rotated_certificates(server: Server, own: Path) -> None:
    """Open connections stay, while the server and then the gateways get certificates of another authority.

    The metric has the end of the new certificate.
    """
    async with fleet_of(2, server.url, **settings_of(own)) as world:
        await world.joined()
        await world.certain()
        first = [certificates(replica).value for replica in world.replicas]
        open_before = connections_of(server)
        server.rotate_certificates()
        await accept(world, "a", "b")
        renew(server, own)
        await until(lambda: all(certificates(replica).value not in first for replica in world.replicas))
        await accept(world, "c", "d")
        assert open_before.items() <= connections_of(server).items()

        await connect_again(world, server)
        await accept(world, "e", "f")
        seen = await scrape(world.replicas[0].gateway.admin_port)
        ends_at = certificates(world.replicas[0]).value.ends_at
        assert seen.value("dial_gateway_shared_state_certificate_not_after_timestamp_seconds") == ends_at
        assert seen.value("dial_gateway_access_files_refused_total", file="shared_state_certificate") == 0


@pytest.mark.parametrize("case", ["mismatch", "expired", "gone", "no authority"])
async def test_a_broken_change_keeps_the_certificates(server: Server, own: Path, case: str) -> None:
    """New connections are made with the old ones; the change is counted; a good one after it is used."""
    async with fleet_of(1, server.url, **settings_of(own)) as world:
        await world.joined()
        await world.certain()
        kept = certificates(world.replicas[0])
        first = kept.value
        broken(own, case)
        await until(lambda: kept.refused == 1)
        assert kept.value is first
        await connect_again(world, server)
        await accept(world, "a")
        seen = await scrape(world.replicas[0].gateway.admin_port)
        assert seen.value("dial_gateway_access_files_refused_total", file="shared_state_certificate") == 1

        server.rotate_certificates()
        renew(server, own)
        await until(lambda: kept.value is not first)
        assert kept.complaint == ""
        await connect_again(world, server)
        await accept(world, "b")


def broken(folder: Path, case: str) -> None:
    """Change the files of a folder so that they cannot be used."""
    issued: Issued = Authority().issue(dns="localhost", not_after=YESTERDAY if case == "expired" else None)
    if case == "gone":
        (folder / "tls.key").unlink()
    elif case == "no authority":
        put(folder / "ca.crt", "nothing\n")
    elif case == "mismatch":
        put(folder / "tls.key", issued.key_pem)
    else:
        issued.write(folder)


async def test_certificates_that_the_server_does_not_accept(server: Server, own: Path) -> None:
    """They are valid, so they are used: open connections stay, and new ones fail until they are put right."""
    async with fleet_of(1, server.url, **settings_of(own)) as world:
        await world.joined()
        await world.certain()
        kept = certificates(world.replicas[0])
        right = kept.value
        other = Authority()
        put(own / "ca.crt", other.pem)
        other.issue(dns="localhost").write(own)
        await until(lambda: kept.value is not right)
        await accept(world, "a")
        server.disconnect_clients()
        await until(lambda: "TLS: the certificate is not accepted" in world.replicas[0].shared_state[1])
        renew(server, own)
        await until(lambda: is_connected(world))
        await accept(world, "b")


@pytest.mark.parametrize("refused_by", ["replica", "server"])
async def test_a_load_does_not_close_connections_that_work(
    server: Server, own: Path, refused_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Further connections fail: their commands wait for those that were opened with the former files."""
    used = [tls_context(own, certificate=True)]
    async with state_at(server.url, access=ServerAccess(tls=lambda: used[0])) as state:
        assert await claim(state, "first") == [ClaimVerdict.CLAIMED]
        other = Authority()
        if refused_by == "replica":
            put(own / "ca.crt", other.pem)
        else:
            other.issue(dns="localhost").write(own)
        used[0] = tls_context(own, certificate=True)
        for _ in range(3):
            many = [claim(state, f"token-{number}") for number in range(MAX_CONNECTIONS)]
            assert all(await asyncio.gather(*many))
        assert state._ledger.route.problem is None
        said = [one.message for one in caplog.records if "no further connection" in one.message]
        assert len(said) == 1
        server.disconnect_clients()
        with pytest.raises(SharedStateUnavailable):
            await claim(state, "last")


async def test_dial_gateway_check_explains_the_certificates(server: Server, own: Path) -> None:
    chosen = Settings(shared_state_url=server.url, **settings_of(own))
    found = await asyncio.to_thread(lambda: list(check._of_shared_state(chosen)))
    assert found[-1] == Finding(
        CheckResult.UNSURE,
        "",
        "TLS: certificate for localhost, 127.0.0.1 is shown; its files are good for 1.0 more days",
    )
    broken(own, "mismatch")
    (wrong,) = check._of_shared_state(chosen)
    assert wrong.result is CheckResult.WRONG
    assert wrong.words.startswith("DIAL_GATEWAY_SHARED_STATE_TLS_KEY_FILE: ")
