"""Run a gateway as on a working day, to show its console: several services, some trouble.

    python -m tests.console.scene docs/pictures/console.png
    python -m tests.console.scene --all FOLDER --seconds 30

runs for the given seconds, then writes the picture in README, light and dark in one; with `--all` pictures of
the page on a desktop, a tablet and a phone, in both themes.
"""

import argparse
import asyncio
import base64
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio

from gateway.simulator import CampaignState, FaultKind, SimulatorSettings
from tests.console.browser import Page, browser
from tests.files import put
from tests.integration.world import World, WorldOptions, dials, world_of

if TYPE_CHECKING:
    from tests.integration.world import StreamCall

TOKEN = "sixteen-letters-or-more"
LOADS = {
    "payment-reminders": 58.0,
    "appointment-confirmations": 44.0,
    "delivery-windows-eu": 34.0,
    "fraud-alerts": 14.0,
    "survey-2026-q4": 22.0,
    "renewals-home-insurance": 28.0,
    "renewals-motor": 9.0,
    "collections-late-stage": 16.0,
    "outage-notices-north": 22.0,
    "welcome-calls": 10.0,
    "parking-permits": 4.0,
}
"""Dial requests a second of each campaign."""
DESK = (1360, 1010)
POD = "dial-gateway-7c9d8f6b5d-x2x7k"
PARKED, COOLING, HELD = "renewals-motor", "collections-late-stage", "survey-2026-q4"
FORM = {"operator": "Ines Duarte", "reason": "wrong list, see incident 2214", "token": TOKEN}
EXCEPTION = FaultKind.EXCEPTION


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[World]:
    """Run a gateway with a quota and a token, whose Connect enforces the same quota."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        put(token, TOKEN)
        options = WorldOptions(
            simulator=SimulatorSettings(call_rate=10, latency_s=0.06), rng=random.Random(7), tracing=False
        )
        chosen = {"call_rate": 10.0, "linger": 0.05, "admin_token_file": str(token), **settings}
        async with world_of(options, **chosen) as world:
            yield world


async def load(world: World, campaign: str, rate: float, rng: random.Random) -> None:
    """Stream dial requests for one campaign, until cancelled."""
    stream = world.stream()
    reading = asyncio.create_task(_read(stream.call))
    number = 0
    try:
        while True:
            size, ahead_s = round(rate * rng.uniform(0.3, 0.7)), rng.choice([40.0, 90.0, 240.0])
            requests = dials(max(1, size), f"{campaign}-{number}", expires_in=ahead_s)
            if rng.random() < 0.05:
                requests[0].phone_number = "call me"
            await stream.send(*requests, campaign=campaign)
            number += 1
            await asyncio.sleep(0.5)
    finally:
        reading.cancel()


async def _read(call: "StreamCall") -> None:
    with suppress(grpc.aio.AioRpcError):
        async for _ in call:
            pass


async def trouble(world: World, seconds: float) -> None:
    """Inject failures from time to time."""
    world.simulator.connect.set_state(PARKED, CampaignState.PAUSED)
    world.fault(FaultKind.ITEM_FAILURE, code="RequestThrottled", campaign=COOLING)
    await asyncio.sleep(seconds * 0.3)
    world.fault(EXCEPTION, code="ThrottlingException", count=5)
    await asyncio.sleep(seconds * 0.2)
    world.fault(EXCEPTION, code="InternalServerException", count=9, campaign="delivery-windows-eu")
    await asyncio.sleep(seconds * 0.2)
    world.fault(FaultKind.RESET, count=6, campaign="welcome-calls")
    await asyncio.sleep(seconds * 0.15)
    world.fault(EXCEPTION, code="InternalServerException", count=6, campaign="fraud-alerts")


async def hold(page: Page, campaign: str) -> None:
    """Hold a campaign through the page, as a person does."""
    await page.click(f"[aria-label='Hold {campaign}']")
    await page.until("document.querySelector('#ask').open")
    for field, text in FORM.items():
        await page.run(f"document.querySelector('#ask-{field}').focus()")
        await page.type(text)
    await page.key("Enter")
    await page.until("!document.querySelector('#ask').open")


async def both_themes(page: Page, file: Path) -> None:
    """Write one picture of the page: light above a diagonal, dark below it."""
    taken = []
    for dark in (False, True):
        await page.show(*DESK, dark=dark)
        await asyncio.sleep(0.5)
        await page.until("document.getAnimations().length === 0")  # the buttons change their colours
        taken.append(base64.b64encode(await page.picture()).decode())
    await page.send("Page.navigate", url="about:blank")
    await page.until("document.body !== null && location.href === 'about:blank'")
    light, dark_one = (f"url(data:image/png;base64,{each})" for each in taken)
    await page.run(
        f"document.body.style.cssText = `margin: 0; background: {light}`;"
        " const over = document.body.appendChild(document.createElement('div'));"
        f" over.style.cssText = `position: absolute; inset: 0; background: {dark_one};"
        " clip-path: polygon(64% 0, 100% 0, 100% 100%, 36% 100%)`"
    )
    await asyncio.sleep(0.5)
    await asyncio.to_thread(file.write_bytes, await page.picture())


async def all_sizes(page: Page, folder: Path) -> None:
    """Write pictures of the top of the page and of the campaigns, at three widths in both themes."""
    for name, width, height in (("desk", *DESK), ("tablet", 820, 1100), ("phone", 390, 844)):
        for theme in ("light", "dark"):
            await page.show(width, height, dark=theme == "dark", scale=2.0 if name == "phone" else 1.0)
            for part in ("body", "#campaigns"):
                await page.run(f"document.querySelector('{part}').scrollIntoView()")
                await asyncio.sleep(1.2)
                file = folder / f"{name}-{part.strip('#')}-{theme}.png"
                await asyncio.to_thread(file.write_bytes, await page.picture())
    await page.show(*DESK)
    await page.click(f"[aria-label='Purge {HELD}']")
    await asyncio.sleep(1.2)
    await asyncio.to_thread((folder / "ask.png").write_bytes, await page.picture())


async def main(target: Path, seconds: float, *, sizes: bool) -> None:
    """Run the scene, and take the pictures."""
    rng = random.Random(3)
    async with gateway(replica=POD) as world, browser() as page:
        await page.show(*DESK)
        await page.open(f"http://127.0.0.1:{world.gateway.admin_port}/")
        tasks = [asyncio.create_task(load(world, name, rate, rng)) for name, rate in LOADS.items()]
        tasks.append(asyncio.create_task(trouble(world, seconds)))
        await asyncio.sleep(seconds * 0.6)
        await hold(page, HELD)
        await page.move(5, 5)
        await page.run("document.activeElement.blur(); scrollTo(0, 0)")
        await asyncio.sleep(seconds * 0.4)
        await (all_sizes if sizes else both_themes)(page, target)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path, help="the picture; with --all the folder for them")
    parser.add_argument("--all", action="store_true", help="pictures at three widths, in both themes")
    parser.add_argument("--seconds", type=float, default=135.0, help="how long the day lasts")
    options = parser.parse_args()
    asyncio.run(main(options.target, options.seconds, sizes=options.all))
