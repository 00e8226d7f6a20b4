"""The health of Amazon Connect, derived from the results of calls, for operators and for readiness."""

from collections import Counter

from gateway.core import errors

OK = "ok"
"""The result of an attempt that Connect answered item by item; a failure's is its name in errors.py."""

_CONNECT_ANSWERS = (
    errors.RateThrottled,
    errors.CallInvalid,
    errors.CampaignInvalid,
    errors.CampaignNotFound,
    errors.CampaignNotRunning,
    errors.CallConflict,
)
"""Failures in which Connect answered, so they do not count against it."""
_NOT_ASKED = (errors.CallTooLate, errors.CallRevoked, errors.ChannelNotCarried)
"""Failures that say nothing about Connect: the call was not sent."""


_AUTHENTICATION_FAILURES = frozenset(
    failure.__name__ for failure in errors.AuthenticationFailed.__subclasses__()
)


class ConnectHealth:
    """What the last attempts of calls say, and how many had which result. Instants are on our own clock."""

    def __init__(self) -> None:
        self.last_failure = ""
        self.called = False
        self.results: Counter[str] = Counter()
        self._failing_since: float | None = None
        self._authentication_failed_at = float("-inf")

    def answered(self, now: float) -> None:
        """Note that Connect answered a call."""
        self.results[OK] += 1
        self._works()

    def failed(self, now: float, failure: errors.CallFailure) -> None:
        """Note that an attempt of a call failed at `now`."""
        self.results[type(failure).__name__] += 1
        if isinstance(failure, _NOT_ASKED):
            return
        if isinstance(failure, _CONNECT_ANSWERS):
            self._works()
            return
        self.called = True
        self.last_failure = type(failure).__name__
        if self._failing_since is None:
            self._failing_since = now
        if isinstance(failure, errors.AuthenticationFailed):
            self._authentication_failed_at = now

    def _works(self) -> None:
        self.called = True
        self._failing_since = None

    def failing_s(self, now: float) -> float:
        """Return for how many seconds no attempt has been answered; 0 if the last one was."""
        return 0.0 if self._failing_since is None else max(0.0, now - self._failing_since)

    def in_words(self, now: float) -> str:
        """Return how Amazon Connect does, for people."""
        if self.failing:
            return f"failing for {self.failing_s(now):.0f} s: {self.last_failure}"
        return "answering" if self.called else "not called yet"

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed because of Connect."""
        return self._failing_since is not None

    def authentication_failure(self, now: float, within_s: float) -> str:
        """Return how AWS last refused the gateway's credentials or clock, if it has accepted none since.

        Only the last `within_s` seconds count. The value is the name of a subclass of `AuthenticationFailed`
        (core/errors.py), or empty.
        """
        is_failing = self.failing and now - self._authentication_failed_at <= within_s
        return self.last_failure if is_failing and self.last_failure in _AUTHENTICATION_FAILURES else ""
