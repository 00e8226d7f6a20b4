"""The rules of the fleet's members: their parts of the quota, and who is lost, has ended or may join."""

import pytest

from gateway.core.fleet.messages import FleetSettings
from gateway.core.quota.beat_times import IDLE_BEAT_EVERY_S
from gateway.settings import Settings
from gateway.shared_state.rules.membership import LOST_MS, OUTAGE_MARGIN_MS
from gateway.shared_state.rules.quota import QuotaRules
from tests.unit.shared_state.members import SETTINGS, Store, parts, permits, row


def test_parts_are_equal_and_never_add_up_to_more_than_the_quota(store: Store) -> None:
    assert parts(store.tick("a")) == {"a": (False, 5.0), "b": (False, 5.0)}
    joined = store.tick("c")
    assert parts(joined)["c"] == (False, 0.0), "the others may still believe in a half each"
    for _ in range(3):
        for member in ("a", "b", "c"):
            reply = store.tick(member)
            assert sum(one.local_rate for one in reply.members) <= 10.0 + 1e-9
    assert parts(store.tick("c")) == dict.fromkeys(("a", "b", "c"), (False, 3.333))


def test_with_more_members_than_calls_in_the_burst_only_as_many_have_a_part() -> None:
    store, small = Store(), FleetSettings(10.0, 2.0, 1200.0)
    for _ in range(10):
        store.now_ms += 100
        for member in ("a", "b", "c", "d"):
            reply = store.tick(member, settings=small)
    assert [one.local_rate for one in reply.members] == [5.0, 5.0, 0.0, 0.0]


def test_a_member_that_does_not_acknowledge_replies_is_lost_and_its_part_reserved(store: Store) -> None:
    acknowledged = store.sequences["a"] - 1
    for _ in range(LOST_MS // 200):
        store.now_ms += 200
        store.tick("a", acknowledged=acknowledged, heard=False)
        store.tick("b")
    assert parts(store.replies["b"])["a"] == (True, 5.0)
    store.now_ms += 200
    reply = store.tick("b", row())
    assert permits(reply) <= 6, "the burst of the lost one is reserved, too"


def test_an_idle_member_whose_message_is_lost_once_is_not_lost(store: Store) -> None:
    """It sends the beat again after the time-out, and the one before told of the reply before that."""
    for late_s in (0.0, 0.0, Settings().shared_state_timeout):
        store.now_ms += round((IDLE_BEAT_EVERY_S + late_s) * 1000)
        assert parts(store.tick("b"))["a"] == (False, 5.0)
        store.tick("a")


def lose_a(store: Store) -> None:
    store.run(2.0, "b")
    assert parts(store.replies["b"]) == {"a": (True, 5.0), "b": (False, 5.0)}


def rate_for_b(store: Store, *others: str) -> float:
    """Return how many permits a second one member gets under load, after a second with its burst."""
    granted = 0
    for tick in range(60):
        store.now_ms += 100
        for other in others:
            store.tick(other)
        reply = store.tick("b", row())
        granted += permits(reply) if tick >= 10 else 0
    return granted / 5.0


def test_the_part_of_a_lost_member_is_not_used(store: Store) -> None:
    lose_a(store)
    assert rate_for_b(store) == pytest.approx(5.0, abs=0.5)


def test_the_part_of_a_member_that_has_ended_is_used(store: Store) -> None:
    lose_a(store)
    store.tick("b", gone=("a",))
    assert rate_for_b(store) == pytest.approx(10.0, abs=0.5)


def test_a_member_that_is_not_lost_cannot_be_reported_as_ended(store: Store) -> None:
    assert "a" in parts(store.tick("b", gone=("a",)))


def test_a_successor_with_the_same_name_ends_a_lost_member(store: Store) -> None:
    lose_a(store)
    store.tick("a2")
    assert "a" not in parts(store.tick("b"))


def test_a_lost_member_is_forgotten_after_the_longest_outage(store: Store) -> None:
    lose_a(store)
    store.run(SETTINGS.longest_outage_s - 3.0, "b")
    assert parts(store.replies["b"])["a"] == (True, 5.0)
    store.run(3.0 + OUTAGE_MARGIN_MS / 1000, "b")
    assert "a" not in parts(store.replies["b"])


def test_a_lost_member_returns_after_it_has_acknowledged_a_reply(store: Store) -> None:
    lose_a(store)
    assert permits(store.tick("a", row())) == 0
    assert permits(store.tick("a", row())) > 0
    assert parts(store.tick("b")) == {"a": (False, 5.0), "b": (False, 5.0)}


def test_a_member_that_leaves_gives_its_part_and_its_permits_back(store: Store) -> None:
    reply = store.tick("a", row())
    returned = tuple((one.number, one.count) for one in reply.permits)
    store.tick("a", used=(), returned=returned, leaving=True)
    assert permits(store.tick("b", row())) == 10
    assert parts(store.tick("b")) == {"b": (False, 10.0)}
    store.tick("a", leaving=True)
    assert "a" not in parts(store.tick("b")), "a repeated farewell does not join"


def test_parts_that_members_know_of_are_reserved_in_an_empty_store(store: Store) -> None:
    store.rules = QuotaRules()
    reply = store.tick("b")
    assert parts(reply) == {"b": (False, 5.0), "a": (True, 5.0)}
    store.tick("b")
    store.run(4.0, "b")
    assert rate_for_b(store) == pytest.approx(5.0, abs=0.5)
    store.tick("a")
    store.tick("a")
    assert rate_for_b(store, "a") == pytest.approx(10.0, abs=0.5)


def test_a_replica_with_the_name_of_a_live_one_does_not_join(store: Store) -> None:
    reply = store.tick("a-twin")
    assert (reply.name_taken, reply.members, permits(reply)) == (True, (), 0)
    store.run(5.0, "a", "b")
    assert store.tick("a-twin").name_taken
    assert parts(store.tick("b")).keys() == {"a", "b"}


def test_a_replica_joins_when_the_one_with_its_name_is_lost(store: Store) -> None:
    """It is the successor: the part of the quota that was reserved is free at once."""
    until = store.now_ms + LOST_MS
    while store.tick("a-twin").name_taken:
        store.now_ms += 50
        store.tick("b")
    assert store.now_ms in range(until - 200, until + 1)  # since the last reply that it is known to have
    assert parts(store.tick("b")).keys() == {"a-twin", "b"}


def test_the_name_of_a_replica_that_left_is_free(store: Store) -> None:
    store.tick("a", leaving=True)
    assert not store.tick("a-twin").name_taken


def test_a_replica_that_is_cut_off_loses_its_name_to_a_successor(store: Store) -> None:
    """It cannot join again while the successor lives: both would use the same part of the quota."""
    store.run(1.2, "b")
    assert not store.tick("a-twin").name_taken
    assert store.tick("a").name_taken
