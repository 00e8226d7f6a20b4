"""Whether Amazon Connect works, as its calls tell: for those who watch, and for readiness."""

from gateway.core import errors

_CONNECT_ANSWERS = (
    errors.RateThrottled,
    errors.CallInvalid,
    errors.CampaignNotFound,
    errors.CampaignNotRunning,
    errors.CallConflict,
    errors.CallTooLate,
)
"""Failures of a call that say nothing against Connect: it answered, or was not asked."""


class ConnectHealth:
    """What the last attempts of calls say. Instants are on the gateway's clock."""

    def __init__(self) -> None:
        self.last_failure = ""
        self.called = False
        self._failing_since: float | None = None
        self._no_credentials_at = float("-inf")

    def answered(self, now: float) -> None:
        """Note that Connect answered a call."""
        self.called = True
        self._failing_since = None

    def failed(self, now: float, failure: errors.CallFailure) -> None:
        """Note that an attempt of a call failed at `now`."""
        if isinstance(failure, _CONNECT_ANSWERS):
            if not isinstance(failure, errors.CallTooLate):
                self.answered(now)
            return
        self.called = True
        self.last_failure = type(failure).__name__
        if self._failing_since is None:
            self._failing_since = now
        if isinstance(failure, errors.NoCredentials):
            self._no_credentials_at = now

    def failing_s(self, now: float) -> float:
        """Return for how many seconds no attempt has been answered; 0 where the last one was."""
        return 0.0 if self._failing_since is None else max(0.0, now - self._failing_since)

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed for want of Connect."""
        return self._failing_since is not None

    def lacked_credentials(self, now: float, within_s: float) -> bool:
        """Whether a call found no credentials in the last `within_s` seconds, and none was answered since."""
        return self.failing and now - self._no_credentials_at <= within_s
