"""When the next call may be made: the call rate of the account, and Connect's throttles.

Amazon Connect allows 10 PutDialRequestBatch calls a second with a burst of 10 for an account and
Region (AWS administrator guide, service quotas), counted in a token bucket. The pacer mirrors that
bucket. A permit is the right to make one call; every attempt of every call takes one.

Connect counts a call when it arrives, which the gateway does not know until the call returns. Until then,
Connect's bucket may still be full, and a full bucket gains no tokens. So calls in flight and permits together
never exceed the burst. Otherwise the first calls after a pause, which must open connections, could arrive
together with calls on permits that Connect's bucket never had.
"""

from collections import deque

RATE_CUT = 0.7
"""The rate is multiplied by this after Connect has throttled a call."""
RECOVERY_S = 10.0
"""Seconds in which the rate would grow from 0 to the throughput that Connect is known to accept."""
FORGIVEN_S = 10.0
"""Seconds without a throttle after which a single one does not cut the rate: network jitter may cause it. It
costs a pause of one call."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
FIRST_AUTHENTICATION_PAUSE_S, LONGEST_AUTHENTICATION_PAUSE_S = 0.5, 2.0
"""Pauses between calls while AWS refuses the gateway's credentials or clock: each is twice the last one."""
AUTHENTICATION_PATIENCE_S = 10.0
"""Seconds for which requests wait during such a refusal: a refresh of credentials may take that long. After
that they are answered ACCESS_DENIED."""
WINDOW_S, WINDOWS = 4.0, 15
"""The throughput that Connect is known to accept is the best of so many windows of so many seconds."""
RETRY_SHARE, RETRY_CREDIT = 0.2, 10.0
"""Further attempts of failing calls are at most this share of the calls, plus a credit of so many."""


class Pacer:
    """A token bucket of calls whose rate is cut on a throttle and grows back.

    `rate` is in calls a second, 0 for no limit; `burst` in calls. Without a limit
    of its own, the pacer reacts to throttles with pauses, which double until a call is not throttled.
    """

    hint: tuple[str, str] | None = None  # a permit is for any turn
    limited_by_store = False

    def __init__(self, rate: float, burst: float) -> None:
        self.ceiling = rate
        self.rate = rate
        self._capacity = burst
        self._tokens = self._capacity
        self._in_flight = 0
        self._least = 1.0
        self._updated_at: float | None = None
        self._throttled_at = float("-inf")
        self._paused_until = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._throughput = RecentThroughput()
        self._unauthenticated_since: float | None = None
        self._authentication_failed_at = float("-inf")
        self._authentication_pause_s = FIRST_AUTHENTICATION_PAUSE_S

    @property
    def account_rate(self) -> float:
        """The present rate of the account."""
        return self.rate

    @property
    def is_cut(self) -> bool:
        """Whether the rate is lower since Connect has throttled calls."""
        return self.rate < self.ceiling

    @property
    def paused_until(self) -> float:
        """The end of a pause after a throttle or a refusal of credentials; it may have passed."""
        return self._paused_until

    def restart(self, now: float, rate: float, burst: float, least: float = 1.0) -> None:
        """Begin again at `now` with another rate and burst, and an empty bucket.

        However many calls are in flight, `least` permits are allowed.
        """
        self.ceiling = self.rate = rate
        self._least = least
        self._capacity, self._tokens, self._updated_at = burst, 0.0, now

    def set_quota(self, now: float, rate: float, burst: float) -> None:
        """Keep to another rate and burst from `now` on.

        A rate that was cut stays cut if the new one is higher, and grows to it. After a time without a limit
        the bucket is empty, since Connect's may be.
        """
        self._refill(now)
        if not self.ceiling:
            self._tokens = 0.0
        cut = self.rate < self.ceiling
        self.rate = min(self.rate, rate) if cut and rate else rate
        self.ceiling, self._capacity = rate, burst
        self._tokens = min(self._tokens, burst)

    def take(self, now: float) -> bool:
        """Take a permit at `now`, if there is one."""
        if self.ready_at(now) > now:
            return False
        if self.ceiling:
            self._tokens -= 1.0
        return True

    def give_back(self, now: float, permits: int) -> None:
        """Take back the permits of calls that never left: Connect does not count them."""
        self._refill(now)
        if self.ceiling:
            self._tokens = min(self._capacity, self._tokens + permits)

    def in_flight(self, now: float, calls: int) -> None:
        """Note how many calls are in flight from `now` on."""
        self._refill(now)
        self._in_flight = calls

    def ready_at(self, now: float) -> float:
        """Return when the next permit will be there: `now` or later."""
        if not self.ceiling:
            return max(now, self._paused_until)
        self._refill(now)
        # A tiny shortfall is ignored: otherwise rounding would wake the shell slightly too early, many times.
        missing = 1.0 - self._tokens
        return max(now + missing / self.rate if missing > 1e-6 else now, self._paused_until)

    def available_share(self, now: float) -> float:
        """Return the share of the burst that is available: from 0 (no permit) to 1 (all)."""
        if not self.ceiling:
            return 1.0
        self._refill(now)
        return max(0.0, (self._tokens - 1.0) / max(self._capacity - 1.0, 1.0))

    def throttled(self, now: float, left_at: float) -> None:
        """Slow down after Connect throttled a call that left at `left_at`.

        One cut per round trip: calls that left before the last throttle say nothing new.
        """
        if left_at < self._throttled_at:
            return
        alone = now - self._throttled_at > FORGIVEN_S
        self._throttled_at = now
        if not self.ceiling:
            self._paused_until = max(self._paused_until, now + self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return
        self._refill(now)
        if alone:
            self._tokens = min(self._tokens, 0.0) - 1.0
        else:
            self._tokens = min(self._tokens, 0.0)
            self.rate = max(self.rate * RATE_CUT, self.ceiling / 100)

    @property
    def is_unauthenticated(self) -> bool:
        """Whether AWS last refused the gateway's credentials or clock; one call at a time tries again."""
        return self._unauthenticated_since is not None

    def authentication_failed(self, now: float, left_at: float) -> bool:
        """Pause after AWS refused the gateway's credentials or clock in a call that left at `left_at`.

        Return whether this has lasted longer than requests should wait. Calls that left before the last
        pause are ignored.
        """
        if self._unauthenticated_since is None:
            self._unauthenticated_since = now
        if left_at >= self._authentication_failed_at:
            self._authentication_failed_at = now
            self._paused_until = max(self._paused_until, now + self._authentication_pause_s)
            self._authentication_pause_s = min(
                2 * self._authentication_pause_s, LONGEST_AUTHENTICATION_PAUSE_S
            )
        return now - self._unauthenticated_since >= AUTHENTICATION_PATIENCE_S

    def authenticated(self) -> None:
        """Note that AWS accepted the gateway's credentials, whatever it answered."""
        if self._unauthenticated_since is not None:
            self._unauthenticated_since = None
            self._authentication_pause_s = FIRST_AUTHENTICATION_PAUSE_S

    def not_throttled(self, now: float) -> None:
        """Note that Connect did not throttle a call, whatever it answered.

        The call counts towards the throughput, and pauses are short again.
        """
        self._pause_s = FIRST_PAUSE_S
        self._throughput.note(now)

    def _refill(self, now: float) -> None:
        if self._updated_at is not None and now > self._updated_at:
            elapsed = now - self._updated_at
            # By default one permit is allowed, so the rate is used however long calls take.
            most = max(self._capacity - self._in_flight, self._least)
            self._tokens = max(self._tokens, min(most, self._tokens + elapsed * self.rate))
            if self.rate < self.ceiling:
                known = min(self._throughput.best(self.ceiling), self.ceiling)
                growth = max(known, self.ceiling / 4) / RECOVERY_S
                self.rate = min(self.ceiling, self.rate + elapsed * growth)
        self._updated_at = now


class RecentThroughput:
    """The recent throughput that Connect has taken, in calls a second, by windows."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._count = 0
        self._rates: deque[float] = deque(maxlen=WINDOWS)

    def note(self, now: float) -> None:
        """Count one call that Connect did not throttle."""
        if self._began is None:
            self._began = now
        if now - self._began >= WINDOW_S:
            self._rates.append(self._count / (now - self._began))
            self._began, self._count = now, 0
        self._count += 1

    def best(self, otherwise: float) -> float:
        """Return the rate of the best window; `otherwise` before the first window has ended."""
        return max(self._rates, default=otherwise)


class RetryBudget:
    """Bounds the calls that retries take from other requests: every first attempt earns part of a retry."""

    def __init__(self) -> None:
        self._credit = RETRY_CREDIT

    def earn(self) -> None:
        """Note a first attempt."""
        self._credit = min(RETRY_CREDIT, self._credit + RETRY_SHARE)

    def spend(self) -> bool:
        """Take the price of one more attempt of a call, if it is there."""
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
