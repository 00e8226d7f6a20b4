"""Fixtures of the tests with a whole gateway."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialgateway import DialGatewayClient
from tests.integration.world import World, world_of
from tests.pki import Authority


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a world with default options."""
    async with world_of() as world:
        yield world


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make boto3 trust a test authority; return the TLS context of a server with its certificate."""
    ca = Authority()
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(ca.pem)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue(ip="127.0.0.1", dns="connect.test").write(tmp_path))
    return context


@pytest.fixture
async def client(world: World) -> AsyncIterator[DialGatewayClient]:
    """Connect a client to the world."""
    async with DialGatewayClient(world.target) as client:
        yield client
