"""The requests of one caller for one campaign: it takes turns with those of other callers."""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.model import Priority, Source
from gateway.core.scheduling.place import Place

PRIORITIES = tuple(Priority)


class LaneOfCallers(Protocol):
    """The waiting requests of one campaign and priority (`lanes.Lane`), as a caller's queue sees them."""

    def has(self, caller_queue: "CallerQueue") -> bool:
        """Whether any request of a caller waits."""


class CallerQueue:
    """The requests of one caller for one campaign, over all its sources; it takes turns with other callers.

    `lanes` are those of the campaign, one for each priority. `queues` counts the source queues that belong to
    it, `source` is the one that it was made for, and `weight` is how many calls its caller makes in each
    turn. `place` is where it takes turns, None if its campaign is not ready; `ReadyCampaigns` sets it.
    """

    __slots__ = ("_lanes", "caller", "campaign_id", "place", "queues", "source", "weight")

    def __init__(self, source: Source, campaign_id: str, lanes: Sequence[LaneOfCallers]) -> None:
        self.caller = source.caller
        self.campaign_id = campaign_id
        self.source = source
        self.weight = source.weight
        self.queues = 0
        self.place: Place | None = None
        self._lanes = lanes

    @property
    def priority(self) -> Priority:
        """The highest priority among the waiting requests."""
        for priority, lane in zip(PRIORITIES, self._lanes, strict=True):
            if lane.has(self):
                return priority
        return Priority.NORMAL  # suspects alone

    def rises(self, priority: Priority) -> bool:
        """Whether a request of `priority` makes it take turns, or take them at a higher priority."""
        return self.place is None or self.place.priority > priority
