from collections.abc import AsyncIterator

import pytest

from tests.integration.world import World, world_of


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world as it is without further choices."""
    async with world_of() as world:
        yield world
