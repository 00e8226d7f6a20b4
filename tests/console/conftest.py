from collections.abc import AsyncIterator

import pytest_asyncio

from tests.console.browser import Page, browser
from tests.console.scene import gateway
from tests.integration.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Page]:
    """Run one browser for all tests of a file."""
    async with browser() as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Page) -> AsyncIterator[Page]:
    """Set the browser to a desktop's size; at the end, check that the page has reported no error."""
    chromium.errors.clear()
    await chromium.show(1280, 900)
    yield chromium
    complaints = list(chromium.errors)
    await chromium.send("Page.navigate", url="about:blank")
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def world() -> AsyncIterator[World]:
    """Run a gateway with a quota of ten calls a second and a token."""
    async with gateway() as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    """Run the admin port of one gateway, for all tests of a file that change nothing."""
    async with gateway() as world:
        yield world.gateway.admin_port
