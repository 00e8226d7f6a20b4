"""How long a request will wait for its turn: so that one whose time will be up is told at once.

Turns are fair, so of every other backlog only as much goes before a request as the request has
before it in its own, and as many times that as the other weighs more: what goes first is the sum of
the backlogs, each cut at the turns that its place takes. Backlogs are looked at anew twice a second; in
between, forecasts reckon with what was seen then.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from gateway.core.expiry import ExpiryScale
from gateway.core.model import BATCH_LIMIT, Entry
from gateway.core.queues import CampaignQueue, Lane
from gateway.core.scheduler import Scheduler

REFRESH_S = 0.5
MARGIN = 1.25
"""A request is refused only if it would wait so many times what it can: a forecast is no promise."""


class Backlogs:
    """Backlogs that take turns with each other: the size of each, and how many go in each of its turns."""

    def __init__(self, backlogs: Iterable[tuple[int, int]]) -> None:
        shortest_first = sorted((size / weight, size, weight) for size, weight in backlogs)
        self._turns = [turns for turns, _, _ in shortest_first]
        self._sums = [0, *accumulate(size for _, size, _ in shortest_first)]
        self._weights = [0, *accumulate(weight for _, _, weight in shortest_first)]

    def before(self, place: int, weight: int = 1) -> int:
        """Return how many of all go before the one at `place` of its own backlog, which weighs `weight`."""
        turns = place / weight
        shorter = bisect_right(self._turns, turns)
        return self._sums[shorter] + round(turns * (self._weights[-1] - self._weights[shorter]))


class Forecast:
    """Tells how long a new request would wait, from the backlogs and the rate of calls."""

    def __init__(self, scheduler: Scheduler, expiry: ExpiryScale | None = None) -> None:
        self._scheduler = scheduler
        self._expiry = expiry or ExpiryScale()
        self._seen_at = float("-inf")
        self._campaigns = Backlogs(())
        self._lanes: dict[Lane, Backlogs] = {}

    def all_sent_by(self, now: float, call_rate: float, more: int = 0) -> float:
        """Return the instant by which all that waits, and `more`, is sent, the margin reckoned in.

        What gives up then or later has time. `call_rate` is in calls a second, 0 for no limit.
        """
        waiting = self._scheduler.waiting + more
        return now + waiting / (call_rate * BATCH_LIMIT * MARGIN) if call_rate else now

    def would_expire(self, now: float, entry: Entry, call_rate: float, ahead: int = 0) -> float | None:
        """Return the seconds that `entry` would wait, if its time would be up by then; else None.

        `ahead` are those of its own source and campaign that came just before it, not queued yet.
        `call_rate` is in calls a second.
        """
        give_up_at = self._expiry.back(entry.give_up_at)
        if give_up_at >= self.all_sent_by(now, call_rate, ahead):
            return None
        left_s = (give_up_at - now) * MARGIN
        wait_s = self._before(now, entry, ahead) // BATCH_LIMIT / call_rate  # in whole calls before its own
        return wait_s if wait_s > left_s else None

    def _before(self, now: float, entry: Entry, ahead: int) -> int:
        """Return about how many dial requests of all would be sent before `entry`."""
        if now >= self._seen_at + REFRESH_S:
            self._seen_at = now
            self._campaigns = Backlogs((len(campaign), 1) for campaign in self._scheduler.campaigns())
            self._lanes.clear()
        campaign = self._scheduler.campaign(entry.request.campaign_id)
        if campaign is None:
            return self._campaigns.before(ahead) + ahead
        place = self._place(campaign, entry, ahead)
        return self._campaigns.before(place) + max(0, place - len(campaign))  # what is not queued yet

    def _place(self, campaign: CampaignQueue, entry: Entry, ahead: int) -> int:
        """Return about how many of its own campaign would be sent before `entry`."""
        lane = campaign.lanes[entry.priority]
        sources = self._lanes.get(lane)
        if sources is None:
            sources = self._lanes[lane] = Backlogs(
                (queue.waiting, queue.source.weight) for queue in lane.queues() if queue.source is not None
            )
        source = entry.waiters[0].source
        own = source.queues.get((campaign.campaign_id, entry.priority))
        queued, place = 0, ahead
        if own is not None:
            queued, place = own.waiting, ahead + own.ahead_of(entry.give_up_at)
        before = sources.before(place, source.weight) + max(0, place - queued)
        return before + sum(higher.waiting for higher in campaign.lanes[: entry.priority])
