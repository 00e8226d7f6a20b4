"""A suppression stays in force although the store has lost it, until an operator ends it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.fleet.suppressions import (
    OFFERED,
    PAGE,
    SWEPT,
    FleetSuppressions,
    SuppressionsRequest,
)
from gateway.shared_state.rules.suppressions import SuppressionsRules
from tests.cases import cases
from tests.unit.core.fleet.suppression_replicas import KEY, NOBODY, Fleet, number, suppression


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


def test_a_store_that_is_flushed_before_the_first_reading_gets_back_what_was_suppressed() -> None:
    fleet = Fleet()
    fleet.suppress("a", 1)
    fleet.rules = SuppressionsRules()
    fleet.settle()
    assert number(1) in fleet.rules.table


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
