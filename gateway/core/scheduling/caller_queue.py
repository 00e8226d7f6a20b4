"""The requests of one caller for one campaign: it takes turns with those of other callers."""

from typing import TYPE_CHECKING

from gateway.core.model import Priority, Source

if TYPE_CHECKING:
    from gateway.core.scheduling.queues import CampaignQueue
    from gateway.core.scheduling.ready import Place

PRIORITIES = tuple(Priority)


class CallerQueue:
    """The requests of one caller for one campaign, over all its sources; it takes turns with other callers.

    `queues` counts the source queues that belong to it, `source` is the one that it was made for, and
    `weight` is how many calls its caller makes in each turn. `place` is where it takes turns, None if its
    campaign is not ready; `ReadyCampaigns` sets it.
    """

    __slots__ = ("caller", "campaign", "place", "queues", "source", "weight")

    def __init__(self, source: Source, campaign: "CampaignQueue") -> None:
        self.caller = source.caller
        self.campaign = campaign
        self.source = source
        self.weight = source.weight
        self.queues = 0
        self.place: Place | None = None

    @property
    def priority(self) -> Priority:
        """The highest priority among the waiting requests."""
        for priority, lane in zip(PRIORITIES, self.campaign.lanes, strict=True):
            if lane.has(self):
                return priority
        return Priority.NORMAL  # suspects alone

    @property
    def waiting(self) -> int:
        """How many requests wait, without suspects; counted on each read if there are several callers."""
        campaign = self.campaign
        if len(campaign.callers) == 1:
            return campaign.unsuspected
        return sum(queue.waiting for lane in campaign.lanes for queue in lane.of(self))

    def rises(self, priority: Priority) -> bool:
        """Whether a request of `priority` makes it take turns, or take them at a higher priority."""
        return self.place is None or self.place.priority > priority
