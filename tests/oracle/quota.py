"""The quota: never exceeded, and never wasted; and the budget of further attempts."""

from gateway.core.engine import Limits
from gateway.core.scheduling.pacing import LONGEST_AUTHENTICATION_PAUSE_S, RETRY_CREDIT, RETRY_SHARE
from gateway.core.scheduling.pacing import LONGEST_PAUSE_S as LONGEST_THROTTLE_PAUSE_S
from tests.oracle.records import EXACT_S

ROUNDING = 1e-5
"""Part of a permit by which the sums of many refills may differ."""


class Bucket:
    """A token bucket of calls: `rate` a second, `burst` at once."""

    def __init__(self, now: float, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = burst, now

    def level(self, now: float, most: float | None = None) -> float:
        """Return what is in the bucket; what it gains does not fill it above `most`."""
        full = self.burst if most is None else most
        gained = self._level + (now - self._at) * self.rate
        self._level, self._at = max(self._level, min(full, gained)), now
        return self._level

    def take(self, now: float) -> float:
        """Take one out; return what is left, below zero if it was not there."""
        self._level = self.level(now) - 1.0
        return self._level

    def give_back(self, now: float, permits: int) -> None:
        """Put back what was taken and not used."""
        self._level = min(self.burst, self.level(now) + permits)


class Quota:
    """The permits of calls that the settings allow, and those that must be there.

    Connect counts a call when it arrives. Until a call has come back, nobody knows when that was, so permits
    that would be gained beyond the burst with the calls in flight are not sure to be there.
    """

    def __init__(self, now: float, limits: Limits) -> None:
        self._limits = limits
        self._allowed = Bucket(now, limits.call_rate, limits.call_burst)
        self._sure = Bucket(now, limits.call_rate, limits.call_burst)
        self._in_flight = 0
        self._attempts_on_credit = RETRY_CREDIT
        self.throttled = False
        self.is_unauthenticated = False

    def attempt(self, now: float) -> None:
        """Check that an attempt of a call is within rate and burst."""
        if self._limits.call_rate:
            self._refill(now)
            assert self._allowed.take(now) > -ROUNDING, "more calls than burst and rate allow"
            self._sure.take(now)

    def unused(self, now: float, permits: int) -> None:
        """Note that calls never left, so that their permits must be there again."""
        if self._limits.call_rate and permits:
            self._refill(now)
            self._allowed.give_back(now, permits)
            self._sure.give_back(now, permits)

    def in_flight(self, now: float, calls: int) -> None:
        """Note how many calls have left and not come back."""
        self._refill(now)
        assert calls <= self._limits.concurrent_calls, "more calls in flight than the setting allows"
        self._in_flight = calls

    def first_attempt(self) -> None:
        """Note a first attempt of a call, which earns a part of a further attempt."""
        self._attempts_on_credit = min(RETRY_CREDIT, self._attempts_on_credit + RETRY_SHARE)

    def further_attempt(self) -> None:
        """Check that a further attempt of a call is within the budget."""
        self._attempts_on_credit -= 1.0
        assert self._attempts_on_credit > -EXACT_S, "more further attempts than the budget allows"

    def may_deny_attempt(self) -> bool:
        """Whether the budget is used up, so that a further attempt may be denied."""
        return self._attempts_on_credit < 1.0

    def check_no_permit(self, now: float, wake_at: float | None, call_rate: float) -> None:
        """Check that what is ready waits for want of a permit, and for no longer than that takes."""
        assert wake_at is not None, "asleep although calls are ready"
        limits = self._limits
        if not (self.throttled or self.is_unauthenticated):
            assert limits.call_rate, "no limit, and still not sent"
            self._refill(now)
            level = self._sure.level(now, self._most())
            assert level < 1.0 + EXACT_S, f"a permit was there: {level}"
            assert wake_at <= now + max(0.0, 1.0 - level) / limits.call_rate + EXACT_S, (
                f"sleeps until {wake_at} at {now} with {level} of a permit"
            )
            return
        if self.is_unauthenticated and self._in_flight:
            return  # one call at a time tries whether credentials and clock are accepted again
        pause_s = 2.0 / call_rate if call_rate else LONGEST_THROTTLE_PAUSE_S
        pause_s = max(pause_s, LONGEST_AUTHENTICATION_PAUSE_S) if self.is_unauthenticated else pause_s
        assert wake_at <= now + pause_s + EXACT_S, "sleeps longer than the pause after a throttle"

    def _most(self) -> float:
        return max(self._limits.call_burst - self._in_flight, 1.0)

    def _refill(self, now: float) -> None:
        self._sure.level(now, self._most())
        self._allowed.level(now)
