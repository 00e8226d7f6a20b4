"""Campaigns that Connect refused as a whole: gone, ended or invalid."""

from gateway.core.answers import CampaignRefusal


class RefusedCampaigns:
    """The refusals by Connect that still answer new requests.

    A campaign is in it while its waiting requests are being answered with a refusal; it must not call then.
    `answering` has the number of such refusals under way and the last of them, by campaign. `lasting` has the
    refusals that are remembered, each with its end.
    """

    def __init__(self) -> None:
        self.lasting: dict[str, tuple[float, CampaignRefusal]] = {}
        self.answering: dict[str, tuple[int, CampaignRefusal]] = {}

    def __contains__(self, campaign_id: str) -> bool:
        return campaign_id in self.answering

    def begin(self, campaign_id: str, refusal: CampaignRefusal) -> None:
        """Note that the waiting requests of a campaign are being answered; `end` must follow.

        A second refusal may begin before the first has ended: each has its own end.
        """
        times, _ = self.answering.get(campaign_id, (0, refusal))
        self.answering[campaign_id] = times + 1, refusal

    def end(self, campaign_id: str) -> None:
        """Note that one refusal has answered all requests that were waiting when it began."""
        times, refusal = self.answering.pop(campaign_id)
        if times > 1:
            self.answering[campaign_id] = times - 1, refusal

    def remember(self, now: float, campaign_id: str, refusal: CampaignRefusal) -> None:
        """Remember a refusal for its duration, `lasts_s`."""
        self.lasting.pop(campaign_id, None)  # so that it is entered at the end
        if refusal.lasts_s > 0:
            self.lasting[campaign_id] = (now + refusal.lasts_s, refusal)

    def known(self, now: float, campaign_id: str) -> CampaignRefusal | None:
        """Return the refusal that is still believed of a campaign, or that it is being answered with."""
        while self.lasting:  # all last equally long, so the first ends first
            oldest = next(iter(self.lasting))
            if self.lasting[oldest][0] > now:
                break
            del self.lasting[oldest]
        known = self.lasting.get(campaign_id) or self.answering.get(campaign_id)
        return known[1] if known else None
