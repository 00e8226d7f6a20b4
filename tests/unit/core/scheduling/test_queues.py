"""The queue of a campaign: the order within each source, suspect requests, and priorities."""

import sys
from itertools import count
from random import Random

import pytest

from gateway.core.entry_state import EntryState, move
from gateway.core.model import Entry, Priority, Source
from gateway.core.scheduling.queues import (
    PASSED_OVER_LIMIT,
    QUEUES_PART,
    SUSPECT_BURST,
    SUSPECT_EVERY_S,
    CampaignQueue,
)
from gateway.core.scheduling.source_queue import SCANNED_PART, STALE_PLACES, SourceQueue
from tests.unit.core.making import NOW, entry, in_parts, queue_of, tokens

BACKWARDS = list(reversed(Priority))


def references(entries: list[Entry]) -> list[int]:
    """Return how often each entry is referred to."""
    return [sys.getrefcount(one) for one in entries]


def test_earliest_expiry_first() -> None:
    """Within a source the earliest expiry goes first; among equals the first to come."""
    source = Source()
    campaign = queue_of(
        entry("late", source=source, expires_at=NOW + 9),
        entry("first", source=source, expires_at=NOW + 5),
        entry("second", source=source, expires_at=NOW + 5),
        entry("soon", source=source, expires_at=NOW + 1),
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
    first = entry("first", source=source, expires_at=NOW + 1)
    campaign = queue_of(first, entry("second", source=source, expires_at=NOW + 2))
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
    waiting, source = [entry(str(n), expires_at=NOW + n) for n in range(count)], Source()
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
    campaign.push(NOW + 10**6, [entry("late", expires_at=NOW)])
    for one in waiting[-3 * SCANNED_PART :]:  # the queue makes a new list
        campaign.remove(one)
    oldest, _ = in_parts(work)
    assert taken == waiting[:25]
    assert oldest == waiting[25].arrived_at == campaign.oldest_arrival


def test_remove_from_the_middle() -> None:
    """A removed entry is never taken, wherever it stood."""
    source = Source()
    entries = [entry(str(n), source=source, expires_at=NOW + n) for n in range(3)]
    campaign = queue_of(*entries)
    campaign.remove(entries[1])
    move(entries[1], EntryState.SETTLED)
    assert len(campaign) == 2
    assert tokens(campaign.take(25)) == ["0", "2"]
    assert source.queues == {}


def test_remove_and_push_again() -> None:
    """An entry that was removed and returned is taken once."""
    source = Source()
    entries = [entry(str(n), source=source, expires_at=NOW + 5) for n in range(3)]
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
    queue_of(*(entry(str(n), source=source, expires_at=NOW + n % 100) for n in range(2_000)))
    queue = source.queues["campaign", Priority.NORMAL]
    assert isinstance(queue, SourceQueue)
    for place in (0, 25, 50, 99):
        assert queue.ahead_of(NOW + place) == pytest.approx(20 * (place + 1), abs=500)


def test_what_is_removed_is_not_kept() -> None:
    """A caller that leaves a backlog leaves none of it in its queue."""
    source = Source()
    left = [entry(f"t{n}", source=source, expires_at=NOW + n) for n in range(1000)]
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
    left = [entry(f"t{n}", source=source, expires_at=NOW + n) for n in range(100)]
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
                one.expires_at = NOW + random.choice([1.0, 5.0, random.random() * 9])
                waiting.append((one.expires_at, next(made), one))
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
