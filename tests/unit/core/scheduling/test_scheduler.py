"""Which campaign gets the next call, when it is ready, and which requests have expired by then."""

import random
from collections.abc import Iterable

import pytest

from gateway.core.campaigns.conditions import Conditions
from gateway.core.campaigns.flow import CampaignFlow
from gateway.core.campaigns.holds import Holds
from gateway.core.campaigns.refused import RefusedCampaigns
from gateway.core.entry_state import EntryState, move
from gateway.core.model import Entry, FlushReason, Source, Waiter
from gateway.core.scheduling.queues import SUSPECT_BURST, SUSPECT_EVERY_S
from gateway.core.scheduling.scheduler import Scheduler
from tests.unit.core.making import NOW, TOKEN, dial

LINGER_S = 0.05
EXPIRY = NOW + 60.0


def make(linger_s: float = LINGER_S) -> Scheduler:
    """Make a scheduler whose campaigns all flow. Some permits are free, but not many."""
    scheduler = Scheduler(linger_s, CampaignFlow(Holds(), RefusedCampaigns(), Conditions(random.Random(1))))
    scheduler.note_permits(0.25)
    return scheduler


def waiting(
    token: str = TOKEN, campaign: str = "campaign", *, source: Source | None = None, until: float = EXPIRY
) -> Entry:
    """Make an entry for a campaign."""
    return Entry(dial(token, campaign), until, [Waiter(source or Source(), 0)])


def push_many(scheduler: Scheduler, count: int, campaign: str = "campaign", at: float = NOW) -> Source:
    """Let entries of one source wait; return it."""
    source = Source()
    for number in range(count):
        scheduler.push(at, [waiting(f"{campaign}-{number}", campaign, source=source)])
    return source


def formed(scheduler: Scheduler, now: float) -> list[tuple[str, int, FlushReason]]:
    """Form every call there is; return campaign, size and reason of each."""
    calls = []
    while scheduler.has_ready:
        entries, flush = scheduler.form(now)
        scheduler.formed(now, entries[0].request.campaign_id)
        calls.append((entries[0].request.campaign_id, len(entries), flush))
    return calls


def tokens(entries: Iterable[Entry]) -> list[str]:
    """Return the tokens of entries."""
    return [entry.request.client_token for entry in entries]


def test_an_empty_scheduler_has_no_deadline() -> None:
    """An empty scheduler has nothing ready and no deadline."""
    scheduler = make()
    assert not scheduler.has_ready
    assert scheduler.deadline() is None
    assert scheduler.advance(NOW) == []


def test_a_lone_request_leaves_after_the_linger() -> None:
    """A lone request is ready at the end of its linger, which is the deadline."""
    scheduler = make()
    scheduler.push(NOW, [waiting()])
    assert scheduler.deadline() == NOW + LINGER_S
    scheduler.advance(NOW + LINGER_S - 0.001)
    assert not scheduler.has_ready
    scheduler.advance(NOW + LINGER_S)
    assert formed(scheduler, NOW + LINGER_S) == [("campaign", 1, FlushReason.LINGER)]


def test_without_a_linger_requests_are_ready_at_once() -> None:
    """With a linger of zero a request is ready when it comes."""
    scheduler = make(0.0)
    scheduler.push(NOW, [waiting()])
    assert scheduler.has_ready


def test_linger_counts_from_the_first() -> None:
    """Later requests do not prolong the linger of the first."""
    scheduler = make()
    scheduler.push(NOW, [waiting("first")])
    scheduler.push(NOW + 0.04, [waiting("second")])
    scheduler.advance(NOW + LINGER_S)
    assert formed(scheduler, NOW + LINGER_S) == [("campaign", 2, FlushReason.LINGER)]


def test_linger_after_the_first_has_left_unsent() -> None:
    """A linger whose request was dropped makes nothing ready in an empty campaign."""
    scheduler = make()
    first = waiting("first")
    scheduler.push(NOW, [first])
    scheduler.remove(first)
    scheduler.advance(NOW + LINGER_S)
    assert not scheduler.has_ready


@pytest.mark.parametrize(
    ("count", "sizes"), [(24, []), (25, [25]), (26, [25]), (49, [25]), (50, [25, 25]), (75, [25, 25, 25])]
)
def test_full_batches_are_ready_at_once(count: int, sizes: list[int]) -> None:
    """Each full batch is ready at once; the rest lingers."""
    scheduler = make()
    push_many(scheduler, count)
    assert formed(scheduler, NOW) == [("campaign", size, FlushReason.FULL) for size in sizes]


def test_rest_lingers_on() -> None:
    """The rest of a full campaign leaves at the end of its own linger."""
    scheduler = make()
    push_many(scheduler, 26)
    formed(scheduler, NOW)
    assert scheduler.deadline() == NOW + LINGER_S
    scheduler.advance(NOW + LINGER_S)
    assert formed(scheduler, NOW + LINGER_S) == [("campaign", 1, FlushReason.LINGER)]


def close(scheduler: Scheduler, source: Source) -> None:
    """Half-close a source."""
    for queue in scheduler.source_closed(source):
        scheduler.close(NOW, queue)


def test_no_linger_when_all_callers_have_half_closed() -> None:
    """When all callers of a campaign have half-closed, its requests are ready at once."""
    scheduler = make()
    one, two = push_many(scheduler, 2), push_many(scheduler, 2)
    close(scheduler, one)
    close(scheduler, one)
    assert not scheduler.has_ready
    close(scheduler, two)
    assert formed(scheduler, NOW) == [("campaign", 4, FlushReason.CLOSED)]


def test_half_closed_before() -> None:
    """A request that returns for a half-closed source is ready at once."""
    scheduler = make()
    scheduler.push(NOW, [waiting(source=Source(closed=True))])
    assert formed(scheduler, NOW) == [("campaign", 1, FlushReason.CLOSED)]


def test_half_closed_concerns_its_campaigns_only() -> None:
    """A half-close makes no other campaign ready."""
    scheduler = make()
    one = push_many(scheduler, 2, "one")
    push_many(scheduler, 2, "two")
    close(scheduler, one)
    assert formed(scheduler, NOW) == [("one", 2, FlushReason.CLOSED)]


def test_no_linger_while_draining() -> None:
    """While draining, neither waiting nor returning requests linger."""
    scheduler = make()
    push_many(scheduler, 2, "one")
    for campaign in scheduler.drain():
        scheduler.consider(NOW, campaign)
    push_many(scheduler, 3, "two")
    assert formed(scheduler, NOW) == [("one", 2, FlushReason.DRAIN), ("two", 3, FlushReason.DRAIN)]


def test_campaigns_take_turns() -> None:
    """Ready campaigns take turns of one call each, whatever their backlog."""
    scheduler = make()
    for campaign, count in (("a", 100), ("b", 50), ("c", 25)):
        push_many(scheduler, count, campaign)
    assert [campaign for campaign, _, _ in formed(scheduler, NOW)] == ["a", "b", "c", "a", "b", "a", "a"]


def test_suspects_go_first_in_calls_of_their_own() -> None:
    """Each group of suspects goes first, as a call of its own and without a linger."""
    scheduler = make()
    push_many(scheduler, 25)
    scheduler.push_suspects(NOW, [waiting(f"one-{number}") for number in range(2)])
    scheduler.push_suspects(NOW, [waiting("two")])
    reasons = [(size, flush) for _, size, flush in formed(scheduler, NOW)]
    assert reasons == [(2, FlushReason.SUSPECT), (1, FlushReason.SUSPECT), (25, FlushReason.FULL)]


def test_suspects_that_are_not_due_hold_nobody_up() -> None:
    """While suspects wait for their time, other requests go, and that time is the deadline."""
    scheduler = make()
    for number in range(SUSPECT_BURST + 2):
        scheduler.push_suspects(NOW, [waiting(f"suspect-{number}")])
    assert len(formed(scheduler, NOW)) == SUSPECT_BURST + 1
    assert scheduler.deadline() == NOW + SUSPECT_EVERY_S
    push_many(scheduler, 25)
    assert formed(scheduler, NOW) == [("campaign", 25, FlushReason.FULL)]
    scheduler.push(NOW, [waiting("lone")])
    scheduler.advance(NOW + LINGER_S)
    assert formed(scheduler, NOW + LINGER_S) == [("campaign", 1, FlushReason.LINGER)]
    scheduler.advance(NOW + SUSPECT_EVERY_S)
    assert formed(scheduler, NOW + SUSPECT_EVERY_S) == [("campaign", 1, FlushReason.SUSPECT)]


def test_expired_requests_come_out_at_their_instant() -> None:
    """An expired request is returned at its instant, not before, and is never sent."""
    scheduler = make()
    push_many(scheduler, 3)
    soon = waiting("soon", until=NOW + 1.0)
    scheduler.push(NOW, [soon])
    assert scheduler.advance(NOW + 0.999) == []
    assert scheduler.deadline() == NOW + 1.0
    assert scheduler.advance(NOW + 1.0) == [soon]
    assert soon.state is EntryState.UNQUEUED
    assert formed(scheduler, NOW + 1.0) == [("campaign", 3, FlushReason.LINGER)]


def test_expired_in_any_order() -> None:
    """Each of many expiries comes out in time, in whatever order they were pushed."""
    scheduler = make()
    source = Source()
    for seconds in (5, 1, 4, 2, 3):
        scheduler.push(NOW, [waiting(str(seconds), source=source, until=NOW + seconds)])
    for seconds in (1, 2, 3, 4, 5):
        assert scheduler.advance(NOW + seconds - 0.001) == []
        assert tokens(scheduler.advance(NOW + seconds)) == [str(seconds)]


def test_a_delayed_request_waits_for_the_end_of_its_delay() -> None:
    """A delayed request is not sent before its delay is over; then it lingers like a new one."""
    scheduler = make()
    late = waiting("late")
    move(late, EntryState.IN_FLIGHT)
    scheduler.delay(late, NOW + 1.0)
    assert scheduler.deadline() == NOW + 1.0
    scheduler.advance(NOW + 0.999)
    assert scheduler.deadline() == NOW + 1.0
    assert scheduler.advance(NOW + 1.0) == []
    assert late.state is EntryState.WAITING
    assert not scheduler.has_ready
    scheduler.advance(NOW + 1.0 + LINGER_S)
    assert formed(scheduler, NOW + 2.0) == [("campaign", 1, FlushReason.LINGER)]


def test_delayed_beyond_its_expiry() -> None:
    """A delay ends at the expiry at the latest."""
    scheduler = make()
    late = waiting("late", until=NOW + 2.0)
    move(late, EntryState.IN_FLIGHT)
    scheduler.delay(late, NOW + 5.0)
    assert scheduler.deadline() == NOW + 2.0
    assert scheduler.advance(NOW + 2.0) == [late]
    assert not scheduler.has_ready


def test_delayed_and_removed() -> None:
    """A delayed entry that was dropped does not come back."""
    scheduler = make()
    late = waiting("late")
    move(late, EntryState.IN_FLIGHT)
    scheduler.delay(late, NOW + 1.0)
    scheduler.remove(late)
    assert scheduler.advance(NOW + 100.0) == []
    assert not scheduler.has_ready


def test_removed_from_a_ready_campaign() -> None:
    """A ready campaign from which the last entry is dropped is not ready any more."""
    scheduler = make()
    lone = waiting()
    scheduler.push(NOW, [lone])
    scheduler.advance(NOW + LINGER_S)
    scheduler.remove(lone)
    assert not scheduler.has_ready


def test_sources_come_and_go() -> None:
    """Nothing remains of thousands of sources that come and go, their expiries included."""
    scheduler = make()
    for number in range(10_000):
        passing = waiting(str(number))
        scheduler.push(NOW, [passing])
        scheduler.remove(passing)
    assert len(scheduler._expiries._notes) <= 65
    assert scheduler._campaigns == {}


def test_many_sources_are_all_watched() -> None:
    """However many sources come and go beside them, those that stay expire in time."""
    scheduler = make()
    staying = [waiting(f"stays-{number}", until=NOW + 10.0 + number) for number in range(100)]
    for number, entry in enumerate(staying):
        scheduler.push(NOW, [entry])
        for passing in (waiting(f"{number}-{n}") for n in range(20)):
            scheduler.push(NOW, [passing])
            scheduler.remove(passing)
    for number, entry in enumerate(staying):
        assert scheduler.advance(NOW + 10.0 + number) == [entry]


def test_suspects_are_watched_after_others_came_and_went() -> None:
    """A suspect expires in time also where one before it has left unwatched."""
    scheduler = make()
    push_many(scheduler, 24)
    scheduler.push_suspects(NOW, [waiting("first", until=NOW + 30.0)])
    scheduler.form(NOW)
    for number in range(200):
        passing = waiting(str(number))
        scheduler.push(NOW, [passing])
        scheduler.remove(passing)
    second = waiting("second", until=NOW + 40.0)
    scheduler.push_suspects(NOW, [second])
    assert scheduler.advance(NOW + 40.0) == [second]
