"""A suppression is in force in every replica until an operator ends it, whatever the store forgets."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.fleet.suppressions import (
    OFFERED,
    PAGE,
    SWEPT,
    FleetSuppressions,
    Suppression,
    SuppressionChanges,
    SuppressionsRequest,
)
from gateway.shared_state.rules.suppressions import SuppressionsRules
from tests.cases import cases

NOBODY = SuppressionChanges()
KEY = b"key"


def number(which: int) -> bytes:
    return which.to_bytes(8)


def suppression(which: int, actor: str = "Ines") -> Suppression:
    return Suppression(number(which), actor, "asked for it")


@dataclass
class Fleet:
    """Replicas around one store. The store's clock moves with each operation."""

    rules: SuppressionsRules = field(default_factory=SuppressionsRules)
    replicas: dict[str, FleetSuppressions] = field(default_factory=dict)
    epoch: str = "1"
    swept: int = SWEPT
    now_ms: int = 1_700_000_000_000

    def replica(self, name: str) -> FleetSuppressions:
        if name not in self.replicas:
            self.replicas[name] = FleetSuppressions(self.swept)
        return self.replicas[name]

    def exchange(self, name: str, *, lost_reply: bool = False) -> SuppressionChanges:
        """Exchange once, after a beat; a reply that is lost has been carried out by the store."""
        self.now_ms += 10
        replica = self.replica(name)
        replica.note_newest(self.epoch, self.rules.newest())
        offers = replica.offered()
        request = SuppressionsRequest(name, replica.seen, replica.after, KEY, len(replica) > 0, offers)
        reply = self.rules.exchange(self.now_ms, request)
        return NOBODY if lost_reply else replica.read(reply, offers)

    def suppress(self, name: str, which: int) -> SuppressionChanges:
        self.now_ms += 10
        here = self.replica(name).suppress_here(suppression(which))
        self.replica(name).recorded(self.rules.suppress(self.now_ms, suppression(which)))
        return here

    def end(self, name: str, which: int) -> SuppressionChanges | None:
        self.now_ms += 10
        action = replace(suppression(which), ended=True)
        recorded = self.rules.end(self.now_ms, action, known=number(which) in self.replica(name))
        return None if recorded is None else self.replica(name).recorded(recorded)

    def settle(self) -> None:
        """Let all replicas exchange until nobody has anything to tell or to read."""
        for _ in range(12):
            for name in self.replicas:
                self.exchange(name)

    def flush(self) -> None:
        self.rules, self.epoch = SuppressionsRules(), self.epoch + "x"

    def known(self, name: str) -> set[int]:
        return {which for which in range(20) if number(which) in self.replica(name)}


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


def test_a_flushed_store_gets_everything_back() -> None:
    """Each replica offers what it knows, some at a time; nothing is allowed meanwhile."""
    fleet = Fleet()
    fleet.exchange("a")
    for which in range(OFFERED + 50):
        fleet.suppress("a", which)
    fleet.exchange("b")
    fleet.flush()
    for name in ("a", "b", "a", "b", "a", "b"):
        assert not fleet.exchange(name).ended
    assert len(fleet.rules.table) == OFFERED + 50
    fleet.replicas = {"new": FleetSuppressions()}
    fleet.settle()
    assert len(fleet.replica("new")) == OFFERED + 50


def test_the_store_may_be_flushed_before_a_beat_tells_so() -> None:
    """A reply with an older version than the replica has read means that data are lost."""
    fleet = Fleet()
    fleet.exchange("a")
    fleet.suppress("a", 1)
    fleet.exchange("a")
    fleet.rules = SuppressionsRules()
    fleet.settle()
    assert number(1) in fleet.rules.table


def test_a_reply_from_before_a_loss_is_ignored() -> None:
    """It says nothing about the store that a beat has told of meanwhile."""
    fleet = Fleet()
    fleet.exchange("a")
    fleet.suppress("a", 1)
    replica = fleet.replica("a")
    request = SuppressionsRequest("a", replica.seen, replica.after, KEY, offers=replica.offered())
    late = fleet.rules.exchange(fleet.now_ms, request)
    fleet.flush()
    assert replica.note_newest(fleet.epoch, fleet.rules.newest())
    assert replica.read(late) == NOBODY
    assert replica.behind
    fleet.settle()
    assert number(1) in fleet.rules.table


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


@pytest.mark.parametrize("flushed", [False, True])
def test_what_was_not_found_again_is_looked_for_in_steps(flushed: bool) -> None:
    """A million may be lost, or have ended: no reply has more consequences than some of them.

    Until all are looked at, an operator is not told that the replica has carried out the ends.
    """
    count, swept = 3_000, 100
    fleet = Fleet(rules=SuppressionsRules(ended_kept=2), swept=swept)
    fleet.exchange("a")
    for which in range(count):
        fleet.suppress("a", which)
    replica = fleet.replica("a")
    fleet.exchange("a")
    if flushed:
        fleet.flush()
    else:
        for which in range(count):
            fleet.end("c", which)
        fleet.replicas.pop("c")
    for _ in range(count // PAGE + 2):
        assert len(fleet.exchange("a").ended) <= 2 * swept
    steps = 0
    while replica.has_offers:
        assert (replica.seen > 0) is flushed
        assert len(fleet.exchange("a").ended) <= 2 * swept
        steps += 1
    assert steps >= 10
    assert (len(replica), len(fleet.rules.table)) == ((count, count) if flushed else (0, 2))
    assert not replica.behind
    assert replica.seen == fleet.rules.version


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


def test_a_store_that_is_flushed_before_the_first_reading_gets_back_what_was_suppressed() -> None:
    fleet = Fleet()
    fleet.suppress("a", 1)
    fleet.rules = SuppressionsRules()
    fleet.settle()
    assert number(1) in fleet.rules.table


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


def test_a_lost_suppression_does_not_outlive_its_end() -> None:
    """A number that was allowed after the loss stays allowed when another replica offers the lost record."""
    fleet = Fleet()
    fleet.exchange("a")
    fleet.suppress("a", 1)
    fleet.exchange("b")
    fleet.flush()
    fleet.exchange("a")
    fleet.exchange("a")
    fleet.end("a", 1)
    fleet.settle()
    assert fleet.known("a") == fleet.known("b") == set()


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["exchange", "exchange", "lose reply", "suppress", "suppress", "end", "here", "restart", "flush"]
        ),
        st.sampled_from("abc"),
        st.integers(0, 3),
    ),
    max_size=40,
)


@settings(max_examples=cases(60, 1000))
@given(work=steps, swept=st.sampled_from((1, SWEPT)))
def test_no_number_is_allowed_again_without_an_end(work: list[tuple[str, str, int]], swept: int) -> None:
    """Whatever the store forgets: a number that was never allowed again is suppressed where it was known.

    In the end all replicas agree, and have every number that was suppressed and never allowed again, as long
    as one replica that knew it lives.
    """
    fleet = Fleet(swept=swept)
    for name in "abc":
        fleet.exchange(name)
    ended: set[int] = set()
    for what, name, which in work:
        before = fleet.known(name)
        if what in {"exchange", "lose reply"}:
            fleet.exchange(name, lost_reply=what == "lose reply")
        elif what == "suppress":
            fleet.suppress(name, which)
        elif what == "here":
            fleet.replica(name).suppress_here(suppression(which))
        elif what == "end":
            fleet.end(name, which)
            ended.add(which)
        elif what == "restart":
            fleet.replicas[name] = FleetSuppressions(swept)
            before = set()
        else:
            fleet.flush()
        assert before - ended <= fleet.known(name)
    known = set.union(*(fleet.known(name) for name in "abc"))
    fleet.settle()
    assert known - ended <= fleet.known("a") == fleet.known("b") == fleet.known("c")
    stored = {which for which in range(20) if (row := fleet.rules.table.get(number(which))) and not row.ended}
    assert stored == fleet.known("a")


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


def test_a_store_that_has_lost_everything_is_searched_before_anything_is_certain() -> None:
    """The replica is certain only after the search, which takes several exchanges."""
    fleet = Fleet(swept=1)
    fleet.exchange("a")
    for which in range(3):
        fleet.suppress("a", which)
    fleet.exchange("a")
    assert fleet.replica("a").certain
    fleet.flush()
    fleet.exchange("a")
    assert not fleet.replica("a").behind
    assert not fleet.replica("a").certain
    fleet.settle()
    assert fleet.replica("a").certain


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
