"""Campaigns that Connect is known to have, and callers that use campaign ids that it does not have."""

from collections import OrderedDict
from collections.abc import Iterable

PROVEN_FOR_S = 3600.0
"""Seconds for which a campaign counts as proven after Connect has accepted something of it; at most twice
as long, since the memory is dropped in halves."""
PROVEN_LIMIT = 20_000
"""Campaigns in each half; with ids of 36 characters both halves take about 6 MB at most."""
MISSES_LIMIT = 20
"""Calls of a caller that may miss (find no such campaign) before the caller is slowed down."""
MISSES_PER_S = 1.0
"""Tries a second of a caller that is slowed down; its count of misses falls at the same rate."""
DOUBT_S = 60.0
"""Seconds after its last miss for which a caller is in doubt."""


class Proven:
    """The campaigns for which Connect has accepted something recently. The memory is bounded."""

    def __init__(self) -> None:
        self._latest: set[str] = set()
        self._before: set[str] = set()
        self._turned_at = 0.0

    def __contains__(self, campaign_id: str) -> bool:
        return campaign_id in self._latest or campaign_id in self._before

    def note(self, now: float, campaign_id: str) -> None:
        """Note that something of a campaign was accepted."""
        if campaign_id in self._latest and now < self._turned_at + PROVEN_FOR_S:
            return
        if now >= self._turned_at + PROVEN_FOR_S or len(self._latest) >= PROVEN_LIMIT:
            old = now >= self._turned_at + 2 * PROVEN_FOR_S
            self._latest, self._before = set(), set() if old else self._latest
            self._turned_at = now
        self._latest.add(campaign_id)

    def forget(self, campaign_id: str) -> None:
        """Note that a campaign is gone."""
        self._latest.discard(campaign_id)
        self._before.discard(campaign_id)


class Misses:
    """Counts each caller's calls that found no such campaign; the count falls with time."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # count and instant

    def __bool__(self) -> bool:
        """Whether any caller may have missed of late."""
        return bool(self._counts)

    def count(self, now: float, caller: str) -> float:
        """Return how many misses of a caller are remembered."""
        count, at = self._counts.get(caller, (0.0, now))
        return max(0.0, count - (now - at) * MISSES_PER_S)

    def note(self, now: float, callers: Iterable[str]) -> None:
        """Count a call that found no such campaign, for each caller that asked for it."""
        for caller in callers:
            self._counts[caller] = (min(self.count(now, caller) + 1.0, MISSES_LIMIT), now)
            self._counts.move_to_end(caller)
        self.forget(now)

    def forget(self, now: float) -> None:
        """Forget callers that are no longer in doubt."""
        while self._counts and not self.doubts(now, next(iter(self._counts))):
            self._counts.popitem(last=False)

    def doubts(self, now: float, caller: str) -> bool:
        """Whether a call of a caller has recently found no such campaign."""
        known = self._counts.get(caller)
        return known is not None and now < known[1] + DOUBT_S
