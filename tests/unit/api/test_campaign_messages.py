"""A watcher gets the differences between the last state it got and the newest one."""

import asyncio
import gc
from typing import Any

from dialgateway.v1 import campaign_service_pb2 as pb
from gateway.access.policy import EVERYTHING
from gateway.api.visible_campaigns import COMPARED_PART, VisibleCampaigns, _difference, _visible_to
from gateway.api.wire import campaigns as wire
from gateway.control.snapshots import Parts, ReplicaSeen
from gateway.core.model import Reason
from gateway.core.views.campaign_status import CampaignRow, CampaignState
from gateway.core.views.fleet_rows import merged_row
from gateway.runtime.memory import LARGE
from tests.unit.core.making import in_parts

OFFSET = 0.0


def row(name: str, queued: int = 0) -> CampaignRow:
    counts = (0,) * 5
    return CampaignRow(
        name, CampaignState.FLOWING, queued, 0, None, counts, 0.0, Reason.NONE, "", None, None, None, None
    )


def changes(
    messages: wire.Messages, told: dict[str, CampaignRow], latest: dict[str, CampaignRow]
) -> list[pb.WatchCampaignsResponse]:
    """Return all messages that lead from known rows to the latest rows."""
    changed, gone = asyncio.run(VisibleCampaigns(Parts()).difference(told, latest))
    return list(wire.changes(messages, changed, gone))


def rows(count: int, queued: int = 0) -> dict[str, CampaignRow]:
    return {f"c{number:05}": row(f"c{number:05}", queued) for number in range(count)}


def test_all_comes_first_in_messages_of_bounded_size() -> None:
    """A large state is split into messages far below 4 MiB. Only the last one is marked as complete."""
    responses = changes(
        wire.Messages(wire.RowContext(1.0, OFFSET)), {}, {name * 40: row(name * 40) for name in rows(1201)}
    )
    assert [len(response.campaigns) for response in responses] == [500, 500, 201]
    assert [response.complete for response in responses] == [False, False, True]
    assert max(response.ByteSize() for response in responses) < 1 << 20


REPLICAS = (
    ReplicaSeen("a", reported=True),
    ReplicaSeen("b", reported=False),
    ReplicaSeen("c", reported=True),
)


def test_a_fleet_is_told_in_smaller_messages_and_the_last_names_the_replicas() -> None:
    """Each replica's part takes as long as a campaign, so the work for one message stays the same."""
    latest = {
        name: merged_row([(seen.name, each) for seen in REPLICAS]) for name, each in rows(250, 2).items()
    }
    first, second = changes(wire.Messages(wire.RowContext(1.0, OFFSET), REPLICAS), {}, latest)
    assert (len(first.campaigns), len(second.campaigns)) == (125, 125)
    assert (list(first.replicas), second.complete) == ([], True)
    assert [(each.name, each.reported) for each in second.replicas] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]
    campaign = second.campaigns[0]
    assert campaign.queued == 6
    assert [(part.replica, part.queued, part.state) for part in campaign.replicas] == [
        (name, 2, pb.CAMPAIGN_STATE_FLOWING) for name in "abc"
    ]


def test_a_page_of_a_fleet_is_made_in_parts() -> None:
    """A page of a thousand campaigns with three replicas takes too long to make at once."""
    page = [merged_row([(seen.name, each) for seen in REPLICAS]) for each in rows(1000).values()]
    made, _ = in_parts(wire.campaigns(wire.RowContext(1.0, OFFSET), page, len(REPLICAS)))
    assert [each.campaign_id for each in made] == [each.campaign_id for each in page]
    parts = sum(1 for _ in wire.campaigns(wire.RowContext(1.0, OFFSET), page, len(REPLICAS)))
    assert parts >= 1000 * (1 + len(REPLICAS)) / wire.MADE_PART


def test_a_reader_that_lags_is_told_the_latest_only() -> None:
    """After many changes, each campaign is sent once, with its newest state."""
    told = rows(300)
    for step in range(50):
        latest = rows(300, queued=step)
    responses = changes(wire.Messages(wire.RowContext(1.0, OFFSET)), told, latest)
    assert sum(len(response.campaigns) for response in responses) == 300
    assert {campaign.queued for response in responses for campaign in response.campaigns} == {49}


def test_a_message_is_made_once_for_all_who_watch() -> None:
    """Watches with different earlier snapshots get the same message object of a campaign."""
    messages, latest = wire.Messages(wire.RowContext(1.0, OFFSET)), rows(3, queued=1)
    first, second = (changes(messages, told, latest) for told in ({}, rows(3)))
    assert first == second
    assert messages.of(latest["c00001"]) is messages.of(latest["c00001"])


def test_what_is_gone_is_told() -> None:
    """A campaign that is no longer listed is named. An unchanged one is not sent."""
    told = rows(3)
    (response,) = changes(
        wire.Messages(wire.RowContext(1.0, OFFSET)), told, {name: told[name] for name in ("c00000", "c00001")}
    )
    assert (list(response.gone_campaign_ids), list(response.campaigns)) == (["c00002"], [])


def test_nothing_is_told_where_nothing_has_changed() -> None:
    """Equal rows make no message, even later: a longer wait is not a change."""
    assert changes(wire.Messages(wire.RowContext(1.0, OFFSET)), rows(5), rows(5)) == []
    assert changes(wire.Messages(wire.RowContext(9.0, OFFSET)), rows(5), rows(5)) == []


class CountedRows(dict[str, CampaignRow]):
    """Rows that count how often one is looked up."""

    looked_up = 0

    def get(self, name: str, default: Any = None) -> Any:
        self.looked_up += 1
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.looked_up += 1
        return super().__contains__(name)


def test_rows_are_compared_in_parts() -> None:
    """A part looks up a bounded number of rows, also to find campaigns that are gone."""
    told, latest = CountedRows(rows(20_000)), CountedRows(rows(19_999, queued=1))
    work = _difference(told, latest)
    (changed, gone), most = in_parts(work, lambda: told.looked_up + latest.looked_up)
    assert (len(changed), gone) == (19_999, ["c19999"])
    assert most < 2 * COMPARED_PART


def test_long_lists_of_changes_are_never_young() -> None:
    """Collections of young objects do not visit all rows that have changed, or that a caller may see."""
    latest = rows(LARGE)
    (changed, _), _ = in_parts(_difference({}, latest))
    assert len(changed) == LARGE
    assert any(one is changed for one in gc.get_objects(generation=2))
    may_see, _ = in_parts(_visible_to(EVERYTHING, latest))
    assert len(may_see) == LARGE
    assert any(one is may_see for one in gc.get_objects(generation=2))


class CountedState(int):
    """A state that counts how often states are compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedState.compared += 1
        return int.__eq__(self, other)

    __hash__ = int.__hash__


def test_a_page_is_found_in_parts() -> None:
    """Of many rows a part looks at a bounded number; the pages together have all, each once."""
    found = [
        each._replace(state=CountedState(CampaignState.FLOWING))  # type: ignore[arg-type]
        for each in rows(10_000).values()
    ]
    request = pb.ListCampaignsRequest(page_size=900, states=[pb.CAMPAIGN_STATE_FLOWING])
    names: list[str] = []
    while True:
        (page, token, total), most = in_parts(wire.page(request, found), lambda: CountedState.compared)
        assert total == 10_000
        assert most <= wire.PAGED_PART
        names += [each.campaign_id for each in page]
        request.page_token = token
        if not token:
            break
    assert names == [each.campaign_id for each in found]


def test_only_the_latest_messages_are_kept() -> None:
    """Messages that are kept for other watches are bounded, so few are freed at once."""
    messages, latest = wire.Messages(wire.RowContext(1.0, OFFSET)), rows(wire.MADE + 1)
    made = [messages.of(each) for each in latest.values()]
    assert messages.of(latest["c00001"]) is made[1]
    assert messages.of(latest["c00000"]) is not made[0]
