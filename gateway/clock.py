"""The one place that reads clocks."""

import time


class SystemClock:
    """Seconds on a scale that never jumps, and where the wall clock stands on it.

    CLOCK_BOOTTIME goes on while a machine sleeps, as expiration times do; where it is missing the
    monotonic clock serves.
    """

    def __init__(self) -> None:
        self._clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        """Return the instant, in seconds on the steady scale."""
        return time.clock_gettime(self._clock_id)

    def epoch_ns(self) -> int:
        """Return the instant in nanoseconds since the epoch."""
        return time.time_ns()

    def wall_offset(self) -> float:
        """Return what to add to seconds since the epoch to get the instant on the steady scale."""
        return self.now() - time.time()
