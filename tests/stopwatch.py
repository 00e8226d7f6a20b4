"""Durations without the time in which the measuring thread waited for a processor.

A bound in seconds says how fast our code must be. Where other programs take the processors, the clock also
counts their time; Linux tells for each thread how long it was ready to run and did not.
"""

import threading
import time
from pathlib import Path


def waited_s(thread_id: int) -> float:
    """Return how long a thread of this process has waited for a processor; 0 where Linux does not tell."""
    try:
        told = Path(f"/proc/self/task/{thread_id}/schedstat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(told.split()[1]) / 1e9


class Stopwatch:
    """Measures from its creation, in the thread that creates it: that of the event loop in most tests."""

    def __init__(self) -> None:
        self._thread_id = threading.get_native_id()
        self._began, self._waited = self._instant()

    @property
    def waited_s(self) -> float:
        """Seconds in which the thread waited for a processor."""
        return waited_s(self._thread_id) - self._waited

    @property
    def took_s(self) -> float:
        """Seconds on the clock without those."""
        now, waited = self._instant()
        return now - self._began - (waited - self._waited)

    def _instant(self) -> tuple[float, float]:
        """Return the time and the seconds waited until then: the thread may wait between the two readings."""
        while True:
            waited, now = waited_s(self._thread_id), time.monotonic()
            if waited == waited_s(self._thread_id):
                return now, waited
