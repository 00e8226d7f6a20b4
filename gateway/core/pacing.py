"""When the next call may leave: the account's call rate, and what Connect says of it.

Amazon Connect allows 10 PutDialRequestBatch calls a second with a burst of 10 for an account and
Region (AWS administrator guide, service quotas), counted in a token bucket. The pacer mirrors that
bucket. A permit is the right to make one call; every attempt of every call takes one.
"""

CUT = 0.7
"""What is left of the rate after Connect throttled a call."""
RECOVERY_S = 20.0
"""Seconds in which the rate would grow from nothing to the ceiling."""
SLACK = 1.0
"""Calls of the burst that are held back. Calls are counted when they arrive, not when they leave:
one that travels faster than those before it would else find Connect's bucket empty."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Pacer:
    """A token bucket of calls whose rate is cut on a throttle and grows back.

    `rate` is in calls a second, 0 for no limit; `burst` in calls. Without a limit of our own a
    throttle can only be answered by pauses, which double until a call goes through.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.ceiling = rate
        self.rate = rate
        self._capacity = max(burst - SLACK, 1.0)
        self._tokens = self._capacity
        self._updated_at: float | None = None
        self._cut_at: float | None = None
        self._paused_until = 0.0
        self._pause_s = FIRST_PAUSE_S

    def take(self, now: float) -> bool:
        """Take a permit at `now`, if there is one."""
        if self.ready_at(now) > now:
            return False
        if self.ceiling:
            self._tokens -= 1.0
        return True

    def ready_at(self, now: float) -> float:
        """Return when the next permit will be there: `now` or later."""
        if not self.ceiling:
            return max(now, self._paused_until)
        self._refill(now)
        # A hair is forgiven: else rounding makes the shell wake a moment too early, again and again.
        missing = 1.0 - self._tokens
        return now + missing / self.rate if missing > 1e-6 else now

    def throttled(self, now: float, left_at: float) -> None:
        """Slow down after Connect throttled a call that left at `left_at`.

        One cut per round trip: calls that left before the last cut say nothing new.
        """
        if self._cut_at is not None and left_at < self._cut_at:
            return
        self._cut_at = now
        if not self.ceiling:
            self._paused_until = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return
        self._refill(now)
        self.rate = max(self.rate * CUT, self.ceiling / 100)
        self._tokens = min(self._tokens, 0.0)

    def succeeded(self) -> None:
        """Note that Connect took a call: pauses begin small again."""
        self._pause_s = FIRST_PAUSE_S

    def _refill(self, now: float) -> None:
        if self._updated_at is not None and now > self._updated_at:
            elapsed = now - self._updated_at
            self._tokens = min(self._capacity, self._tokens + elapsed * self.rate)
            self.rate = min(self.ceiling, self.rate + elapsed * self.ceiling / RECOVERY_S)
        self._updated_at = now
