"""The console of a replica in a browser: it shows and changes the campaigns of the whole fleet."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from dialgateway import ActionKind, DialGatewayClient
from tests.console.browser import Page
from tests.console.scene import TOKEN, hold
from tests.console.steps import open_console, too_wide
from tests.files import put
from tests.integration.fleet_world import FleetWorld, fleet_of
from tests.integration.world import CAMPAIGN, dials, until
from tests.shared_state.servers import Server, absent, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(absent("valkey")), reason=absent("valkey") or "runs here"),
]

PARTS = "document.querySelector('#campaign-rows .parts')?.textContent"
TOASTS = "[...document.querySelectorAll('.toast')].map(e => e.textContent).join('; ')"
NOTICES = "document.querySelector('#notices').textContent"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running("valkey", tmp_path / "server") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(server: Server, tmp_path: Path) -> AsyncIterator[FleetWorld]:
    """Run three replicas that hold the campaign, with dial requests at each."""
    token = tmp_path / "token"
    put(token, TOKEN)
    async with fleet_of(3, server.url, admin_token_file=str(token)) as fleet:
        await fleet.joined()
        async with DialGatewayClient(f"127.0.0.1:{fleet.replicas[0].port}") as client:
            await client.act_on_campaign(ActionKind.HOLD, CAMPAIGN, "first")
        for number, replica in enumerate(fleet.replicas, 1):
            await replica.stream().send(*dials(number, f"queued-{number}"))
        await until(lambda: sum(each.gateway.engine.outstanding for each in fleet.replicas) == 6)
        yield fleet


async def test_a_row_adds_up_the_replicas_and_shows_the_part_of_each(page: Page, fleet: FleetWorld) -> None:
    """A row shows the sum and the part of each replica, also on a phone without a wider page."""
    await open_console(page, fleet.replicas[1])
    await page.until("document.querySelector('#campaigns-aside').textContent === 'of 3 replicas'")
    parts = [f"gateway-{number}: {number + 1} waiting, 0 in calls, 0.0/s" for number in range(3)]
    await page.until(f"{PARTS} === {json.dumps(' · '.join(parts))}")
    assert await page.run("document.querySelector('#campaign-rows [data-label=Waiting]').textContent") == "6"
    assert "of all replicas" in await page.run("document.querySelector('#whose').textContent")
    await page.show(390, 844)
    await page.until("document.documentElement.scrollWidth === 390")
    assert await page.run(too_wide(390)) == []


async def test_a_purge_counts_all_replicas_and_says_how_many_have_confirmed(
    page: Page, fleet: FleetWorld
) -> None:
    await open_console(page, fleet.replicas[1])
    await page.until(PARTS)
    await page.click(f"[aria-label='Purge {CAMPAIGN}']")
    for field, text in {"operator": "Ines", "token": TOKEN, "reason": "wrong list"}.items():
        await page.run(f"document.querySelector('#ask-{field}').focus()")
        await page.type(text)
    await page.key("Enter")
    said = await page.until(TOASTS)
    assert said == f"Purged 6 dial requests: {CAMPAIGN} on 3 replicas"
    assert sum(each.gateway.engine.outstanding for each in fleet.replicas) == 0


async def test_without_the_store_a_hold_says_that_it_holds_here_only(
    page: Page, fleet: FleetWorld, server: Server
) -> None:
    """The page names the replica that holds, and the replicas whose campaigns it does not show any more."""
    await open_console(page, fleet.replicas[1])
    await fleet.replicas[1].stream().send(*dials(1, "other"), campaign="other")
    await page.until("document.querySelectorAll('#campaign-rows tr').length === 2")
    server.kill()
    await hold(page, "other")
    said = await page.until(TOASTS)
    assert said.startswith("Held: other. ONLY on gateway-1: the shared state cannot be reached.")
    assert "gateway-0, gateway-2" in await page.until(
        f"{NOTICES}.includes('Replicas are missing') && {NOTICES}"
    )
