"""The turns of the sources of a campaign: by weight, and by waiting time if little waits."""

import gc

from gateway.core.model import Source
from gateway.core.scheduling.lanes import SMALL_BACKLOG, TURN_WORTH_S
from gateway.core.scheduling.queues import CampaignQueue
from gateway.core.scheduling.source_queue import STALE_PLACES, SourceQueue
from tests.unit.core.making import NOW, entry, queue_of, tokens


def test_sources_take_turns() -> None:
    """Sources take turns, one dial request each, whatever their backlog."""
    many, few = Source(), Source()
    campaign = queue_of(
        *(entry(f"m{n}", source=many, expires_at=NOW + n) for n in range(5)),
        *(entry(f"f{n}", source=few, expires_at=NOW + n) for n in range(2)),
    )
    assert tokens(campaign.take(6)) == ["m0", "f0", "m1", "f1", "m2", "m3"]


def test_a_weight_is_dial_requests_a_turn() -> None:
    """A source of weight 3 has three dial requests in each of its turns, beside one of another's."""
    heavy, light = Source(weight=3), Source()
    campaign = queue_of(
        *(entry(f"h{n}", source=heavy, expires_at=NOW + n) for n in range(8)),
        *(entry(f"l{n}", source=light, expires_at=NOW + n) for n in range(3)),
    )
    assert tokens(campaign.take(11)) == ["h0", "h1", "h2", "l0", "h3", "h4", "h5", "l1", "h6", "h7", "l2"]


def test_a_turn_that_a_call_cuts_goes_on_in_the_next() -> None:
    """A turn that a call interrupts continues in the next: a source gets its whole weight."""
    heavy, light = Source(weight=3), Source()
    campaign = queue_of(
        *(entry(f"h{n}", source=heavy, expires_at=NOW + n) for n in range(60)),
        *(entry(f"l{n}", source=light, expires_at=NOW + n) for n in range(60)),
    )
    taken = [token for _ in range(20) for token in tokens(campaign.take(2))]
    assert sum(token.startswith("h") for token in taken) == 30


def test_a_weight_that_changes_counts_from_the_next_turn() -> None:
    """A lighter weight ends a turn that has had as much already; a heavier one goes on."""
    one, other = Source(weight=5), Source()
    campaign = queue_of(
        *(entry(f"a{n}", source=one, expires_at=NOW + n) for n in range(9)),
        *(entry(f"b{n}", source=other, expires_at=NOW + n) for n in range(9)),
    )
    assert tokens(campaign.take(2)) == ["a0", "a1"]
    one.weight = 1
    assert tokens(campaign.take(4)) == ["a2", "b0", "a3", "b1"]


def test_turns_go_on_where_they_stopped() -> None:
    """The source with the last turn of a call is not first in the next one."""
    one, two = Source(), Source()
    campaign = queue_of(
        *(entry(f"a{n}", source=one, expires_at=NOW + n) for n in range(3)),
        *(entry(f"b{n}", source=two, expires_at=NOW + n) for n in range(3)),
    )
    assert tokens(campaign.take(1)) == ["a0"]
    assert tokens(campaign.take(3)) == ["b0", "a1", "b1"]


def test_small_backlogs_are_ordered_by_waiting_time() -> None:
    """A source that had a turn still goes before others whose requests have only just come."""
    one, others = Source(), [Source() for _ in range(3)]
    campaign = CampaignQueue("campaign")
    for number in range(3):
        campaign.push(NOW, [entry(f"a{number}", source=one, expires_at=NOW + 9)])
    for number, source in enumerate(others):
        campaign.push(NOW + 2 * TURN_WORTH_S + 0.01, [entry(f"b{number}", source=source, expires_at=NOW + 9)])
    assert tokens(campaign.take(4)) == ["a0", "a1", "a2", "b0"]
    assert campaign.sources() == set(others[1:])
    assert tokens(campaign.take(4)) == ["b1", "b2"]


def test_a_turn_is_worth_so_much_waiting() -> None:
    """Age alone does not displace others: each turn of a source sets it back."""
    old, young = Source(), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"a{number}", source=old, expires_at=NOW + 9) for number in range(40)])
    later = NOW + 3.5 * TURN_WORTH_S
    campaign.push(later, [entry(f"b{number}", source=young, expires_at=NOW + 9) for number in range(10)])
    assert tokens(campaign.take(8)) == ["a0", "a1", "a2", "a3", "b0", "a4", "b1", "a5"]


def test_a_weight_counts_where_turns_go_by_age() -> None:
    """A heavier source is set back by a turn once it has had all of it, over calls."""
    heavy, light = Source(weight=3), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"h{number}", source=heavy, expires_at=NOW + 9) for number in range(9)])
    campaign.push(NOW, [entry(f"l{number}", source=light, expires_at=NOW + 9) for number in range(9)])
    taken = [token for _ in range(6) for token in tokens(campaign.take(2))]
    assert "".join(token[0] for token in taken) == "hhhlhhhlhhhl"


def test_a_backlog_has_turns_whatever_its_age() -> None:
    """Where more waits than the next call takes, a source that came long before the others has no more."""
    old, young = Source(), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"a{n}", source=old, expires_at=NOW + 9) for n in range(SMALL_BACKLOG)])
    campaign.push(NOW + 60, [entry(f"b{number}", source=young, expires_at=NOW + 90) for number in range(9)])
    assert tokens(campaign.take(6)) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_source_that_leaves_has_no_turn() -> None:
    """The turn of a source whose entries are removed is skipped; the others keep their order."""
    sources = {name: Source() for name in "abcd"}
    waiting = [entry(f"{name}{n}", source=source) for n in range(20) for name, source in sources.items()]
    campaign = queue_of(*waiting)
    for gone in waiting:
        if gone.request.client_token.startswith("b"):
            campaign.remove(gone)
    assert tokens(campaign.take(4)) == ["a0", "c0", "d0", "a1"]
    assert tokens(campaign.take(4)) == ["c1", "d1", "a2", "c2"]
    assert campaign.sources() == {sources["a"], sources["c"], sources["d"]}


def test_sources_that_leave_are_not_kept() -> None:
    """However many sources come and leave again, only a few of their queues are kept for turns."""
    campaign = CampaignQueue("left by many")
    campaign.push(NOW, [entry("stays")])
    for number in range(1000):
        passing = entry(str(number), source=Source())
        campaign.push(NOW, [passing])
        campaign.remove(passing)
    gc.collect()
    queues = [one for one in gc.get_objects() if isinstance(one, SourceQueue)]
    kept = [queue for queue in queues if queue.campaign_id == campaign.campaign_id]
    assert 1 <= len(kept) <= 1 + 2 + STALE_PLACES
