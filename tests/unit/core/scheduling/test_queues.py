"""What waits for a campaign: the turns of its sources, and the order within each."""

import gc
import sys
from itertools import count
from random import Random

import pytest

from gateway.core.entry_state import EntryState, move
from gateway.core.model import Entry, Priority, Source
from gateway.core.scheduling.lanes import (
    SCANNED_PART,
    SMALL_BACKLOG,
    STALE_PLACES,
    TURN_WORTH_S,
    SourceQueue,
)
from gateway.core.scheduling.queues import (
    PASSED_OVER_LIMIT,
    QUEUES_PART,
    SUSPECT_BURST,
    SUSPECT_EVERY_S,
    CampaignQueue,
)
from tests.unit.core.making import NOW, entry, in_parts

BACKWARDS = list(reversed(Priority))


def queue_of(*entries: Entry) -> CampaignQueue:
    """Make a campaign's queue in which some entries wait."""
    campaign = CampaignQueue("campaign")
    for waiting in entries:
        campaign.push(NOW, [waiting])
    return campaign


def tokens(entries: list[Entry]) -> list[str]:
    """Return the tokens of entries."""
    return [waiting.request.client_token for waiting in entries]


def references(entries: list[Entry]) -> list[int]:
    """Return how often each entry is referred to."""
    return [sys.getrefcount(one) for one in entries]


def test_sources_take_turns() -> None:
    """Sources take turns, one dial request each, whatever their backlog."""
    many, few = Source(), Source()
    campaign = queue_of(
        *(entry(f"m{n}", source=many, give_up_at=NOW + n) for n in range(5)),
        *(entry(f"f{n}", source=few, give_up_at=NOW + n) for n in range(2)),
    )
    assert tokens(campaign.take(6)) == ["m0", "f0", "m1", "f1", "m2", "m3"]


def test_a_weight_is_dial_requests_a_turn() -> None:
    """A source of weight 3 has three dial requests in each of its turns, beside one of another's."""
    heavy, light = Source(weight=3), Source()
    campaign = queue_of(
        *(entry(f"h{n}", source=heavy, give_up_at=NOW + n) for n in range(8)),
        *(entry(f"l{n}", source=light, give_up_at=NOW + n) for n in range(3)),
    )
    assert tokens(campaign.take(11)) == ["h0", "h1", "h2", "l0", "h3", "h4", "h5", "l1", "h6", "h7", "l2"]


def test_a_turn_that_a_call_cuts_goes_on_in_the_next() -> None:
    """A turn that a call interrupts continues in the next: a source gets its whole weight."""
    heavy, light = Source(weight=3), Source()
    campaign = queue_of(
        *(entry(f"h{n}", source=heavy, give_up_at=NOW + n) for n in range(60)),
        *(entry(f"l{n}", source=light, give_up_at=NOW + n) for n in range(60)),
    )
    taken = [token for _ in range(20) for token in tokens(campaign.take(2))]
    assert sum(token.startswith("h") for token in taken) == 30


def test_a_weight_that_changes_counts_from_the_next_turn() -> None:
    """A lighter weight ends a turn that has had as much already; a heavier one goes on."""
    one, other = Source(weight=5), Source()
    campaign = queue_of(
        *(entry(f"a{n}", source=one, give_up_at=NOW + n) for n in range(9)),
        *(entry(f"b{n}", source=other, give_up_at=NOW + n) for n in range(9)),
    )
    assert tokens(campaign.take(2)) == ["a0", "a1"]
    one.weight = 1
    assert tokens(campaign.take(4)) == ["a2", "b0", "a3", "b1"]


def test_turns_go_on_where_they_stopped() -> None:
    """The source with the last turn of a call is not first in the next one."""
    one, two = Source(), Source()
    campaign = queue_of(
        *(entry(f"a{n}", source=one, give_up_at=NOW + n) for n in range(3)),
        *(entry(f"b{n}", source=two, give_up_at=NOW + n) for n in range(3)),
    )
    assert tokens(campaign.take(1)) == ["a0"]
    assert tokens(campaign.take(3)) == ["b0", "a1", "b1"]


def test_small_backlogs_are_ordered_by_waiting_time() -> None:
    """A source that had a turn still goes before others whose requests have only just come."""
    one, others = Source(), [Source() for _ in range(3)]
    campaign = CampaignQueue("campaign")
    for number in range(3):
        campaign.push(NOW, [entry(f"a{number}", source=one, give_up_at=NOW + 9)])
    for number, source in enumerate(others):
        campaign.push(NOW + 2 * TURN_WORTH_S + 0.01, [entry(f"b{number}", source=source, give_up_at=NOW + 9)])
    assert tokens(campaign.take(4)) == ["a0", "a1", "a2", "b0"]
    assert campaign.sources() == set(others[1:])
    assert tokens(campaign.take(4)) == ["b1", "b2"]


def test_a_turn_is_worth_so_much_waiting() -> None:
    """Age alone does not displace others: each turn of a source sets it back."""
    old, young = Source(), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"a{number}", source=old, give_up_at=NOW + 9) for number in range(40)])
    later = NOW + 3.5 * TURN_WORTH_S
    campaign.push(later, [entry(f"b{number}", source=young, give_up_at=NOW + 9) for number in range(10)])
    assert tokens(campaign.take(8)) == ["a0", "a1", "a2", "a3", "b0", "a4", "b1", "a5"]


def test_a_weight_counts_where_turns_go_by_age() -> None:
    """A heavier source is set back by a turn once it has had all of it, over calls."""
    heavy, light = Source(weight=3), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"h{number}", source=heavy, give_up_at=NOW + 9) for number in range(9)])
    campaign.push(NOW, [entry(f"l{number}", source=light, give_up_at=NOW + 9) for number in range(9)])
    taken = [token for _ in range(6) for token in tokens(campaign.take(2))]
    assert "".join(token[0] for token in taken) == "hhhlhhhlhhhl"


def test_a_backlog_has_turns_whatever_its_age() -> None:
    """Where more waits than the next call takes, a source that came long before the others has no more."""
    old, young = Source(), Source()
    campaign = CampaignQueue("campaign")
    campaign.push(NOW, [entry(f"a{n}", source=old, give_up_at=NOW + 9) for n in range(SMALL_BACKLOG)])
    campaign.push(NOW + 60, [entry(f"b{number}", source=young, give_up_at=NOW + 90) for number in range(9)])
    assert tokens(campaign.take(6)) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_earliest_expiry_first() -> None:
    """Within a source the earliest expiry goes first; among equals the first to come."""
    source = Source()
    campaign = queue_of(
        entry("late", source=source, give_up_at=NOW + 9),
        entry("first", source=source, give_up_at=NOW + 5),
        entry("second", source=source, give_up_at=NOW + 5),
        entry("soon", source=source, give_up_at=NOW + 1),
    )
    assert tokens(campaign.take(25)) == ["soon", "first", "second", "late"]


def test_taken_entries_leave_the_queue() -> None:
    """Taken entries are in flight and leave nothing in the queue or its source."""
    source = Source()
    waiting = entry(source=source)
    campaign = queue_of(waiting)
    assert len(campaign) == campaign.open_sources == 1
    assert campaign.take(25) == [waiting]
    assert waiting.state is EntryState.IN_FLIGHT
    assert waiting.queue is None
    assert len(campaign) == campaign.open_sources == 0
    assert source.queues == {}
    assert campaign.take(25) == []


def test_retried_goes_to_its_old_place() -> None:
    """An entry that returns goes before later expiries of its source."""
    source = Source()
    first = entry("first", source=source, give_up_at=NOW + 1)
    campaign = queue_of(first, entry("second", source=source, give_up_at=NOW + 2))
    assert campaign.take(1) == [first]
    campaign.push(NOW + 0.5, [first])
    assert tokens(campaign.take(25)) == ["first", "second"]


def test_the_oldest_arrival_is_known() -> None:
    """The arrival of the entry that has waited longest is known while others come and go."""
    first, second = entry("a"), entry("b")
    campaign = queue_of(first)
    campaign.push(NOW + 1, [second])
    assert campaign.oldest_arrival == NOW
    campaign.remove(first)
    assert campaign.oldest_arrival == NOW + 1


def large_queue(count: int) -> tuple[CampaignQueue, list[Entry]]:
    """Make a campaign's queue whose entries arrived one after the other; the first is taken."""
    waiting, source = [entry(str(n), give_up_at=NOW + n) for n in range(count)], Source()
    campaign = CampaignQueue("campaign")
    for number, one in enumerate(waiting):
        one.waiters[0].source = source
        campaign.push(NOW + number, [one])
    campaign.take(1)
    return campaign, waiting[1:]


def test_the_oldest_arrival_of_a_large_queue_is_read_in_parts() -> None:
    """No part reads more than so many entries, in one queue or in many."""
    campaign, waiting = large_queue(3 * SCANNED_PART)
    (oldest, _), parts = in_parts(campaign.oldest_in_parts()), sum(1 for _ in campaign.oldest_in_parts())
    assert oldest == waiting[0].arrived_at
    assert parts == 2
    many = queue_of(*(entry(str(n), source=Source()) for n in range(SCANNED_PART + QUEUES_PART)))
    many.take(1)
    assert sum(1 for _ in many.oldest_in_parts()) == SCANNED_PART // QUEUES_PART


def test_a_queue_may_change_while_its_oldest_arrival_is_read() -> None:
    """Entries that are taken, removed or added between two parts do not hide older ones."""
    campaign, waiting = large_queue(4 * SCANNED_PART)
    work = campaign.oldest_in_parts()
    next(work)
    taken = campaign.take(25)
    next(work)
    campaign.push(NOW + 10**6, [entry("late", give_up_at=NOW)])
    for one in waiting[-3 * SCANNED_PART :]:  # the queue makes a new list
        campaign.remove(one)
    oldest, _ = in_parts(work)
    assert taken == waiting[:25]
    assert oldest == waiting[25].arrived_at == campaign.oldest_arrival


def test_remove_from_the_middle() -> None:
    """A removed entry is never taken, wherever it stood."""
    source = Source()
    entries = [entry(str(n), source=source, give_up_at=NOW + n) for n in range(3)]
    campaign = queue_of(*entries)
    campaign.remove(entries[1])
    move(entries[1], EntryState.SETTLED)
    assert len(campaign) == 2
    assert tokens(campaign.take(25)) == ["0", "2"]
    assert source.queues == {}


def test_remove_and_push_again() -> None:
    """An entry that was removed and returned is taken once."""
    source = Source()
    entries = [entry(str(n), source=source, give_up_at=NOW + 5) for n in range(3)]
    campaign = queue_of(*entries)
    campaign.remove(entries[1])
    campaign.push(NOW, [entries[1]])
    assert sorted(tokens(campaign.take(25))) == ["0", "1", "2"]
    assert campaign.take(25) == []
    assert len(campaign) == 0


def test_last_removed_retires_the_source() -> None:
    """A source with nothing waiting is forgotten."""
    source = Source()
    waiting = entry(source=source)
    campaign = queue_of(waiting)
    campaign.remove(waiting)
    assert source.queues == {}
    assert campaign.open_sources == 0


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
    campaign = queue_of(entry("stays"))
    for number in range(1000):
        passing = entry(str(number), source=Source())
        campaign.push(NOW, [passing])
        campaign.remove(passing)
    gc.collect()
    queues = [one for one in gc.get_objects() if isinstance(one, SourceQueue) and one.campaign is campaign]
    assert 1 <= len(queues) <= 1 + 2 + STALE_PLACES


def test_half_closed_sources_are_not_open() -> None:
    """Half-closed sources are not counted as open, whether they closed before or after they came."""
    opened, closed = Source(), Source(closed=True)
    campaign = queue_of(entry("a", source=opened), entry("b", source=closed))
    assert campaign.open_sources == 1
    campaign.take(25)
    assert campaign.open_sources == 0


def test_suspects_travel_together_and_without_others() -> None:
    """Suspects are never taken with others, and count as waiting, but not for a full call."""
    normal, one, two, three = entry("normal"), entry("one"), entry("two"), entry("three")
    campaign = queue_of(normal)
    assert campaign.suspects_from() is None
    campaign.push_suspects(NOW, [one, two])
    campaign.push_suspects(NOW, [three])
    assert (len(campaign), campaign.unsuspected) == (4, 1)
    assert campaign.take(25) == [normal]
    assert campaign.take_suspects(NOW) == [one, two]
    assert campaign.take_suspects(NOW) == [three]
    assert campaign.suspects_from() is None
    assert len(campaign) == 0


def test_suspects_removed() -> None:
    """Suspects can leave unsent; an empty group makes no call."""
    one, two, three = entry("one"), entry("two"), entry("three")
    campaign = queue_of()
    campaign.push_suspects(NOW, [one])
    campaign.push_suspects(NOW, [two, three])
    for gone in (one, two):
        campaign.remove(gone)
    assert campaign.suspects_from() is not None
    assert campaign.take_suspects(NOW) == [three]
    assert campaign.suspects_from() is None
    assert len(campaign) == 0


def test_suspects_are_paced() -> None:
    """A burst of calls with suspects may go at once; then one goes in each interval."""
    campaign, now, instants = queue_of(), NOW, []
    for number in range(SUSPECT_BURST + 5):
        campaign.push_suspects(NOW, [entry(str(number))])
    while (due := campaign.suspects_from()) is not None:
        now = max(now, due)
        instants.append(now - NOW)
        campaign.take_suspects(now)
    later = [SUSPECT_EVERY_S * (number + 1) for number in range(4)]
    assert instants == pytest.approx([0.0] * (SUSPECT_BURST + 1) + later)


# --- priorities --------------------------------------------------------------------------------------


def test_higher_priorities_first() -> None:
    """HIGH goes before NORMAL before BULK, and what is left of a call is filled with lower ones."""
    source = Source()
    campaign = queue_of(
        *(
            entry(f"{priority.name}{n}", source=source, priority=priority)
            for priority in BACKWARDS
            for n in (0, 1)
        )
    )
    assert tokens(campaign.take(3)) == ["HIGH0", "HIGH1", "NORMAL0"]
    assert campaign.callers[""].priority == Priority.NORMAL
    assert tokens(campaign.take(3)) == ["NORMAL1", "BULK0", "BULK1"]


def test_lower_priorities_are_passed_over_so_many_times() -> None:
    """BULK gets its call after being passed over so many times in a row, and then waits again."""
    source = Source()
    campaign = queue_of(*(entry(f"b{n}", source=source, priority=Priority.BULK) for n in range(2)))
    turns = []
    for number in range(2 * PASSED_OVER_LIMIT + 2):
        for n in range(2):
            campaign.push(NOW, [entry(f"h{number}-{n}", source=source, priority=Priority.HIGH)])
        taken = campaign.take(1)
        campaign.called(taken)
        turns.append(tokens(taken)[0][0])
    assert "".join(turns) == ("h" * PASSED_OVER_LIMIT + "b") * 2


def test_refiled_to_another_priority() -> None:
    """A request whose priority rose goes with the higher ones, and is counted once."""
    source = Source()
    risen = entry("risen", source=source, priority=Priority.BULK)
    campaign = queue_of(risen, entry("normal", source=source))
    risen.priority = Priority.HIGH
    campaign.refile(risen)
    assert (len(campaign), campaign.unsuspected) == (2, 2)
    assert [lane.waiting for lane in campaign.lanes] == [1, 1, 0]
    assert tokens(campaign.take(25)) == ["risen", "normal"]
    assert source.queues == {}


def test_ahead_of_in_a_source() -> None:
    """How many of a source go before a newcomer is told within a quarter of its backlog."""
    source = Source()
    campaign = queue_of(*(entry(str(n), source=source, give_up_at=NOW + n % 100) for n in range(2_000)))
    queue = source.queues["campaign", Priority.NORMAL]
    assert isinstance(queue, SourceQueue)
    assert queue.campaign is campaign
    for place in (0, 25, 50, 99):
        assert queue.ahead_of(NOW + place) == pytest.approx(20 * (place + 1), abs=500)


def test_what_is_removed_is_not_kept() -> None:
    """A caller that leaves a backlog leaves none of it in its queue."""
    source = Source()
    left = [entry(f"t{n}", source=source, give_up_at=NOW + n) for n in range(1000)]
    before = references(left)
    campaign = queue_of(*left)
    (queue,) = campaign.lanes[Priority.NORMAL].queues()
    for one in reversed(left):
        campaign.remove(one)
    kept = sum(now - then for now, then in zip(references(left), before, strict=True))
    assert 0 <= kept <= STALE_PLACES
    assert queue.top() is None


def test_what_is_taken_is_not_kept() -> None:
    """A queue does not keep what a call has taken while others wait behind it."""
    source = Source()
    left = [entry(f"t{n}", source=source, give_up_at=NOW + n) for n in range(100)]
    before = references(left)
    campaign = queue_of(*left)
    campaign.take(40)
    kept = [now - then for now, then in zip(references(left), before, strict=True)]
    assert kept == [0] * 40 + [1] * 60


@pytest.mark.parametrize("seed", range(20))
def test_order_whatever_comes_and_goes(seed: int) -> None:
    """However entries come, leave and are taken: the earliest expiry goes next, then who came first."""
    random = Random(seed)
    source, made = Source(), count()
    campaign = CampaignQueue("campaign")
    waiting: list[tuple[float, int, Entry]] = []
    for _ in range(400):
        step = random.random()
        if step < 0.5:
            some = [entry(f"t{n}", source=source) for n in range(random.randrange(1, 5))]
            for one in some:
                one.give_up_at = NOW + random.choice([1.0, 5.0, random.random() * 9])
                waiting.append((one.give_up_at, next(made), one))
            campaign.push(NOW, some)
        elif step < 0.7 and waiting:
            campaign.remove(waiting.pop(random.randrange(len(waiting)))[2])
        else:
            limit = random.randrange(1, 8)
            waiting.sort()
            assert campaign.take(limit) == [one for _, _, one in waiting[:limit]]
            del waiting[:limit]
        assert len(campaign) == len(waiting)
    waiting.sort()
    assert campaign.take(len(waiting) + 1) == [one for _, _, one in waiting]
