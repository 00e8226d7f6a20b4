"""Measures stalls of the event loop in this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable

BAR_MS = 50.0
"""The longest stall, in milliseconds, that is acceptable."""


class LagProbe:
    """Measures the longest gap between two turns of the event loop; `longest_s` is in seconds."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._running = True

    async def run(self) -> None:
        """Measure until `stop`."""
        before = time.perf_counter()
        while self._running:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - before)
            before = now

    def stop(self) -> None:
        """Stop measuring."""
        self._running = False


async def longest_gap_ms(work: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time without a turn of the loop during an operation, in milliseconds."""
    probe = LagProbe()
    probing = asyncio.create_task(probe.run())
    await asyncio.sleep(0)
    try:
        await work()
    finally:
        probe.stop()
        await probing
    return probe.longest_s * 1000
