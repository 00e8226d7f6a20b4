"""Compares three gateways that share their state with the same three with the quota divided, against bars."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.fleet import operators, producers, saturated, tokens
from benchmarks.fleet.alone import alone
from benchmarks.fleet.arms import Arm
from benchmarks.fleet.cost import cost
from benchmarks.fleet.rows import Case, show
from benchmarks.fleet.ticks import ticks

Measurement = Callable[[Sequence[Arm]], Awaitable[Case]]

CASES: Mapping[str, Measurement] = {
    "one": saturated.one_of_three,
    "jump": saturated.jumping,
    "kill": saturated.killed_gateway,
    "store": saturated.killed_store,
    "producers": producers.producers,
    "hold": operators.holds,
    "suppress": operators.suppressions,
    "tokens": tokens.same_tokens,
    "high": operators.high,
    "uneven": saturated.uneven,
    "cost": cost,
    "ticks": ticks,
}
NAMES = (*CASES, "alone")
ARMS = {arm.name.lower(): arm for arm in Arm}


def run(only: Sequence[str] = (), arms: Sequence[str] = (), other: Path | None = None) -> bool:
    """Run the cases, or those named, on all fleets or those named; return whether every bar is met.

    `other` is a checkout of an earlier version, for the case `alone`.
    """
    chosen = [ARMS[arm] for arm in arms] or list(Arm)
    cases = []
    for name in only or NAMES:
        began = time.monotonic()
        case = alone(other) if name == "alone" else asyncio.run(_measured(CASES[name], chosen))
        print(f"-- {name}, {time.monotonic() - began:.0f} s", flush=True)
        show([case])
        cases.append(case)
    if len(cases) > 1:
        print("\nsummary")
        show(cases)
    return not any(row.failed for case in cases for row in case.rows)


async def _measured(measurement: Measurement, arms: Sequence[Arm]) -> Case:
    return await measurement(arms)
