from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dialgateway import DialGatewayClient
from tests.client.scripted import ScriptedGateway, dial_tasks, serving, serving_in_thread


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with serving() as scripted:
        yield scripted


@pytest.fixture
def gateway_elsewhere() -> Iterator[ScriptedGateway]:
    with serving_in_thread() as scripted:
        yield scripted


@pytest.fixture
async def client(gateway: ScriptedGateway) -> AsyncIterator[DialGatewayClient]:
    async with DialGatewayClient(gateway.target) as made:
        yield made


@pytest.fixture
async def client_without_pauses(gateway: ScriptedGateway) -> AsyncIterator[DialGatewayClient]:
    """A client that connects again at once after a broken connection."""
    async with DialGatewayClient(gateway.target, jitter=lambda: 0.0) as made:
        yield made


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Check that a test ends without a task of the client."""
    yield
    assert not dial_tasks()
