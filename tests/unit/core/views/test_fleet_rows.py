"""The rows of a fleet add up those of its replicas, and keep the part of each."""

from gateway.core.campaigns.holds import ActionKind, Hold, OperatorAction
from gateway.core.model import Reason
from gateway.core.views.campaign_status import SORTED_PART, CampaignRow, CampaignState, ReplicaPart
from gateway.core.views.fleet_rows import PART, merged_row, merged_rows
from tests.unit.core.making import in_parts

FLOWING = CampaignRow(
    "c", CampaignState.FLOWING, 0, 0, None, (0,) * 5, 0.0, Reason.NONE, "", None, None, None, None
)
COOLING = FLOWING._replace(state=CampaignState.COOLING, reason=Reason.THROTTLED, detail="cools", since=7.0)
PARKED = FLOWING._replace(state=CampaignState.PARKED, reason=Reason.CAMPAIGN_NOT_RUNNING, detail="paused")
HELD = FLOWING._replace(state=CampaignState.HELD, reason=Reason.HELD, hold=Hold("Ines", "why", 5.0))


def test_counts_are_added_and_the_oldest_wait_is_the_longest() -> None:
    one = FLOWING._replace(queued=3, in_flight=1, waiting_since=50.0, counts=(1, 2, 3, 4, 5), rate=0.25)
    other = FLOWING._replace(queued=4, in_flight=2, waiting_since=40.0, counts=(5, 4, 3, 2, 1), rate=0.5)
    found = merged_row([("b", one), ("a", other), ("c", FLOWING)])
    assert (found.queued, found.in_flight, found.waiting_since) == (7, 3, 40.0)
    assert (found.counts, found.rate) == ((6,) * 5, 0.8)
    assert found.parts == (
        ReplicaPart("a", CampaignState.FLOWING, 4, 2, 40.0, (5, 4, 3, 2, 1), 0.5),
        ReplicaPart("b", CampaignState.FLOWING, 3, 1, 50.0, (1, 2, 3, 4, 5), 0.25),
        ReplicaPart("c", CampaignState.FLOWING, 0, 0, None, (0,) * 5, 0.0),
    )


def test_held_precedes_parked_cooling_and_flowing() -> None:
    """The campaign has the state of the replica where it is in the first of these."""
    order = [HELD, PARKED, COOLING, FLOWING]
    for number, leading in enumerate(order):
        rows = [("a", FLOWING), *(("b", row) for row in reversed(order[number:]))]
        found = merged_row(rows)
        assert (found.state, found.reason, found.detail) == (leading.state, leading.reason, leading.detail)
        assert (found.since, found.hold) == (leading.since, leading.hold)


def test_the_last_action_is_the_latest_of_all() -> None:
    early = FLOWING._replace(action=OperatorAction(ActionKind.PURGE, "Ines", "", 5.0, 3))
    late = FLOWING._replace(action=OperatorAction(ActionKind.RELEASE, "Otto", "", 6.0))
    assert merged_row([("a", early), ("b", late)]).action == late.action
    assert merged_row([("a", FLOWING), ("b", early)]).action == early.action


def test_all_campaigns_are_there_in_order_and_equal_rows_stay_the_same_objects() -> None:
    here = {name: FLOWING._replace(campaign_id=name, queued=1) for name in ("a", "c", "d")}
    there = {name: FLOWING._replace(campaign_id=name, queued=2) for name in ("b", "d")}
    found, _ = in_parts(merged_rows([("one", here), ("two", there)]))
    assert [(name, row.queued, len(row.parts)) for name, row in found.items()] == [
        ("a", 1, 1),
        ("b", 2, 1),
        ("c", 1, 1),
        ("d", 3, 2),
    ]
    there["b"] = there["b"]._replace(queued=9)
    again, _ = in_parts(merged_rows([("one", here), ("two", there)], found))
    assert [again[name] is found[name] for name in again] == [True, False, True, True]


class Counted(dict[str, CampaignRow]):
    """Rows that count how often one is read."""

    reads = 0

    def __getitem__(self, name: str) -> CampaignRow:
        Counted.reads += 1
        return super().__getitem__(name)


def test_each_part_merges_a_bounded_number_of_rows() -> None:
    """Three replicas with many campaigns each are merged in parts."""
    rows = Counted({f"c{number:06}": FLOWING for number in range(2 * SORTED_PART)})
    Counted.reads = 0
    found, most = in_parts(merged_rows([("a", rows), ("b", rows), ("c", rows)]), lambda: Counted.reads)
    assert len(found) == 2 * SORTED_PART
    assert most <= 3 * PART
