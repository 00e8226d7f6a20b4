"""Lists the campaigns of a core with their states and figures."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.core.campaigns.holds import Holds
from gateway.core.model import Batch
from gateway.core.views import campaign_status
from gateway.core.views.snapshot import SnapshotTaker
from gateway.core.views.statistics import Statistics


class CampaignListing(NamedTuple):
    """Makes rows of campaigns; `calls` are those in flight."""

    snapshot_taker: SnapshotTaker
    calls: Iterable[Batch]
    holds: Holds
    statistics: Statistics

    def rows(
        self,
        now: float,
        before: Mapping[str, campaign_status.CampaignRow] | None = None,
        into: dict[str, campaign_status.CampaignRow] | None = None,
    ) -> campaign_status.Rows:
        """Make a row for each campaign, by its id in order, in parts; each row is read at its own moment.

        Rows that equal those of `before` are the same objects. They are put `into` an empty dictionary.
        """
        figures = self.snapshot_taker.campaigns(now, list(self.calls))
        return campaign_status.rows(now, figures, self.holds, self.statistics, before, into)

    def row(self, now: float, campaign_id: str) -> campaign_status.CampaignRow:
        """Return the row of one campaign, whether anything is known of it or not."""
        figures = self.snapshot_taker.of_one(now, campaign_id, self.calls)
        record, hold = self.statistics.record(campaign_id), self.holds.get(campaign_id)
        return campaign_status.row(now, campaign_id, figures, record, hold)
