"""Whether a campaign's dial requests may be sent now, and what callers are told if not.

Three independent things stop a campaign: an operator's hold (`holds`), a refusal by Connect that its waiting
requests are being answered with (`refused`), and a condition such as cooling or parked (`conditions`). This
module alone combines them.
"""

from dataclasses import dataclass

from gateway.core import answers
from gateway.core.campaigns.conditions import Conditions
from gateway.core.campaigns.holds import Holds
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.model import CampaignNotice, NoticeKind, Reason

_HELD = CampaignNotice(NoticeKind.CAMPAIGN_HELD, None, "the campaign is held by those who run the gateway")


@dataclass(frozen=True, slots=True)
class CampaignFlow:
    """What stops campaigns, put together."""

    holds: Holds
    refused: RefusedCampaigns
    conditions: Conditions

    def limit(self, campaign_id: str) -> int:
        """Return how many items the campaign's next call may carry now; 0 if it must not call."""
        # The dictionaries directly: this is asked several times for each call and each message of a stream.
        if campaign_id in self.holds.campaigns or campaign_id in self.refused.answering:
            return 0
        return self.conditions.limit(campaign_id)

    def refusal(self, now: float, campaign_id: str) -> answers.CampaignRefusal | None:
        """Return what answers all new requests of a campaign: Connect's refusal, or a hold that answers."""
        refused = self.refused
        # Mostly nothing is refused or held, and this is asked for each message of a stream.
        refusal = refused.known(now, campaign_id) if refused.lasting or refused.answering else None
        if refusal is None and self.holds.campaigns and self.answering_hold(campaign_id):
            return answers.HELD
        return refusal

    def answering_hold(self, campaign_id: str) -> bool:
        """Whether a hold answers the campaign's dial requests instead of letting them wait."""
        hold = self.holds.get(campaign_id)
        return hold is not None and hold.answering

    def notice(self, now: float, campaign_id: str) -> CampaignNotice | None:
        """Return what callers are told of a campaign that does not flow; None if it flows."""
        return _HELD if campaign_id in self.holds else self.conditions.notice(now, campaign_id)

    def expiry_reason(self, campaign_id: str) -> Reason | None:
        """Return why requests of the campaign expire while they wait; None if nothing stops the campaign."""
        return Reason.HELD if campaign_id in self.holds else self.conditions.reason(campaign_id)
