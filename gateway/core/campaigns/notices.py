"""Who has been told that a campaign does not flow, so that each is told once, and when it flows again."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.model import CampaignNotice, Departure, Source


class Told(NamedTuple):
    """A notice and whom it is for."""

    source: Source
    campaign_id: str
    notice: CampaignNotice


class Notices:
    """Notices that wait to be given out, and the sources that know of each campaign."""

    def __init__(self) -> None:
        self._outbox: list[Told] = []
        self._knowing: dict[str, set[Source]] = {}

    def tell(self, campaign_id: str, sources: Iterable[Source], notice: CampaignNotice) -> None:
        """Tell sources that a campaign does not flow."""
        knowing = self._knowing.setdefault(campaign_id, set())
        for source in sources:
            if source.departure is Departure.GONE:
                continue
            knowing.add(source)
            source.noticed.add(campaign_id)
            self._outbox.append(Told(source, campaign_id, notice))
        if not knowing:
            del self._knowing[campaign_id]

    def tell_anew(self, campaign_id: str, sources: Iterable[Source], notice: CampaignNotice) -> None:
        """Tell sources, and all who know of another reason, why a campaign does not flow.

        Who is about to be told something else of it, that it flows again perhaps, is told this after it.
        """
        about_to = {told.source for told in self._outbox if told.campaign_id == campaign_id}
        self.tell(campaign_id, {*self._knowing.get(campaign_id, ()), *about_to, *sources}, notice)

    def flows(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Tell all who know that a campaign did not flow that it flows again."""
        for source in self._knowing.pop(campaign_id, ()):
            source.noticed.discard(campaign_id)
            self._outbox.append(Told(source, campaign_id, notice))

    def forget(self, source: Source) -> None:
        """Tell a source nothing more."""
        for campaign_id in source.noticed:
            knowing = self._knowing.get(campaign_id, set())
            knowing.discard(source)
            if not knowing:
                self._knowing.pop(campaign_id, None)
        if self._outbox:
            self._outbox = [told for told in self._outbox if told.source is not source]
        source.noticed.clear()

    def forget_campaign(self, campaign_id: str) -> None:
        """Forget who knows of a campaign that Connect has refused: its answers say so."""
        self._outbox = [told for told in self._outbox if told.campaign_id != campaign_id]
        for source in self._knowing.pop(campaign_id, ()):
            source.noticed.discard(campaign_id)

    def take(self) -> list[Told]:
        """Return the notices to give out now."""
        taken, self._outbox = self._outbox, []
        return taken
