"""How many leads of one campaign may be without an answer, so that none expires while it waits in line.

The time of a lead begins when it is handed over. Handed over too early it would wait at the gateway until its
time has passed. So only as many are handed over as the campaign has lately taken in a part of that time; at
the beginning few, and more with each one that is taken.
"""

from __future__ import annotations

from collections import deque

MOST = 2000
FIRST, LEAST = 100, 25
SHARE = 0.4
"""The share of a lead's time that it may be expected to wait."""
_WINDOW_S, _SOONEST_S = 10.0, 1.0
"""The rate is that of the last ten seconds, and is not known before one second has passed."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class Pace:
    """The bound for one campaign. `lifetime_s` is a lead's time in seconds, None where it is its own.

    Instants are seconds of a monotonic clock.
    """

    def __init__(self, lifetime_s: float | None) -> None:
        self._lifetime_s = lifetime_s
        self._grown = FIRST
        self._began: float | None = None
        self._taken: deque[tuple[float, int]] = deque()  # by tenths of a second
        self._total = 0
        self._pause_s = _FIRST_PAUSE_S
        self.paused_until = 0.0

    def limit(self, now: float) -> int:
        """Return how many leads may be without an answer at `now`."""
        if self._lifetime_s is None:
            return MOST
        if now < self.paused_until:
            return 0
        rate = self._rate(now)
        if rate is None:
            return min(self._grown, MOST)
        return max(LEAST, min(self._grown, MOST, int(rate * self._lifetime_s * SHARE)))

    def handed_over(self, now: float) -> None:
        """Note that a lead was handed over."""
        if self._began is None:
            self._began = now

    def taken(self, now: float) -> None:
        """Note that a lead was decided, as far as that shows that the campaign goes on."""
        self._grown += 1
        self._pause_s = _FIRST_PAUSE_S
        tenth = round(now, 1)
        if self._taken and self._taken[-1][0] == tenth:
            self._taken[-1] = tenth, self._taken[-1][1] + 1
        else:
            self._taken.append((tenth, 1))
        self._total += 1

    def too_late(self, now: float, retry_after_s: float | None) -> None:
        """Note that a lead's time passed in line, or would have: hand over less, after a pause."""
        self._grown = max(LEAST, min(self._grown, MOST) // 2)
        pause_s = self._pause_s if retry_after_s is None else max(retry_after_s, self._pause_s)
        self.paused_until = max(self.paused_until, now + min(pause_s, _LONGEST_PAUSE_S))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _rate(self, now: float) -> float | None:
        """Return the leads a second that were taken of late; None where that is not known yet."""
        if self._began is None or now - self._began < _SOONEST_S:
            return None
        while self._taken and self._taken[0][0] < now - _WINDOW_S:
            self._total -= self._taken.popleft()[1]
        return self._total / min(now - self._began, _WINDOW_S)
