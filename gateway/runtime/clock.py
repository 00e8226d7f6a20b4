"""The one place that reads clocks."""

import time
from collections.abc import Callable

SAME_OFFSET_S = 0.001
"""Two offsets of the wall clock that differ by less, in seconds, count as the same."""

STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_BOOTTIME continues while a machine sleeps, as expiration times do. The fallback is the monotonic
clock."""


def steady() -> float:
    """Return seconds on a clock that never jumps."""
    return time.clock_gettime(STEADY)


class SystemClock:
    """Seconds on a scale that never jumps, and the wall clock's place on it.

    `steady` and `wall` read the two clocks. The scale of expiries is seconds since the epoch.
    """

    def __init__(
        self,
        steady: Callable[[], float] = steady,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady = steady
        self._wall = wall
        self._offset = steady() - wall()
        self.correction: Callable[[], float] = lambda: 0.0
        """Seconds by which the wall clock is known to be behind AWS's; 0 while it is not known to be
        wrong."""

    def now(self) -> float:
        """Return the instant, in seconds on the steady scale."""
        return self._steady()

    def epoch_ns(self) -> int:
        """Return the instant in nanoseconds since the epoch."""
        return time.time_ns()

    def epoch_now(self) -> float:
        """Return the instant in seconds since the epoch, as far as it is known to be right.

        This is the scale of expiries: it jumps when the wall clock is set.
        """
        return self._wall() + self.correction()

    def gained(self) -> float:
        """Return the seconds by which the scale of expiries is ahead of the steady one."""
        return self.epoch_now() - self._steady()

    def wall_offset(self) -> float:
        """Return the offset from seconds since the epoch to the steady scale.

        It only changes if it differs by more than the noise of two readings: requests that expire in the same
        second must expire at the same instant here, or their order would be random.
        """
        offset = self._steady() - self._wall()
        if abs(offset - self._offset) > SAME_OFFSET_S:
            self._offset = offset
        return self._offset
