"""TLS on real sockets: the certificate that is shown, and its changes while the gateway runs."""

import asyncio
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests import pki
from tests.integration.admin import get, scrape
from tests.integration.process import serving
from tests.integration.secured import BILLING, Folder, caller_of, folder_of, secured
from tests.integration.world import World, dial, until, verdicts

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


async def shown(world: World, folder: Folder) -> bytes:
    """Return the certificate that the gateway shows to a new connection."""
    context = ssl.create_default_context(cadata=folder.ca.pem.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


async def test_a_certificate_is_renewed_under_open_streams(tmp_path: Path) -> None:
    """New connections see the new certificate; a stream that is open goes on; the metric tells the end."""
    async with (
        secured(tmp_path, None, mutual=False) as (world, folder),
        caller_of(world, folder.ca) as caller,
    ):
        stream = caller.stream()
        await stream.send(dial("before"))
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]

        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        renewed = pki.issue(folder.ca, dns="localhost", ip="127.0.0.1", not_after=ends)
        renewed.write(tmp_path)
        pair = world.gateway.access.pair
        assert pair is not None
        await until(lambda: pair.value.certificate == renewed.pem)

        assert await shown(world, folder) == renewed.pem
        await stream.send(dial("after"))
        assert verdicts(await stream.ask(dial("last"))) == ["ACCEPTED"] * 2
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_certificate_not_after_timestamp_seconds") == ends.timestamp()


@pytest.mark.parametrize("case", ["expired", "mismatch"])
async def test_a_broken_change_leaves_the_good_certificate(tmp_path: Path, case: str) -> None:
    """New connections see the old certificate still, and the change is counted."""
    async with secured(tmp_path, None, mutual=False) as (world, folder):
        good = (tmp_path / "tls.crt").read_bytes()
        broken = pki.issue(folder.ca, dns="localhost", not_after=YESTERDAY if case == "expired" else None)
        (tmp_path / "tls.crt").write_bytes(broken.pem)
        if case == "expired":
            (tmp_path / "tls.key").write_bytes(broken.key_pem)
        world.gateway.access.reread()
        assert await shown(world, folder) == good
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_access_files_refused_total", file="certificate") == 1


async def test_another_authority_of_callers_counts_for_new_connections(tmp_path: Path) -> None:
    """A caller of the old authority gets in no more, one of the new does."""
    async with secured(tmp_path) as (world, folder):
        new = pki.make_ca("another")
        (tmp_path / "ca.crt").write_bytes(new.pem)
        world.gateway.access.reread()
        mine = pki.issue(new, spiffe=BILLING)
        async with caller_of(world, folder.ca, BILLING, own=mine) as caller:
            assert verdicts(await caller.stream().ask(dial("a"), campaign="debt-1")) == ["ACCEPTED"]
        async with caller_of(world, folder.ca, BILLING) as caller:
            assert await caller.stream().rest() == []


async def test_health_is_told_by_the_command_where_there_is_tls(tmp_path: Path) -> None:
    """The image's health check needs no certificate."""
    async with secured(tmp_path) as (world, folder):
        environment = {
            f"DIAL_GATEWAY_{name.upper()}": value for name, value in folder.settings(policy=None).items()
        }
        environment["DIAL_GATEWAY_ADMIN_LISTEN"] = f"127.0.0.1:{world.gateway.admin_port}"
        code, said = await command("health", environment)
        assert (code, "ready" in said) == (0, True)
        assert (await get(world.gateway.admin_port, "/readyz")).status == 200


async def command(name: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command of the gateway to its end; return its code and all it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "AWS_DEFAULT_REGION": "us-east-1", **environment},
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return int(process.returncode or 0), said.decode()


@pytest.mark.parametrize("case", ["expired", "mismatch", "unreadable", "policy"])
async def test_what_cannot_be_used_ends_the_start_with_one_line(tmp_path: Path, case: str) -> None:
    folder = folder_of(tmp_path)
    settings = folder.settings(policy="version: 1\ncallers: []\ncolors: 1\n" if case == "policy" else None)
    if case == "expired":
        pki.issue(folder.ca, not_after=YESTERDAY).write(tmp_path)
    elif case == "mismatch":
        (tmp_path / "tls.key").write_bytes(pki.issue(folder.ca).key_pem)
    elif case == "unreadable":
        (tmp_path / "tls.key").unlink()
    environment = {f"DIAL_GATEWAY_{name.upper()}": value for name, value in settings.items()}
    code, said = await command("serve", environment)
    assert code == 2
    assert said.count("\n") == 1
    assert said.startswith("dial-gateway: DIAL_GATEWAY_")
    assert {"expired": "expired on", "mismatch": "not the key", "unreadable": "cannot read"}.get(
        case, "colors: unknown key"
    ) in said


async def test_a_gateway_for_everybody_says_so_unless_it_is_on_loopback(tmp_path: Path) -> None:
    async with serving(environment={"DIAL_GATEWAY_LISTEN": "0.0.0.0:0"}) as open_to_all:
        assert b"EVERYBODY who can connect may dial" in open_to_all.said
    async with serving() as at_home:
        assert b"EVERYBODY" not in at_home.said
    policy = folder_of(tmp_path).settings(policy="version: 1\ncallers: [{identities: ['**']}]")
    environment = {f"DIAL_GATEWAY_{name.upper()}": value for name, value in policy.items()}
    async with serving(environment={"DIAL_GATEWAY_LISTEN": "0.0.0.0:0", **environment}) as secure:
        assert b"EVERYBODY" not in secure.said
