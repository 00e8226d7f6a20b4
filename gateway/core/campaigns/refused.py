"""Campaigns that Connect refused as a whole: gone, ended or invalid."""

from gateway.core.answers import CampaignRefusal


class RefusedCampaigns:
    """What Connect said of campaigns that are gone or have ended."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, CampaignRefusal]] = {}

    def remember(self, now: float, campaign_id: str, refusal: CampaignRefusal) -> None:
        """Believe a refusal for as long as it lasts."""
        self._known.pop(campaign_id, None)  # entered anew, at the end
        if refusal.lasts_s > 0:
            self._known[campaign_id] = (now + refusal.lasts_s, refusal)

    def known(self, now: float, campaign_id: str) -> CampaignRefusal | None:
        """Return the refusal that is still believed of a campaign."""
        while self._known:  # entered in the order of their ends: the first ends first
            oldest = next(iter(self._known))
            if self._known[oldest][0] > now:
                break
            del self._known[oldest]
        known = self._known.get(campaign_id)
        return known[1] if known else None
