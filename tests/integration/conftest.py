from collections.abc import AsyncIterator

import pytest

from tests.integration.world import World, world_of


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a world with default options."""
    async with world_of() as world:
        yield world
