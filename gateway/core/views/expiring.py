"""An estimate of how many waiting dial requests will expire before their turn, at least.

By any instant, calls can be made for only so many of the requests that give up by then. The rest of them
expires, in whatever order they are sent. The largest such rest over some instants is the estimate. Since
campaigns take turns, more of them expire if one campaign is more urgent than others. It is assumed that the
rate of calls stays as it is, that calls of a campaign are full, and that no request arrives.
"""

import math
from collections.abc import Generator

from gateway.core.model import BATCH_LIMIT
from gateway.core.scheduling.queues import QUEUES_PART, CampaignQueue

POINTS = 16
"""Instants that are looked at. By the last, everything that waits can have been sent."""


class ExpiringBacklog:
    """Adds up the requests that give up by each instant, and the calls that they take.

    A request that expires at `cutoff`, on the scale of expiries, gives up now. `calls` is about how many
    calls the whole backlog takes, and `rate` is in calls a second, 0 for no limit.
    """

    def __init__(self, cutoff: float, calls: float, rate: float) -> None:
        step_calls = calls / POINTS
        steps = range(1, POINTS + 1) if rate else ()
        self._capacity = [step_calls * step for step in steps]
        self._instants = [cutoff + capacity / rate for capacity in self._capacity]
        self._requests = [0] * len(self._instants)
        self._calls = [0] * len(self._instants)

    def add(self, campaign: CampaignQueue) -> Generator[None, None, None]:
        """Add the requests of a campaign that flows, without its suspects; yield after each part of them."""
        last = self._instants[-1] if self._instants else -math.inf
        urgent = [one for lane in campaign.lanes for one in lane.queues() if one.earliest() <= last]
        if not urgent:  # as most campaigns are
            return
        due = [0] * len(self._instants)
        for number, queue in enumerate(urgent, 1):
            for point, instant in enumerate(self._instants):
                due[point] += min(queue.waiting, queue.ahead_of(instant))
            if not number % QUEUES_PART:
                yield
        for point, count in enumerate(due):
            self._requests[point] += count
            self._calls[point] += -(-count // BATCH_LIMIT)

    def requests(self) -> int:
        """Return about how many of the added requests will expire before their turn, at least."""
        return round(
            max(
                (
                    requests * (calls - capacity) / calls
                    for requests, calls, capacity in zip(
                        self._requests, self._calls, self._capacity, strict=True
                    )
                    if calls > capacity
                ),
                default=0.0,
            )
        )
