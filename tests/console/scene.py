"""A gateway in the middle of a working day, for looking at its console: several services, some trouble.

    python -m tests.console.scene FOLDER [SECONDS]

runs the day for so many seconds, then writes pictures of the page on a desk and on a phone, in both
themes, and `console.png` with both side by side.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio

from gateway.simulator import CampaignState, FaultKind, SimulatorSettings
from tests.console.browser import Page, browser
from tests.integration.world import Knobs, World, dials, world_of

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
PARKED, COOLING, HELD = "renewals-motor", "collections-late-stage", "survey-2026-q4"
FORM = {"operator": "Ines Duarte", "reason": "wrong list, see incident 2214", "token": TOKEN}
EXCEPTION = FaultKind.EXCEPTION


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[World]:
    """Run a gateway with a quota and a token, whose Connect keeps the same quota."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(TOKEN)
        knobs = Knobs(
            simulator=SimulatorSettings(call_rate=10, latency_s=0.06), rng=random.Random(7), tracing=False
        )
        chosen = {"call_rate": 10.0, "linger": 0.05, "admin_token_file": str(token), **settings}
        async with world_of(knobs, **chosen) as world:
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
    """Let things go wrong now and then, as they do."""
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
    """Hold a campaign in the page, as a person does."""
    await page.click(f"[aria-label='Hold {campaign}']")
    await page.until("document.querySelector('#ask').open")
    for field, text in {
        "operator": "Ines Duarte",
        "reason": "wrong list, see incident 2214",
        "token": TOKEN,
    }.items():
        await page.run(f"document.querySelector('#ask-{field}').focus()")
        await page.type(text)
    await page.key("Enter")
    await page.until("!document.querySelector('#ask').open")


async def pictures(page: Page, folder: Path) -> None:
    """Write pictures of the page as it is: its top, and from the campaigns on where not all fits."""
    for name, width, height in (("desk", 1360, 1120), ("tablet", 820, 1100), ("phone", 390, 844)):
        for dark in (False, True):
            await page.show(width, height, dark=dark, scale=2.0 if name == "phone" else 1.0)
            for part, top in (("top", "body"), ("campaigns", "#campaigns")):
                await page.run(f"document.querySelector('{top}').scrollIntoView()")
                await asyncio.sleep(1.2)
                theme = "dark" if dark else "light"
                await page.picture(folder / f"{name}-{part}-{theme}.png")


async def main(folder: Path, seconds: float) -> None:
    """Run the day, and take the pictures."""
    rng = random.Random(3)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(gateway())
        page = await stack.enter_async_context(browser())
        await page.show(1360, 1000)
        await page.open(f"http://127.0.0.1:{world.gateway.admin_port}/")
        tasks = [asyncio.create_task(load(world, name, rate, rng)) for name, rate in LOADS.items()]
        tasks.append(asyncio.create_task(trouble(world, seconds)))
        await asyncio.sleep(seconds * 0.6)
        await hold(page, HELD)
        await asyncio.sleep(seconds * 0.4)
        await pictures(page, folder)
        await page.show(1360, 1000)
        await page.click(f"[aria-label='Purge {HELD}']")
        await asyncio.sleep(1.2)
        await page.picture(folder / "ask.png")
        sys.stdout.write(json.dumps(page.errors) + "\n")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 130.0))
