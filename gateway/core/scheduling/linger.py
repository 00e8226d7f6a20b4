"""How long the requests of a campaign linger for a fuller call, and why a call leaves when it does."""

from gateway.core.model import BATCH_LIMIT, FlushReason
from gateway.core.scheduling.queues import CampaignQueue

SHORT_LINGER, LONG_LINGER = 0.5, 12.0
"""The linger is multiplied by the first if more than half of the burst is available, and by the second if no
permit is. The second is a little more than a round of five campaigns at ten calls a second, so that the
fullest go first."""


class Linger:
    """The linger of all campaigns: `linger_s` seconds from the arrival of the oldest request.

    `permit_share` is the share of the burst that is available: from 0 (no permit) to 1 (all). Nothing lingers
    once the gateway is `draining`.
    """

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self.permit_share = 1.0
        self.draining = False

    def ready_by(self, now: float, campaign: CampaignQueue) -> float:
        """Return when a campaign with waiting requests is ready for a call: `now` or earlier if it is."""
        suspects = campaign.suspects_from()
        if suspects is not None and (suspects <= now or not campaign.unsuspected):
            return suspects
        if campaign.unsuspected >= BATCH_LIMIT or self.draining or not campaign.open_sources:
            return now
        linger_s = self._linger_s * (SHORT_LINGER if self.permit_share > SHORT_LINGER else 1.0)
        ready_by = campaign.oldest_arrival + linger_s
        return ready_by if suspects is None else min(ready_by, suspects)

    def may_wait(self, now: float, campaign: CampaignQueue) -> bool:
        """Whether a ready campaign may linger longer, since no permit is available and others are fuller."""
        if self.draining or not 0 < campaign.unsuspected < BATCH_LIMIT:
            return False
        young = now < campaign.oldest_arrival + self._linger_s * LONG_LINGER
        return young and campaign.suspects_from() is None

    def flush_reason(self, now: float, campaign: CampaignQueue, limit: int) -> FlushReason:
        """Return why a call of at most `limit` requests of a ready campaign leaves at `now`."""
        if limit < BATCH_LIMIT and campaign.unsuspected:
            return FlushReason.PROBE
        suspects = campaign.suspects_from()
        if suspects is not None and suspects <= now:
            return FlushReason.SUSPECT
        if campaign.unsuspected >= BATCH_LIMIT:
            return FlushReason.FULL
        if self.draining:
            return FlushReason.DRAIN
        return FlushReason.LINGER if campaign.open_sources else FlushReason.CLOSED
