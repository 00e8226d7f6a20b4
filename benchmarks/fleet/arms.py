"""The fleets that are compared: three gateways that share their state, and what they are compared with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from types import MappingProxyType
from typing import TypeVar

from tests.faults.fleet_world import GATEWAYS, fleet_world
from tests.faults.world import World, world_of

RATE, BURST, FULL = 10.0, 10.0, 25
"""The quota of the simulated account, in calls a second and calls, and the dial requests in a full call."""
LATENCY_S = 0.05
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

T = TypeVar("T")


class Arm(Enum):
    """How the gateways of a fleet share the quota."""

    SINGLE = "one gateway"
    DIVIDED = "divided"
    """Three gateways, each with a third of the quota, that know nothing of each other."""
    SHARED = "shared"
    """Three gateways that share their state through a Valkey server."""


@asynccontextmanager
async def fleet(arm: Arm, settings: Mapping[str, str] = NO_SETTINGS) -> AsyncIterator[World]:
    """Run a fleet against an account of its own."""
    parts = GATEWAYS if arm is Arm.DIVIDED else 1
    chosen = {"call_burst": str(BURST / parts), "would_expire": "off", **settings}
    async with (
        fleet_world(rate=RATE, burst=BURST, latency_s=LATENCY_S, settings=chosen)
        if arm is Arm.SHARED
        else world_of(
            rate=RATE,
            burst=BURST,
            latency_s=LATENCY_S,
            gateways=parts,
            settings=chosen,
        )
    ) as world:
        yield world


async def side_by_side(
    arms: Sequence[Arm], run: Callable[[World], Awaitable[T]], settings: Mapping[str, str] = NO_SETTINGS
) -> Mapping[Arm, T]:
    """Run the same on several fleets at the same time, each with its own account; return what each returned.

    They need little processor time at this quota, so they do not disturb each other.
    """

    async def one(arm: Arm) -> T:
        async with fleet(arm, settings) as world:
            return await run(world)

    async with asyncio.TaskGroup() as group:
        tasks = {arm: group.create_task(one(arm)) for arm in arms}
    return {arm: task.result() for arm, task in tasks.items()}
