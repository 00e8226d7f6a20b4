"""What the engine needs from the object that permits its calls.

`scheduling.pacing.Pacer` permits calls of one process alone, `quota.fleet_permits.FleetPermits` those of a
replica of a fleet.
"""

from typing import Protocol


class Permits(Protocol):
    """Permits calls, one by one, and learns from their results. Rates are in calls a second, 0 for no limit.

    `rate` is the present rate that this process can count on, `account_rate` that of the account, and
    `ceiling` the configured one. `is_cut`: the rate is lower since Connect has throttled calls. `hint` is the
    caller and the campaign that the next permit was granted for, None if it is for any. `is_unauthenticated`:
    AWS last refused the credentials or the clock. `limited_by_store`: it permits less than it could, or
    nothing, since the shared state does not answer, or since not all of its content has been read.
    """

    ceiling: float

    @property
    def rate(self) -> float: ...  # noqa: D102

    @property
    def limited_by_store(self) -> bool: ...  # noqa: D102

    @property
    def account_rate(self) -> float: ...  # noqa: D102

    @property
    def is_cut(self) -> bool: ...  # noqa: D102

    @property
    def hint(self) -> tuple[str, str] | None: ...  # noqa: D102

    @property
    def is_unauthenticated(self) -> bool: ...  # noqa: D102

    def set_quota(self, now: float, rate: float, burst: float) -> None:
        """Keep to another rate and burst from `now` on: those of the account."""
        ...

    def ready_at(self, now: float) -> float:
        """Return when the next permit can be taken: `now` or later."""
        ...

    def take(self, now: float) -> bool:
        """Take a permit at `now`, if there is one."""
        ...

    def give_back(self, now: float, permits: int) -> None:
        """Take back the permits of calls that never left: Connect does not count them."""
        ...

    def in_flight(self, now: float, calls: int) -> None:
        """Note how many calls are in flight from `now` on."""
        ...

    def available_share(self, now: float) -> float:
        """Return the share of the burst that is available: from 0 (no permit) to 1 (all)."""
        ...

    def throttled(self, now: float, left_at: float) -> None:
        """Note that Connect throttled a call that left at `left_at`."""
        ...

    def not_throttled(self, now: float) -> None:
        """Note that Connect did not throttle a call, whatever it answered."""
        ...

    def authentication_failed(self, now: float, left_at: float) -> bool:
        """Note that AWS refused the credentials or the clock; return whether this has lasted too long."""
        ...

    def authenticated(self) -> None:
        """Note that AWS accepted the credentials."""
        ...
