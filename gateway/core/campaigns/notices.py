"""Notices: each source is told once that a campaign does not flow, and once that it flows again."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.model import CampaignNotice, Departure, Source


class AddressedNotice(NamedTuple):
    """A notice about a campaign, and the source that gets it."""

    source: Source
    campaign_id: str
    notice: CampaignNotice


class Notices:
    """The notices that were not delivered yet, and the sources that were told about each campaign."""

    def __init__(self) -> None:
        self._outbox: list[AddressedNotice] = []
        self._informed: dict[str, set[Source]] = {}

    def tell(self, campaign_id: str, sources: Iterable[Source], notice: CampaignNotice) -> None:
        """Tell sources that a campaign does not flow."""
        informed = self._informed.setdefault(campaign_id, set())
        for source in sources:
            if source.departure is Departure.GONE:
                continue
            informed.add(source)
            source.noticed.add(campaign_id)
            self._outbox.append(AddressedNotice(source, campaign_id, notice))
        if not informed:
            del self._informed[campaign_id]

    def tell_again(self, campaign_id: str, sources: Iterable[Source], notice: CampaignNotice) -> None:
        """Tell sources why a campaign does not flow, and also all sources that were told another reason.

        A source with an undelivered notice about the campaign gets this one after it.
        """
        about_to = {notice.source for notice in self._outbox if notice.campaign_id == campaign_id}
        self.tell(campaign_id, {*self._informed.get(campaign_id, ()), *about_to, *sources}, notice)

    def tell_flowing(self, campaign_id: str, notice: CampaignNotice) -> None:
        """Tell the sources that were told that a campaign does not flow that it flows again."""
        for source in self._informed.pop(campaign_id, ()):
            source.noticed.discard(campaign_id)
            self._outbox.append(AddressedNotice(source, campaign_id, notice))

    def forget(self, source: Source) -> None:
        """Deliver no more notices to a source."""
        for campaign_id in source.noticed:
            informed = self._informed.get(campaign_id, set())
            informed.discard(source)
            if not informed:
                self._informed.pop(campaign_id, None)
        if self._outbox:
            self._outbox = [notice for notice in self._outbox if notice.source is not source]
        source.noticed.clear()

    def forget_campaign(self, campaign_id: str) -> None:
        """Forget the notices about a campaign that Connect has refused: the answers say so."""
        self._outbox = [notice for notice in self._outbox if notice.campaign_id != campaign_id]
        for source in self._informed.pop(campaign_id, ()):
            source.noticed.discard(campaign_id)

    def take(self) -> list[AddressedNotice]:
        """Return the notices to deliver now."""
        taken, self._outbox = self._outbox, []
        return taken
