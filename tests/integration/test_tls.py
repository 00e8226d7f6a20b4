"""TLS on real sockets: the gateway's certificate, and its changes while the gateway runs."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli import health_check
from tests import pki
from tests.files import put
from tests.integration.admin import scrape
from tests.integration.secured import BILLING, POLICY, Folder, caller_of, secured
from tests.integration.world import World, dial, until, verdicts

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


async def shown(world: World, folder: Folder) -> bytes:
    """Return the certificate that a new connection gets, verified as Python 3.13 does."""
    context = ssl.create_default_context(cadata=folder.ca.pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


async def test_a_certificate_is_renewed_under_open_streams(tmp_path: Path) -> None:
    """New connections get the new certificate; an open stream continues; the metric has the new expiry."""
    async with (
        secured(tmp_path, None, mutual=False) as (world, folder),
        caller_of(world, folder.ca) as caller,
    ):
        stream = caller.stream()
        await stream.send(dial("before"))
        assert verdicts(await stream.read(1)) == ["ACCEPTED"]

        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        renewed = folder.ca.issue(dns="localhost", ip="127.0.0.1", not_after=ends)
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
async def test_a_broken_change_keeps_the_old_certificate(tmp_path: Path, case: str) -> None:
    """New connections still get the old certificate, and the failed change is counted."""
    async with secured(tmp_path, None, mutual=False) as (world, folder):
        good = (tmp_path / "tls.crt").read_bytes()
        broken = folder.ca.issue(dns="localhost", not_after=YESTERDAY if case == "expired" else None)
        put(tmp_path / "tls.crt", broken.pem)
        if case == "expired":
            put(tmp_path / "tls.key", broken.key_pem)
        for _ in range(2):
            world.gateway.access.reread()
        assert await shown(world, folder) == good
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_access_files_refused_total", file="certificate") >= 1


async def test_a_changed_client_authority_applies_to_new_connections(tmp_path: Path) -> None:
    """A caller of the old authority is refused, and one of the new authority accepted."""
    async with secured(tmp_path) as (world, folder):
        new = pki.Authority()
        put(tmp_path / "ca.crt", new.pem)
        world.gateway.access.reread()
        mine = new.issue(spiffe=BILLING)
        async with caller_of(world, folder.ca, BILLING, own=mine) as caller:
            assert verdicts(await caller.stream().ask(dial("a"), campaign="debt-1")) == ["ACCEPTED"]
        async with caller_of(world, folder.ca, BILLING) as caller:
            assert await caller.stream().rest() == []


async def test_the_health_check_uses_the_admin_port_with_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image's health check needs no certificate."""
    async with secured(tmp_path) as (world, _):
        address = f"127.0.0.1:{world.gateway.admin_port}"
        assert await asyncio.to_thread(health_check.check_admin, address) == health_check.SERVING
    assert await asyncio.to_thread(health_check.check_admin, address) == health_check.NOT_SERVING
    out, err = capsys.readouterr()
    assert "ready" in out
    assert "cannot be reached" in err


@pytest.mark.parametrize(
    ("listen", "policy"),
    [("0.0.0.0:0", None), ("127.0.0.1:0", None), ("0.0.0.0:0", POLICY)],
)
async def test_an_open_gateway_logs_a_warning_unless_on_loopback(
    tmp_path: Path, listen: str, policy: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured(tmp_path, policy, listen=listen):
        pass
    said = [record for record in caplog.records if "EVERYBODY who can connect" in record.message]
    assert len(said) == (policy is None and listen.startswith("0"))
    assert all(record.levelname == "WARNING" for record in said)
