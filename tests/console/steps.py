"""Steps of the console's tests on the page, and expressions for what it shows."""

import json

from tests.console.browser import Page
from tests.integration.fleet_world import Replica
from tests.integration.world import World

WIDTHS = ((1280, 900), (820, 1100), (390, 844), (320, 640))
"""A desktop, a tablet, a phone and a small phone."""
ROWS = "document.querySelectorAll('#campaign-rows tr').length"
"""How many campaigns are listed."""
OFFERED = (
    "[...document.querySelectorAll('.campaigns .do button')].filter(e => e.checkVisibility())"
    ".map(e => e.textContent)"
)
"""The changes that the page offers."""
THEME_BESIDE_TITLE = (
    "Math.abs(document.querySelector('#theme').getBoundingClientRect().top"
    " - document.querySelector('h1').getBoundingClientRect().top) < 24"
)
"""Whether the button of the theme is in the row of the title."""


def too_wide(width: int) -> str:
    """Return an expression for the elements that end to the right of a page of this width, in pixels."""
    return (
        "[...document.querySelectorAll('body *')]"
        f".filter(e => e.getBoundingClientRect().right > {width + 1}).map(e => e.className || e.id)"
    )


def cell(campaign: str, label: str) -> str:
    """Return an expression for the text of a cell of a campaign's row."""
    return (
        f"[...document.querySelectorAll('#campaign-rows tr')].find(r => r.querySelector('bdi.id').textContent"
        f" === {json.dumps(campaign)})?.querySelector('[data-label={json.dumps(label)}]').textContent"
    )


async def open_console(page: Page, world: World | Replica, host: str = "127.0.0.1") -> None:
    """Open the console of a gateway."""
    await page.open(f"http://{host}:{world.gateway.admin_port}/")


async def fill(page: Page, **fields: str) -> None:
    """Write into the fields of the dialog, over what they contain."""
    for name, text in fields.items():
        await page.run(f"document.querySelector('#ask-{name}').select()")
        await page.type(text)
