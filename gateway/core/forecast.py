"""How long a request will wait for its turn: so that one whose time will be up is told at once.

Turns are fair, so of every other backlog only as much goes before a request as the request has
before it in its own: what goes first is the sum of the backlogs, each cut at its place. Backlogs
are looked at anew twice a second; in between, forecasts reckon with what was seen then.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from gateway.core.model import BATCH_LIMIT, Entry
from gateway.core.queues import CampaignQueue, Lane
from gateway.core.scheduler import Scheduler

REFRESH_S = 0.5
MARGIN = 1.25
"""A request is refused only if it would wait so many times what it can: a forecast is no promise."""


class Backlogs:
    """Sizes of backlogs that take turns with each other."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes = sorted(sizes)
        self._sums = [0, *accumulate(self._sizes)]

    def before(self, place: int) -> int:
        """Return how many of all go before the one at `place` of its own backlog."""
        smaller = bisect_right(self._sizes, place)
        return self._sums[smaller] + place * (len(self._sizes) - smaller)


class Forecast:
    """Tells how long a new request would wait, from the backlogs and the rate of calls."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._seen_at = float("-inf")
        self._campaigns = Backlogs(())
        self._lanes: dict[Lane, Backlogs] = {}

    def would_expire(self, now: float, entry: Entry, call_rate: float) -> float | None:
        """Return the seconds that `entry` would wait, if its time would be up by then; else None."""
        left_s = (entry.give_up_at - now) * MARGIN
        per_s = call_rate * BATCH_LIMIT
        if not call_rate or self._scheduler.waiting <= left_s * per_s:
            return None  # even behind all that waits there would be time
        wait_s = self._before(now, entry) / per_s
        return wait_s if wait_s > left_s else None

    def _before(self, now: float, entry: Entry) -> int:
        """Return about how many dial requests of all would be sent before `entry`."""
        if now >= self._seen_at + REFRESH_S:
            self._seen_at = now
            self._campaigns = Backlogs(len(campaign) for campaign in self._scheduler.campaigns())
            self._lanes.clear()
        campaign = self._scheduler.campaign(entry.request.campaign_id)
        place = self._place(campaign, entry) if campaign is not None else 0
        return self._campaigns.before(place)

    def _place(self, campaign: CampaignQueue, entry: Entry) -> int:
        """Return about how many of its own campaign would be sent before `entry`."""
        lane = campaign.lanes[entry.priority]
        sources = self._lanes.get(lane)
        if sources is None:
            sources = self._lanes[lane] = Backlogs(len(queue) for queue in lane.queues())
        own = entry.waiters[0].source.queues.get((campaign.campaign_id, entry.priority))
        place = own.ahead_of(entry.give_up_at) if own is not None else 0
        return sources.before(place) + sum(higher.waiting for higher in campaign.lanes[: entry.priority])
