"""One look at all campaigns, for everybody who watches them: services over gRPC, people in the console."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.listing import CampaignRow

LOOK_EVERY_S = 0.25
"""Seconds for which one look at all campaigns serves everybody."""
LOOK_SHARE = 0.1
"""The share of the time that looks may take: where campaigns are very many a look serves for longer."""


class Look(NamedTuple):
    """The campaigns by their ids in order, and the instant at which they were looked at."""

    at: float
    rows: dict[str, CampaignRow]


class Looks:
    """Looks again where the last look is too old, and not sooner. What it gives must not be changed."""

    def __init__(self, rows: Callable[[], dict[str, CampaignRow]], now: Callable[[], float]) -> None:
        self._rows = rows
        self._now = now
        self._again_at = float("-inf")
        self._last = Look(float("-inf"), {})

    def look(self) -> Look:
        """Return how the campaigns stand."""
        now = self._now()
        if now >= self._again_at:
            self._last = Look(now, self._rows())
            cost_s = self._now() - now
            self._again_at = now + max(LOOK_EVERY_S, cost_s / LOOK_SHARE)
        return self._last

    def outdated(self) -> None:
        """Note that something was done to a campaign: the next look is a new one, which shows it."""
        self._again_at = float("-inf")
