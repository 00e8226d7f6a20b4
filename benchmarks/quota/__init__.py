"""Measures how the gateway uses Connect's quota, against bars and against boto3 in the same run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks.quota import cost, picture, saturated, services, troubled
from benchmarks.quota.bars import Result, show, summary

SCENARIOS: dict[str, Callable[[], Awaitable[Result]]] = {
    "fair": saturated.fair,
    "ceiling": saturated.ceiling,
    "shared": saturated.shared,
    "throttled": troubled.throttled,
    "paused": troubled.paused,
    "hurry": troubled.hurry,
}
NAMES = ("cost", "services", *SCENARIOS)
PICTURE = Path("docs/pictures/quota.svg")


def run(only: Sequence[str] = (), *, draw: bool = False) -> bool:
    """Run the scenarios, or those named; print all, and return whether every bar is met."""
    results = []
    for name in only or NAMES:
        print(f"-- {name}", flush=True)
        result = _run_one(name, draw=draw)
        print(f"  {result.title}")
        show(result)
        results.append(result)
    summary(results)
    return not any(result.failed for result in results)


def _run_one(name: str, *, draw: bool) -> Result:
    if name == "cost":
        return cost.run()
    if name != "services":
        return asyncio.run(_awaited(SCENARIOS[name]))
    found = asyncio.run(services.contenders())
    if draw:
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_text(picture.drawn(found), encoding="utf-8")
        print(f"  drawn: {PICTURE}")
    return services.result_of(found[0])


async def _awaited(scenario: Callable[[], Awaitable[Result]]) -> Result:
    return await scenario()
