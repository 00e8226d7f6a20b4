"""The one place that reads clocks."""

import time
from collections.abc import Callable

SAME_OFFSET_S = 0.001
"""How far apart two readings of where the wall clock stands may lie and still count as the same."""

STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_BOOTTIME goes on while a machine sleeps, as expiration times do; where it is missing the
monotonic clock serves."""


class SystemClock:
    """Seconds on a scale that never jumps, and where the wall clock stands on it.

    `steady` and `wall` read the two clocks.
    """

    def __init__(
        self,
        steady: Callable[[], float] = lambda: time.clock_gettime(STEADY),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._offset = steady() - wall()

    def now(self) -> float:
        """Return the instant, in seconds on the steady scale."""
        return self._steady()

    def epoch_ns(self) -> int:
        """Return the instant in nanoseconds since the epoch."""
        return time.time_ns()

    def wall_offset(self) -> float:
        """Return what to add to seconds since the epoch to get the instant on the steady scale.

        Told as before until it has changed by more than two readings always differ: requests that expire
        at the same second must expire at the same instant here, or their order would be left to chance.
        """
        offset = self._steady() - self._wall()
        if abs(offset - self._offset) > SAME_OFFSET_S:
            self._offset = offset
        return self._offset
