"""The doubt about tokens without a record: how long it lasts after each cause."""

import math

import pytest

from gateway.core.claims.doubts import CLEAN_END_S, SILENT_S, WRITE_AGAIN_S, Doubts
from gateway.core.fleet.messages import Member
from tests.unit.core.making import NOW

WINDOW_S = 1200.0
OWN, OTHER, LOST = Member("a", "a"), Member("b", "b"), Member("b", "b", lost=True)


def test_there_is_no_doubt_in_a_fleet_whose_members_all_live() -> None:
    doubts = Doubts("a")
    assert not doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    assert doubts.until == -math.inf


@pytest.mark.parametrize(("age_s", "doubt_s"), [(0.5, WRITE_AGAIN_S - 0.5), (WRITE_AGAIN_S, -math.inf)])
def test_a_replica_that_starts_in_a_new_epoch_waits_for_the_results_of_the_others(
    age_s: float, doubt_s: float
) -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S, age_s)
    assert doubts.until == NOW + doubt_s
    doubts.seen(NOW + 0.2, [OWN, OTHER], WINDOW_S, 0.0)  # who was there before notices the loss otherwise
    assert doubts.until == NOW + doubt_s


@pytest.mark.parametrize(("lost_all", "doubt_s"), [(True, WINDOW_S), (False, WRITE_AGAIN_S)])
def test_lost_records_bring_doubt(*, lost_all: bool, doubt_s: float) -> None:
    doubts = Doubts("a")
    doubts.records_may_be_lost()
    assert doubts.until == math.inf
    doubts.checked(NOW, WINDOW_S, lost_all=lost_all)
    assert doubts.until == NOW + doubt_s


def test_a_lost_replica_that_comes_back_writes_its_results_first() -> None:
    doubts = Doubts("a")
    assert doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    assert not doubts.seen(NOW + 1.0, [OWN, LOST], WINDOW_S)
    assert doubts.until == math.inf
    assert doubts.seen(NOW + 2.0, [OWN, OTHER], WINDOW_S)
    assert doubts.until == NOW + 2.0 + WRITE_AGAIN_S


def test_a_replica_that_is_soon_known_to_have_ended_leaves_no_doubt() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW - 1.0, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    assert doubts.seen(NOW + CLEAN_END_S, [OWN], WINDOW_S)
    assert doubts.until == -math.inf


def test_a_replica_that_starts_does_not_know_for_how_long_another_is_lost() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    doubts.seen(NOW + 0.1, [OWN], WINDOW_S)
    assert doubts.until == NOW + 0.1 + WINDOW_S


def test_a_replica_that_ends_before_it_has_written_its_results_leaves_doubt() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW - 60.0, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    doubts.seen(NOW + 60.0, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW + 60.2, [OWN, LOST], WINDOW_S)
    doubts.seen(NOW + 60.4, [OWN], WINDOW_S)
    assert doubts.until == NOW + 60.4 + WINDOW_S


def test_a_replica_that_ends_right_after_an_outage_of_the_store_leaves_doubt() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    doubts.records_may_be_lost()
    doubts.checked(NOW + 10.0, WINDOW_S, lost_all=False)
    doubts.seen(NOW + 10.2, [OWN], WINDOW_S)
    assert doubts.until == NOW + 10.2 + WINDOW_S


def test_a_replica_that_ends_later_after_an_outage_leaves_no_doubt() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    doubts.records_may_be_lost()
    doubts.checked(NOW, WINDOW_S, lost_all=False)
    doubts.seen(NOW + WRITE_AGAIN_S / 2, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW + WRITE_AGAIN_S, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW + WRITE_AGAIN_S + 0.2, [OWN], WINDOW_S)
    assert doubts.until == NOW + WRITE_AGAIN_S


def test_a_replica_that_ended_without_the_shared_state_leaves_doubt_for_the_replay_window() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    doubts.seen(NOW + 60.0, [OWN], WINDOW_S)
    assert doubts.until == NOW + 60.0 + WINDOW_S


def test_a_replica_does_not_doubt_because_it_was_lost_itself() -> None:
    doubts = Doubts("b")
    assert not doubts.seen(NOW, [OWN, LOST], WINDOW_S)


def test_a_short_doubt_does_not_end_a_long_one() -> None:
    doubts = Doubts("a")
    doubts.records_may_be_lost()
    doubts.checked(NOW, WINDOW_S, lost_all=True)
    doubts.seen(NOW, [OWN, LOST], WINDOW_S)
    doubts.seen(NOW + 1.0, [OWN, OTHER], WINDOW_S)
    assert doubts.until == NOW + WINDOW_S


def test_after_a_silence_of_the_store_all_replicas_write_their_results_first() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    assert not doubts.seen(NOW + SILENT_S, [OWN, OTHER], WINDOW_S)
    back = NOW + 2 * SILENT_S + 0.1
    assert doubts.seen(back, [OWN, OTHER], WINDOW_S)
    assert doubts.until == back + WRITE_AGAIN_S
    doubts.seen(back + 0.2, [OWN], WINDOW_S)
    assert doubts.until == back + 0.2 + WINDOW_S


def test_a_replica_that_ends_before_it_has_written_lost_results_again_leaves_doubt() -> None:
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    doubts.records_may_be_lost()
    doubts.checked(NOW + 0.1, WINDOW_S, lost_all=False)
    doubts.seen(NOW + 0.2, [OWN], WINDOW_S)
    assert doubts.until == NOW + 0.2 + WINDOW_S


@pytest.mark.parametrize("lost_again_s", [0.5, 1.9])
def test_a_replica_that_is_lost_again_before_it_has_written_its_results_leaves_doubt(
    lost_again_s: float,
) -> None:
    """It leaves the doubt however soon it is known to have ended."""
    doubts = Doubts("a")
    doubts.seen(NOW, [OWN, OTHER], WINDOW_S)
    doubts.seen(NOW + 1.0, [OWN, LOST], WINDOW_S)
    back_at = NOW + 2.0
    doubts.seen(back_at, [OWN, OTHER], WINDOW_S)
    doubts.seen(back_at + lost_again_s, [OWN, LOST], WINDOW_S)
    doubts.seen(back_at + lost_again_s + 0.3, [OWN, LOST], WINDOW_S)
    doubts.seen(back_at + lost_again_s + 0.4, [OWN], WINDOW_S)
    assert doubts.until == back_at + lost_again_s + 0.4 + WINDOW_S
