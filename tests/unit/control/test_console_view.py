"""The console adds up all campaigns in parts."""

from collections import Counter
from collections.abc import Iterator

from gateway.control.console_view import CAMPAIGNS_SHOWN, PART, summary
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState
from tests.unit.core.making import in_parts

COUNT = 7_000


class Read(int):
    """A number of queued requests that counts how often such numbers are added up."""

    added = 0

    def __radd__(self, other: int) -> int:
        """Add, and count."""
        Read.added += 1
        return int(self) + other


def rows() -> Iterator[CampaignRow]:
    for number in range(COUNT):
        state = CampaignState.PARKED if number % 1_000 == 0 else CampaignState.FLOWING
        figures = (Read(number), 1, None, (0,) * 5, 0.0, Reason.NONE, "", None, None, None, None)
        yield CampaignRow(f"c{number:05}", state, *figures)


def test_all_are_added_up_in_parts_and_the_most_important_are_shown() -> None:
    """Campaigns that are not flowing come first, then the ones with the largest backlog."""
    everything = {row.campaign_id: row for row in rows()}
    found, most = in_parts(summary(everything), lambda: Read.added)
    assert most == PART
    assert found.states == Counter({CampaignState.PARKED: 7, CampaignState.FLOWING: COUNT - 7})
    assert (found.queued, found.in_flight) == (COUNT * (COUNT - 1) // 2, COUNT)
    assert len(found.shown) == CAMPAIGNS_SHOWN
    assert [row.campaign_id for row in found.shown[:8]] == [
        *(f"c{number:05}" for number in range(6_000, -1, -1_000)),
        "c06999",
    ]
