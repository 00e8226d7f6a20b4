"""The scale on which dial requests give up: it follows the wall clock, which may be set while they wait."""


class ExpiryScale:
    """Where the core's instants are on the scale of `expires_at` and `give_up_at`.

    Callers say when a dial request expires by the wall clock. The instants on this scale never change, so
    queues stay in order when the wall clock is set: only where now is on it does.
    """

    __slots__ = ("ahead_s",)

    def __init__(self) -> None:
        self.ahead_s = 0.0
        """Seconds that the wall clock has gained on the core's since the process started."""

    def at(self, now: float) -> float:
        """Return where an instant of the core's clock is on this scale."""
        return now + self.ahead_s

    def back(self, instant: float) -> float:
        """Return the instant of the core's clock at which this scale will be at `instant`."""
        return instant - self.ahead_s
