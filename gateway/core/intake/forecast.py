"""Forecasts how long a request will wait for its turn.

A request that would expire by then is answered at once.

Turns are fair: until a request has its turn, each other backlog sends as much as the request's own backlog,
times the ratio of their weights, and no more than it has. The sum over all backlogs is what goes before the
request. This is computed for the sources of a caller within a campaign, in dial requests, and for the
campaigns of a caller and for the callers, in calls. A request of a backlog that is empty goes after one turn
of each. Backlogs are read twice a second, in slices; in between, forecasts use the last reading.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice

from gateway.core.model import BATCH_LIMIT, Entry, Priority, Source
from gateway.core.scheduling.caller_queue import CallerQueue
from gateway.core.scheduling.expiry import ExpiryScale
from gateway.core.scheduling.proven import MISSES_LIMIT, MISSES_PER_S
from gateway.core.scheduling.queues import CampaignQueue
from gateway.core.scheduling.ready import DOUBTFUL_EVERY
from gateway.core.scheduling.scheduler import Scheduler

REFRESH_S = 0.5
MARGIN = 1.25
"""A request is refused only if the forecast exceeds its time by this factor, since forecasts are not
exact."""
SHARED_CALLS_SEARCHED = 8
"""Callers that are searched for one whose call has room and comes earlier."""
SLICE, SLICE_EVERY_S = 1000, 0.01
"""Campaigns that are read at once, and the seconds between two such slices. Many requests may arrive at one
instant and need a forecast, so each of them must not read a slice."""
MEAN_TURNS_BETWEEN = 0.5
"""Turns that each other backlog has, on average, before the next turn of a backlog that is in the round."""


class Backlogs:
    """Backlogs that take turns with each other, each with its size and its weight (its share of a turn)."""

    def __init__(self, backlogs: Iterable[tuple[float, int]]) -> None:
        shortest_first = sorted((size / weight, size, weight) for size, weight in backlogs)
        self._turns = [turns for turns, _, _ in shortest_first]
        self._sums = [0.0, *accumulate(size for _, size, _ in shortest_first)]
        self._weights = [0, *accumulate(weight for _, _, weight in shortest_first)]

    def before(self, place: float, weight: int = 1) -> float:
        """Return how much of all backlogs goes before `place` of a backlog with this `weight`."""
        turns = place / weight
        shorter = bisect_right(self._turns, turns)
        return self._sums[shorter] + turns * (self._weights[-1] - self._weights[shorter])

    def before_next(self, place: float, own: float | None, weight: int = 1) -> float:
        """Return how much of all backlogs goes before the turn after `place`.

        `own` is the whole backlog that contains `place`, None if nothing waits in it yet.
        """
        more = place + (weight if own is None else weight * MEAN_TURNS_BETWEEN)
        return self.before(more, weight) - min(more, own or 0.0) + place


class BacklogView:
    """The backlogs of callers, campaigns and sources at one instant, in calls.

    Work of the same or a higher priority counts. `doubtful` counts the doubtful campaigns of each source.
    """

    def __init__(self, now: float, scheduler: Scheduler) -> None:
        self._now = now
        self._scheduler = scheduler
        self._left = scheduler.campaigns()
        self._costs: dict[str, Counter[tuple[Priority, float]]] = defaultdict(Counter)
        self._weights: dict[str, int] = {}
        self.doubtful: dict[str, Counter[Source]] = defaultdict(Counter)
        self._callers: dict[Priority, tuple[dict[str, float], Backlogs]] = {}
        self._campaigns: dict[tuple[str, Priority], Backlogs] = {}
        self.sources: dict[tuple[CallerQueue, Priority], Backlogs] = {}
        self.room: dict[CampaignQueue, float] = {}

    def read(self, limit: int = SLICE) -> bool:
        """Read so many more campaigns; return whether none is left."""
        count = 0
        for count, campaign in enumerate(islice(self._left, limit), 1):  # noqa: B007
            for caller, queue in campaign.callers.items():
                if self._scheduler.doubts(self._now, caller, campaign.campaign_id):
                    self.doubtful[caller][queue.source] += 1
                else:
                    self._weights[caller] = queue.weight
                    self._costs[caller][queue.priority, round(_calls(campaign, queue), 2)] += 1
        return count < limit

    def before(self, caller: str, weight: int, priority: Priority, place: float, own: float | None) -> float:
        """Return how many calls go before the one after `place` calls of a campaign of a caller.

        `own` is how many calls of the caller wait for the campaign, None if nothing waits.
        """
        campaigns = self._campaigns.get((caller, priority))
        if campaigns is None:
            costs = self._costs.get(caller, Counter())
            campaigns = Backlogs((calls * n, n) for (of, calls), n in costs.items() if of <= priority)
            self._campaigns[caller, priority] = campaigns
        of_caller = campaigns.before_next(place, own)
        sums, callers = self._of_callers(priority)
        return callers.before_next(of_caller, sums.get(caller), self._weights.get(caller, weight))

    def _of_callers(self, priority: Priority) -> tuple[dict[str, float], Backlogs]:
        known = self._callers.get(priority)
        if known is None:
            sums = {
                caller: calls
                for caller, costs in self._costs.items()
                if (calls := sum(calls * n for (of, calls), n in costs.items() if of <= priority))
            }
            backlogs = Backlogs((calls, self._weights[caller]) for caller, calls in sums.items())
            known = self._callers[priority] = sums, backlogs
        return known


def _calls(campaign: CampaignQueue, queue: CallerQueue) -> float:
    """Return how many calls the backlog of a caller takes, its share of shared calls included."""
    return campaign.waiting_of(queue) / min(BATCH_LIMIT, max(1, campaign.unsuspected))


class Forecast:
    """Computes how long a new request would wait, from the backlogs and the rate of calls."""

    def __init__(self, scheduler: Scheduler, expiry: ExpiryScale | None = None) -> None:
        self._scheduler = scheduler
        self._expiry = expiry or ExpiryScale()
        self._seen_at = self._read_at = float("-inf")
        self._view = self._next = BacklogView(0.0, scheduler)

    def all_sent_by(self, now: float, call_rate: float, more: float = 0) -> float:
        """Return the instant by which the whole backlog and `more` are sent, with the margin.

        A request that gives up then or later has time, unless its campaign is doubtful. `call_rate` is in
        calls a second, 0 for no limit.
        """
        if not call_rate:
            return now
        calls = (self._scheduler.waiting + more) / BATCH_LIMIT + self._scheduler.campaigns_waiting
        return now + calls / (call_rate * MARGIN)

    def would_expire(self, now: float, entry: Entry, call_rate: float, ahead: int = 0) -> float | None:
        """Return the seconds that `entry` would wait, if its time would be up by then; else None.

        `ahead` are those of its own source and campaign that came just before it, not queued yet.
        `call_rate` is in calls a second.
        """
        give_up_at = self._expiry.gives_up_at(entry.expires_at)
        doubtful = self._scheduler.doubts(now, entry.first_source().caller, entry.request.campaign_id)
        if not call_rate or (not doubtful and give_up_at >= self.all_sent_by(now, call_rate, ahead)):
            return None
        left_s = (give_up_at - now) * MARGIN
        wait_s = self.wait_s(now, entry, call_rate, ahead)
        if wait_s > left_s:
            return wait_s
        if doubtful and not self._scheduler.is_waiting(entry.request.campaign_id):
            source = entry.first_source()
            self._view.doubtful[source.caller][source] += 1  # counted from now on: the request will wait
        return None

    def wait_s(self, now: float, entry: Entry, call_rate: float, ahead: int = 0) -> float:
        """Return about how many seconds `entry` would wait for its turn."""
        self._refresh(now)
        source = entry.first_source()
        campaign = self._scheduler.campaign(entry.request.campaign_id)
        queue = campaign.callers.get(source.caller) if campaign is not None else None
        tries_s = 0.0
        if self._scheduler.doubts(now, source.caller, entry.request.campaign_id):
            tries_s = self._tries_s(source, call_rate)
        place = self._place(campaign, queue, entry, ahead)
        if campaign is not None and len(campaign.callers) > 1:
            place = max(0.0, place - self._room(campaign))
        full = BATCH_LIMIT if campaign is None else min(BATCH_LIMIT, max(1, campaign.unsuspected))
        own = _calls(campaign, queue) if campaign is not None and queue is not None else None
        calls = self._view.before(source.caller, source.weight, entry.priority, place / full, own)
        if campaign is not None and place < BATCH_LIMIT:
            calls = min([calls, *self._via_shared_calls(campaign, entry)])
        return max(calls // 1 / call_rate, tries_s)  # in whole calls before its own

    def _room(self, campaign: CampaignQueue) -> float:
        """Return about how many requests go along in calls of other callers of the campaign."""
        room = self._view.room.get(campaign)
        if room is None:
            waiting = [campaign.waiting_of(queue) for queue in campaign.callers.values()]
            large = sum(count > BATCH_LIMIT for count in waiting)
            room = self._view.room[campaign] = sum(-count % BATCH_LIMIT for count in waiting) / max(1, large)
        return room

    def _via_shared_calls(self, campaign: CampaignQueue, entry: Entry) -> Iterator[float]:
        """Yield, for each caller whose next call `entry` could join, how many calls go before it."""
        for queue in islice(campaign.callers.values(), SHARED_CALLS_SEARCHED):
            if campaign.waiting_of(queue) >= BATCH_LIMIT:
                continue  # its next call has no room
            yield self._view.before(queue.caller, queue.weight, entry.priority, 0.0, _calls(campaign, queue))

    def _refresh(self, now: float) -> None:
        """Read the backlogs again if that is due, one slice at a time."""
        if self._next is self._view and now >= self._seen_at + REFRESH_S:
            self._seen_at, self._next = now, BacklogView(now, self._scheduler)
        if self._next is self._view or now < self._read_at + SLICE_EVERY_S:
            return
        self._read_at = now
        if self._next.read():
            self._view = self._next

    def _tries_s(self, source: Source, call_rate: float) -> float:
        """Return how long a source waits until the first call of a further doubtful campaign."""
        counts = self._view.doubtful[source.caller]
        tries = min(counts[source], sum(counts.values()))
        before = sum(min(count, tries + 1) for other, count in counts.items() if other is not source) + tries
        slowed = before > MISSES_LIMIT or self._scheduler.is_slowed(source.caller)
        return before / MISSES_PER_S if slowed else before * DOUBTFUL_EVERY / call_rate

    def _place(
        self, campaign: CampaignQueue | None, queue: CallerQueue | None, entry: Entry, ahead: int
    ) -> float:
        """Return about how many requests of the same caller and campaign go before `entry`."""
        if campaign is None or queue is None:
            return ahead
        priority = entry.priority
        sources = self._view.sources.get((queue, priority))
        if sources is None:
            waiting = (
                (one.waiting, one.source.weight) for one in campaign.lanes[priority].of(queue) if one.source
            )
            sources = self._view.sources[queue, priority] = Backlogs(waiting)
        source = entry.first_source()
        own = source.queues.get((campaign.campaign_id, priority))
        queued, place = 0, ahead
        if own is not None:
            queued, place = own.waiting, ahead + own.ahead_of(entry.expires_at)
        before = sources.before(place, source.weight) + max(0, place - queued)
        return before + sum(one.waiting for lane in campaign.lanes[:priority] for one in lane.of(queue))
