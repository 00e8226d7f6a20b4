"""The time scale of expirations: it follows the wall clock, which may be set while dial requests wait."""

SEND_MARGIN_S = 1 / 16
"""Seconds from the decision for a call until its bytes are on the wire; a request expires that much
earlier. Sums with this number are exact, so an instant is the same on both scales."""


class ExpiryScale:
    """Converts the core's instants to the scale of `expires_at` and `give_up_at`, and back.

    Callers state an expiration by the wall clock, so this scale is seconds since the epoch. An instant on it
    never changes, so queues stay in order when the wall clock is set; only the position of now changes.
    A request is not sent any more `lead_s` seconds before it expires.
    """

    __slots__ = ("ahead_s", "lead_s")

    def __init__(self, lead_s: float = 0.0) -> None:
        self.lead_s = lead_s
        self.ahead_s = 0.0
        """Seconds by which this scale is ahead of the core's clock; the wall clock may be set meanwhile."""

    def at(self, now: float) -> float:
        """Convert an instant of the core's clock to this scale."""
        return now + self.ahead_s

    def cutoff(self, now: float) -> float:
        """Return the instant on this scale until which a request that expires is too late to be sent."""
        return now + self.ahead_s + self.lead_s

    def gives_up_at(self, expires_at: float) -> float:
        """Return when a request gives up that expires at an instant of this scale, on the core's clock."""
        return expires_at - self.lead_s - self.ahead_s

    def back(self, instant: float) -> float:
        """Convert an instant of this scale to the core's clock, as the wall clock stands now."""
        return instant - self.ahead_s
