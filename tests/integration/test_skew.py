"""The gateway's clock is wrong: signatures and expiries use AWS's clock, and the cause is named."""

import asyncio
import time

import pytest

from gateway.simulator import FaultKind
from tests.integration.admin import get, scrape
from tests.integration.world import WorldOptions, dial, dials, until, verdicts, world_of


@pytest.mark.parametrize("off_s", [600.0, -600.0])
async def test_calls_are_signed_by_the_clock_of_aws(off_s: float) -> None:
    """The gateway learns AWS's time from one refusal: every request waits for that, and is accepted."""
    async with world_of(WorldOptions(aws=lambda: time.time() + off_s)) as world:
        results = await world.ask(*dials(100, expires_in=1500.0))
        assert verdicts(results) == ["ACCEPTED"] * 100
        assert world.simulator.connect.stats().refused
        assert verdicts(await world.ask(*dials(30, "more", expires_in=1500.0))) == ["ACCEPTED"] * 30


async def test_expirations_are_checked_by_the_clock_of_aws() -> None:
    """Once some replies agree, requests expired by AWS's time are not sent, whatever the local clock says."""
    async with world_of(WorldOptions(aws=lambda: time.time() + 600.0)) as world:
        for number in range(3):
            await world.ask(dial(f"first-{number}", expires_in=1500.0))
        before = len(world.calls())
        results = await world.ask(dial("late", expires_in=300.0), dial("good", expires_in=900.0))
        assert verdicts(results) == ["REJECTED INVALID_REQUEST NEVER", "ACCEPTED"]
        assert len(world.calls()) == before + 1


async def test_readiness_names_the_clock() -> None:
    """`/readyz` reports the offset of the clock, and stays ready while calls succeed."""
    async with world_of(WorldOptions(aws=lambda: time.time() + 600.0)) as world:
        for number in range(3):
            await world.ask(dial(f"t-{number}", expires_in=1500.0))
        page = await get(world.gateway.admin_port, "/readyz")
        assert page.status == 200
        assert "s behind AWS's" in page.body
        seen = await scrape(world.gateway.admin_port)
        assert seen.value("dial_gateway_clock_behind_aws_seconds") == pytest.approx(600.0, abs=5.0)


async def test_readiness_while_aws_refuses_the_clock() -> None:
    """While AWS refuses calls despite the correction, the gateway is not ready, for that reason only."""
    async with world_of() as world:
        world.fault(FaultKind.EXCEPTION, code="RequestTimeTooSkewed", status=403)
        await world.stream().send(*dials(3))
        await until(lambda: world.simulator.connect.stats().calls)
        await asyncio.sleep(0.1)
        page = await get(world.gateway.admin_port, "/readyz")
        assert page.status == 503
        assert "AWS refuses signatures: set it" in page.body
