"""Runs the gateway like `python -m gateway`, and measures how late its event loop is.

One tick is due each millisecond, also while the loop is busy: each has its lateness, so a stall of 600 ms
counts as 600 late ticks. SIGUSR2 appends the longest lateness and the 99.9th percentile, in milliseconds, to
the file `LAG_FILE`, each also as it would be without other programs, and begins anew. An earlier version of
the gateway is run like this too, so it imports nothing of this repository but the gateway.
"""

import asyncio
import os
import runpy
import signal
import sys
import time
from pathlib import Path

TICK_S = 0.001
STEP_MS, STEPS = 0.1, 100_000


class Lateness:
    """Counts ticks by their lateness: by the clock, and by the processor time of the loop's thread."""

    def __init__(self) -> None:
        self._by_clock = [0] * STEPS
        self._by_processor = [0] * STEPS
        self._due = time.monotonic()
        self._spent = time.thread_time()

    def ticked(self) -> float:
        """Count the ticks that were due by now; return when the next one is."""
        now, due, spent = time.monotonic(), self._due, time.thread_time()
        busy_s, self._spent = spent - self._spent, spent
        while due <= now:
            _count(self._by_clock, now - due)
            _count(self._by_processor, busy_s)
            due += TICK_S
            busy_s = max(0.0, busy_s - TICK_S)
        self._due = due
        return due

    def taken(self) -> str:
        """Return the longest lateness and the 99.9th percentile in milliseconds, by each; begin anew."""
        found = (*_most(self._by_clock), *_most(self._by_processor))
        self._by_clock, self._by_processor = [0] * STEPS, [0] * STEPS
        return " ".join(f"{number_ms:.1f}" for number_ms in found) + "\n"


def _count(counts: list[int], late_s: float) -> None:
    counts[min(STEPS - 1, int(late_s * 1000 / STEP_MS))] += 1


def _most(counts: list[int]) -> tuple[float, float]:
    late = [step for step, count in enumerate(counts) if count]
    left = sum(counts) / 1000
    for step in reversed(late):
        left -= counts[step]
        if left < 0:
            return (late[-1] + 1) * STEP_MS, (step + 1) * STEP_MS
    return 0.0, 0.0


class ProbedLoop(asyncio.SelectorEventLoop):
    """An event loop that measures its lateness while it runs."""

    def run_forever(self) -> None:
        """Run, and tick each millisecond."""
        self.call_soon(self._tick)
        super().run_forever()

    def _tick(self) -> None:
        self.call_at(LATENESS.ticked(), self._tick)


class ProbedPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes the loops of the program probed ones."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make a loop."""
        return ProbedLoop()


LATENESS = Lateness()


def _report(*_: object) -> None:
    with Path(os.environ["LAG_FILE"]).open("a", encoding="ascii") as file:
        file.write(LATENESS.taken())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _report)
    asyncio.set_event_loop_policy(ProbedPolicy())
    sys.argv[0] = "gateway"
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)
