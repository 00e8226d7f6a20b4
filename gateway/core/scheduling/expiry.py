"""The time scale of expirations: it follows the wall clock, which may be set while dial requests wait."""


class ExpiryScale:
    """Converts the core's instants to the scale of `expires_at` and `give_up_at`, and back.

    Callers state an expiration by the wall clock, so this scale is seconds since the epoch. An instant on it
    never changes, so queues stay in order when the wall clock is set; only the position of now changes.
    """

    __slots__ = ("ahead_s",)

    def __init__(self) -> None:
        self.ahead_s = 0.0
        """Seconds by which this scale is ahead of the core's clock; the wall clock may be set meanwhile."""

    def at(self, now: float) -> float:
        """Convert an instant of the core's clock to this scale."""
        return now + self.ahead_s

    def back(self, instant: float) -> float:
        """Convert an instant of this scale to the core's clock, as the wall clock stands now."""
        return instant - self.ahead_s
