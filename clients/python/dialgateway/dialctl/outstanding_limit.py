"""Limit how many leads of one campaign are outstanding, so that none expires in the gateway's queue.

With --expires-in the time of a lead begins when it is handed over. If too many were handed over at once, the
last ones would expire in the queue. So the limit is what the campaign took recently in a part of that time.
At the start it is low, and it grows with each lead that is decided.
"""

from __future__ import annotations

from collections import deque

MAX_LIMIT = 2000
FIRST_LIMIT, MIN_LIMIT = 100, 25
WAITING_SHARE = 0.4
"""The part of its time that a lead may be expected to wait."""
_WINDOW_S, _UNKNOWN_S = 10.0, 1.0
"""The rate is measured over the last ten seconds. It is unknown during the first second."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class OutstandingLimit:
    """The limit of one campaign. Times are seconds of a monotonic clock.

    `lifetime_s` is the time of a lead in seconds; None if the list has expirations, then the limit is fixed.
    """

    def __init__(self, lifetime_s: float | None) -> None:
        self._lifetime_s = lifetime_s
        self._grown = FIRST_LIMIT
        self._began: float | None = None
        self._decided: deque[tuple[float, int]] = deque()  # (tenth of a second, leads decided in it)
        self._total = 0
        self._pause_s = _FIRST_PAUSE_S
        self.paused_until = 0.0

    def limit(self, now: float) -> int:
        """Return how many leads may be outstanding at `now`."""
        if self._lifetime_s is None:
            return MAX_LIMIT
        if now < self.paused_until:
            return 0
        rate = self._rate(now)
        if rate is None:
            return min(self._grown, MAX_LIMIT)
        return max(MIN_LIMIT, min(self._grown, MAX_LIMIT, int(rate * self._lifetime_s * WAITING_SHARE)))

    def handed_over(self, now: float) -> None:
        """Note that a lead was handed over."""
        if self._began is None:
            self._began = now

    def decided(self, now: float) -> None:
        """Note that a lead was decided, in a way that shows that its campaign flows."""
        self._grown += 1
        self._pause_s = _FIRST_PAUSE_S
        tenth = round(now, 1)
        if self._decided and self._decided[-1][0] == tenth:
            self._decided[-1] = tenth, self._decided[-1][1] + 1
        else:
            self._decided.append((tenth, 1))
        self._total += 1

    def expired(self, now: float, retry_after_s: float | None) -> None:
        """Note that a lead expired in the queue, or would have: lower the limit, and pause."""
        self._grown = max(MIN_LIMIT, min(self._grown, MAX_LIMIT) // 2)
        pause_s = self._pause_s if retry_after_s is None else max(retry_after_s, self._pause_s)
        self.paused_until = max(self.paused_until, now + min(pause_s, _LONGEST_PAUSE_S))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _rate(self, now: float) -> float | None:
        """Return the recent rate in leads per second; None if it is not known yet."""
        if self._began is None or now - self._began < _UNKNOWN_S:
            return None
        while self._decided and self._decided[0][0] < now - _WINDOW_S:
            self._total -= self._decided.popleft()[1]
        return self._total / min(now - self._began, _WINDOW_S)
