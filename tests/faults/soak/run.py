"""A soak: load and failures for a time, and its findings."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.faults.bars import Check, Finding, found
from tests.faults.soak.failures import Failures, restart_second_gateway
from tests.faults.soak.load import Load
from tests.faults.soak.trend import Sample, Trend
from tests.faults.world import World, world_of

BATCH = 25
HEADROOM = 2.5
"""Connect's rate as a multiple of the load: the backlog of failures must drain."""
REPLAY_WINDOW_S = 20.0
"""Short, so that the replay window is full early; at the default of 20 minutes it would grow for as long."""
WARM_UP_SHARE, LONGEST_WARM_UP_S = 0.25, 60.0
LONG_S = 300.0
"""From this duration on the trend has a bar: before that, memory has not reached its steady size."""
SETTLE_S = 3.0
LAST_CALLERS_S = 120.0


@dataclass(frozen=True, slots=True)
class Soak:
    """The findings of a soak: its bars, the trend of the gateway that kept running, and the events."""

    finding: Finding
    table: Sequence[str]
    seen: dict[str, int]


async def soak(duration_s: float, rate: float, seed: int) -> Soak:
    """Run mixed load at `rate` dial requests a second for `duration_s` seconds."""
    settings = {"replay_window": str(REPLAY_WINDOW_S), "drain_grace": "2", "call_timeout": "2"}
    calls = max(10.0, HEADROOM * rate / BATCH)
    settings["call_burst"] = str(calls / 2)
    async with world_of(rate=calls, seed=seed, gateways=2, settings=settings) as world:
        trend, failures = Trend(world.gateway), Failures(world, seed)
        idle = await trend.look()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(trend.run())
            until = time.monotonic() + duration_s
            changing = group.create_task(_change(world, failures, until, seed))
            load = Load(world.targets[0], world.targets[1:], world.recorder, rate, seed)
            calling = group.create_task(load.run(until))
            await changing
            async with asyncio.timeout(LAST_CALLERS_S):
                await calling
            watching.cancel()
        await asyncio.sleep(SETTLE_S)
        checks = [*_trend_checks(trend, duration_s), *_leak_checks(idle, await trend.look())]
        title = f"soak of {duration_s:g} s at {rate:g} dial requests a second"
        return Soak(found(title, world.verdict(), *checks), trend.table(), _seen(world, failures))


async def _change(world: World, failures: Failures, until: float, seed: int) -> None:
    """Run failures and restarts until an instant of the clock, and clear all failures at the end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(failures.run(until))
        group.create_task(restart_second_gateway(world, until, seed))
    await failures.calm()


def _seen(world: World, failures: Failures) -> dict[str, int]:
    return {**failures.counts, "gateway restarts": len(world.gateways[1].runs) - 1}


def _trend_checks(trend: Trend, end_s: float) -> list[Check]:
    warm_up_s = min(WARM_UP_SHARE * end_s, LONGEST_WARM_UP_S)
    first, second = trend.half(0, warm_up_s, end_s), trend.half(1, warm_up_s, end_s)
    before, after = (fmean(sample.memory_mb for sample in half) for half in (first, second))
    bar = 5.0 if end_s >= LONG_S else None
    return [
        Check(f"memory from {warm_up_s:.0f} s on, first half, MB", before, "{:.1f}"),
        Check("memory, second half, MB", after, "{:.1f}"),
        Check("growth, %", 100.0 * (after - before) / before, "{:.1f}", at_most=bar),
    ]


def _leak_checks(idle: Sample, after: Sample) -> list[Check]:
    """Return what is left when all callers are gone: only pooled connections to Connect may remain."""
    return [
        Check("tasks more than before", after.tasks - idle.tasks, "{:.0f}", at_most=0),
        Check("files more than before", after.files - idle.files, "{:.0f}", at_most=12),
        Check("streams left", after.streams, "{:.0f}", at_most=0),
        Check("dial requests left", after.held, "{:.0f}", at_most=0),
    ]
