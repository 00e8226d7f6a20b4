"""Memory of 200,000 queued dial requests with four short attributes, compared with an earlier commit."""

import asyncio
import time
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.backlog import COUNT, WAITING, Contents, queued
from benchmarks.earlier import BEFORE, NOW, Versions, versions
from benchmarks.processes import IMAGE, gateway, resident_mb, sink
from benchmarks.quota.bars import Check, Result, show

KINDS: Mapping[str, tuple[Mapping[str, str], Contents]] = {
    "one expiration": ({}, Contents()),
    "one expiration, allocator of the image": (IMAGE, Contents()),
    "an expiration each": ({}, Contents(spread_s=60.0)),
    "an expiration each, allocator of the image": (IMAGE, Contents(spread_s=60.0)),
}
SETTLE_S = 2.0
"""Seconds after the last dial request has arrived, in which buffers are freed."""
DROPPED_S = 12.0
"""Seconds after the callers have disconnected: the gateway returns memory at a check every five seconds."""
RATIO = 0.7


class Memory(NamedTuple):
    """Resident memory of a gateway in MB: idle, with all requests queued, and after they are dropped."""

    idle_mb: float
    queued_mb: float
    dropped_mb: float

    @property
    def each_bytes(self) -> float:
        """The resident memory that each queued request added to the process, in bytes."""
        return (self.queued_mb - self.idle_mb) * 1e6 / COUNT


def run() -> bool:
    """Measure and print; return whether the bars are met."""
    with versions() as environments:
        found = compare(environments)
    show(found)
    return not found.failed


def compare(environments: Versions) -> Result:
    """Measure every version with each kind of dial requests."""
    checks: list[Check] = []
    with sink() as url:
        for kind, (allocator, contents) in KINDS.items():
            each = {}
            for name, environment in environments.items():
                measured = _measured(url, {**environment, **allocator}, contents)
                each[name] = measured.each_bytes
                checks += _checks(f"{name}, {kind}", measured)
            if BEFORE in each:
                ratio = each[NOW] / each[BEFORE]
                checks.append(Check(f"bytes each, now / {BEFORE}, {kind}", ratio, "{:.2f}", at_most=RATIO))
    return Result(f"memory of {COUNT:,} queued dial requests", checks)


def _checks(title: str, measured: Memory) -> list[Check]:
    return [
        Check(f"MB idle, {title}", measured.idle_mb, "{:.0f}"),
        Check(f"MB with {COUNT:,} queued, {title}", measured.queued_mb, "{:.0f}"),
        Check(f"MB when they are dropped, {title}", measured.dropped_mb, "{:.0f}"),
        Check(f"bytes each, {title}", measured.each_bytes, "{:.0f}"),
    ]


def _measured(url: str, environment: Mapping[str, str], contents: Contents) -> Memory:
    with gateway(url, environment, **WAITING) as (target, pid):
        idle_mb = resident_mb(pid)
        queued_mb = asyncio.run(_filled_mb(target, pid, contents))
        time.sleep(DROPPED_S)
        return Memory(idle_mb, queued_mb, resident_mb(pid))


async def _filled_mb(target: str, pid: int, contents: Contents) -> float:
    async with queued(target, contents):
        await asyncio.sleep(SETTLE_S)
        return resident_mb(pid)
