"""A suppression is in force in every replica until an operator ends it."""

from dataclasses import replace

import pytest

from gateway.core.fleet.suppressions import (
    PAGE,
    FleetSuppressions,
    SuppressionChanges,
    SuppressionsRequest,
)
from gateway.shared_state.rules.suppressions import SuppressionsRules
from tests.unit.core.fleet.suppression_replicas import KEY, NOBODY, Fleet, number, suppression


def test_a_suppression_reaches_the_others_and_its_end_too() -> None:
    fleet = Fleet()
    fleet.exchange("a")
    fleet.exchange("b")
    assert fleet.suppress("a", 1).added == (suppression(1),)
    other = fleet.replica("b")
    behind = [other.behind]
    assert not other.note_newest(fleet.epoch, fleet.rules.newest())
    behind.append(other.behind)
    (added,) = fleet.exchange("b").added
    assert [*behind, other.behind] == [False, True, False]
    assert (added.number_hash, added.actor, added.reason) == (number(1), "Ines", "asked for it")
    assert fleet.exchange("a") == NOBODY  # it has carried its own out already
    assert fleet.end("b", 1) == SuppressionChanges(ended=(number(1),))
    assert fleet.exchange("a").ended == (number(1),)
    assert fleet.end("a", 1) is None


def test_a_new_replica_is_behind_until_it_has_read_everything() -> None:
    """What is stored takes several pages; the replica has seen nothing before the last of them.

    Ends that the store does not keep any more change nothing: they were before the replica came.
    """
    fleet = Fleet(rules=SuppressionsRules(ended_kept=2))
    fleet.exchange("a")
    for which in range(2 * PAGE + 10):
        fleet.suppress("a", which)
    for which in range(5):
        fleet.end("a", which)
    added = 0
    for _ in range(2):
        added += len(fleet.exchange("new").added)
        assert fleet.replica("new").behind
        assert fleet.replica("new").seen == 0
    added += len(fleet.exchange("new").added)
    assert added == len(fleet.replica("new")) == 2 * PAGE + 5
    assert not fleet.replica("new").behind
    assert fleet.replica("new").seen == fleet.rules.version


def test_a_suppression_made_while_the_store_is_away_is_recorded_later() -> None:
    fleet = Fleet()
    fleet.exchange("a")
    fleet.exchange("b")
    fleet.replica("a").suppress_here(suppression(1))
    assert fleet.replica("a").has_offers
    fleet.exchange("a", lost_reply=True)
    assert fleet.replica("a").has_offers  # it cannot know
    fleet.exchange("a")
    assert not fleet.replica("a").has_offers
    assert [one.number_hash for one in fleet.exchange("b").added] == [number(1)]


def test_what_the_store_is_asked_to_record_is_not_offered_as_well() -> None:
    """It counts as settled when the store has answered, or when it is known for another reason."""
    replica, one = FleetSuppressions(), suppression(1)
    replica.note_newest("1", 0)
    replica.offered()
    replica.read(SuppressionsRules().exchange(1, SuppressionsRequest("a", 0, 0, KEY)))
    with replica.asking(one.number_hash), replica.asking(one.number_hash):
        replica.suppress_here(one)
        assert (replica.settled, replica.has_offers, replica.offered()) == (0, False, ())
    assert (replica.settled, replica.has_offers, replica.offered()) == (1, True, (one,))
    with replica.asking(one.number_hash):
        assert (replica.settled, replica.has_offers, replica.offered()) == (1, True, (one,))
    with replica.asking(number(2)):
        replica.suppress_here(suppression(2))
        replica.withdraw(suppression(2))
    assert replica.settled == 1


@pytest.mark.parametrize("flushed_before", [False, True])
def test_an_end_that_was_missed_for_long_is_found(flushed_before: bool) -> None:
    """The store keeps only the last ends. A replica that has missed others reads everything again."""
    fleet = Fleet(rules=SuppressionsRules(ended_kept=2))
    fleet.exchange("a")
    for which in range(6):
        fleet.suppress("a", which)
    fleet.exchange("b")
    if flushed_before:
        fleet.flush()
        fleet.rules.ended_kept = 2
        fleet.settle()
    for which in range(5):
        fleet.end("a", which)
    ended: list[bytes] = []
    for _ in range(3):
        ended += fleet.exchange("b").ended
    assert sorted(ended) == [number(which) for which in range(5)]
    assert fleet.known("b") == {5}
    assert not fleet.replica("b").behind


def test_a_page_from_before_an_own_action_does_not_undo_it() -> None:
    """An end by another replica is read after the number was suppressed again here."""
    fleet = Fleet()
    fleet.exchange("a")
    fleet.suppress("a", 1)
    fleet.exchange("a")
    fleet.end("b", 1)
    replica = fleet.replica("a")
    replica.note_newest(fleet.epoch, fleet.rules.newest())
    request = SuppressionsRequest("a", replica.seen, replica.after, KEY, offers=replica.offered())
    late = fleet.rules.exchange(fleet.now_ms, request)
    fleet.now_ms += 10
    recorded = fleet.rules.suppress(fleet.now_ms, suppression(1, "Ada"))
    replica.recorded(recorded)
    assert replica.read(late).ended == ()
    assert number(1) in replica


def test_what_is_suppressed_here_while_everything_is_read_again_stays() -> None:
    """The last page was written before: it lacks what the store and this replica have recorded since."""
    fleet = Fleet(rules=SuppressionsRules(ended_kept=0))
    fleet.exchange("a")
    fleet.suppress("a", 1)
    fleet.exchange("a")
    fleet.end("b", 1)
    fleet.suppress("b", 2)
    assert fleet.exchange("a") == NOBODY  # ends are missing: it reads again
    replica = fleet.replica("a")
    request = SuppressionsRequest("a", replica.seen, replica.after, KEY, offers=replica.offered())
    late = fleet.rules.exchange(fleet.now_ms, request)
    assert fleet.suppress("a", 3).added
    assert replica.suppress_here(suppression(4)).added
    assert replica.read(late).ended == (number(1),)
    fleet.settle()
    assert fleet.known("a") == fleet.known("b") == {2, 3, 4}


def test_the_late_reply_to_an_end_does_not_undo_a_later_suppression() -> None:
    """This replica has read what another operator did later before it learns of the end."""
    fleet = Fleet()
    fleet.exchange("a")
    fleet.suppress("a", 1)
    fleet.exchange("a")
    fleet.now_ms += 10
    ended = fleet.rules.end(fleet.now_ms, replace(suppression(1), ended=True), known=True)
    fleet.suppress("b", 1)
    fleet.exchange("a")
    assert ended is not None
    assert fleet.replica("a").recorded(ended).ended == ()
    fleet.settle()
    assert fleet.known("a") == {1}


def test_a_replica_is_certain_once_it_has_read_everything() -> None:
    """Until then a number that it does not know may be suppressed."""
    fleet = Fleet()
    fleet.exchange("a")
    for which in range(PAGE + 1):
        fleet.suppress("a", which)
    replica, certain = fleet.replica("b"), list[bool]()
    for _ in range(2):
        certain.append(replica.certain)
        fleet.exchange("b")
    certain.append(replica.certain)
    assert replica.get(number(PAGE)) is not None
    fleet.flush()
    replica.note_newest(fleet.epoch, fleet.rules.newest())
    certain.append(replica.certain)
    fleet.settle()
    assert [*certain, replica.certain] == [False, False, True, False, True]


def test_what_the_store_has_recorded_is_in_force_here_at_once() -> None:
    fleet = Fleet()
    fleet.exchange("a")
    recorded = fleet.rules.suppress(fleet.now_ms, suppression(1))
    assert fleet.replica("a").recorded(recorded).added == (recorded,)
    assert fleet.replica("a").get(number(1)) == recorded


def test_what_the_store_may_lack_has_no_version() -> None:
    """Only a suppression with a version is in force on other replicas."""
    fleet = Fleet()
    fleet.exchange("a")
    replica = fleet.replica("a")
    assert replica.get(number(1)) is None
    replica.suppress_here(suppression(1))
    assert replica.suppress_here(suppression(1)) == NOBODY
    assert replica.get(number(1)) == suppression(1)
    fleet.exchange("a")
    fleet.exchange("a")
    found = replica.get(number(1))
    assert found is not None
    assert (found.actor, found.version) == ("Ines", fleet.rules.newest())
    fleet.flush()
    fleet.exchange("a")
    lost = replica.get(number(1))
    assert lost is not None
    assert lost.version == 0
    fleet.settle()
    recorded = replica.get(number(1))
    assert recorded is not None
    assert recorded.version == fleet.rules.newest()
