"""Beats with shared conditions that are lost, late, or reach a store that has lost its data."""

import pytest

from gateway.core.campaigns.conditions import FORGET_AFTER_S
from gateway.core.fleet.shared_conditions import ALONE_AFTER_S, PUTS, RECORDED_AGAIN_S
from gateway.shared_state.rules.conditions import ConditionsRules
from tests.unit.core.fleet.sharing import COPY, OWN, Store, after, beat, parked
from tests.unit.core.making import NOW


@pytest.mark.parametrize("throttled", [False, True])
@pytest.mark.parametrize("shift_s", [-3600.0, 1500.0])
def test_a_store_whose_clock_steps_keeps_no_campaign_stopped(shift_s: float, throttled: bool) -> None:
    """A replica that takes over a condition after the step continues soon."""
    store = Store()
    a, b = store.replicas()
    if throttled:
        a.conditions.throttled(NOW, "c", 1, NOW)
    else:
        a.conditions.park(NOW, "c", "Paused")
    a.beat()
    store.shift_s = shift_s
    beat(b)
    taken = b.conditions.get("c")
    assert taken is not None
    assert taken.since <= NOW
    store.live.remove("a")
    beat(b)
    later = NOW + 36.0 if throttled else NOW + 12.0
    assert b.conditions.advance(later) == (["c"] if throttled else [])
    assert b.conditions.to_look_up(later, lambda _: True) == ([] if throttled else ["c"])


def test_what_is_found_during_a_beat_is_newer_than_its_reply() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    request = a.shared.request(NOW)
    assert request is not None
    reply = a.store.rules.exchange(a.store.ms, request)
    a.conditions.forget("c")
    a.shared.replied(NOW, a.store.tick(), 0, reply)
    assert a.shared.wants_beat()
    beat(a, b)
    assert a.condition() is b.condition() is None


def test_the_result_of_a_call_during_a_beat_overrides_its_reply() -> None:
    """The reply tells of the next pause, and the call has shown that the campaign does not run."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    a.conditions.advance(NOW + 5.0)
    a.beat()
    b.beat()
    request = b.shared.request(NOW)
    assert request is not None
    b.conditions.park(NOW, "c", "Paused")
    b.shared.replied(NOW, a.store.tick(), 0, a.store.rules.exchange(a.store.ms, request))
    assert b.condition() == OWN
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_a_lost_reply_does_no_harm() -> None:
    """The condition is recorded, the replica does not know, and tells it again."""
    a, b = Store().replicas()
    a.conditions.park(NOW, "c", "Paused")
    a.beat(lost=True)
    beat(b, a)
    assert (a.condition(), b.condition()) == (OWN, COPY)
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    a.beat(lost=True)
    beat(b, a)
    assert a.condition() is b.condition() is None


def test_a_condition_between_two_beats_is_not_told() -> None:
    (a,) = Store().replicas("a")
    a.conditions.park(NOW, "c", "Paused")
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    assert not a.beat()


def test_nothing_is_exchanged_while_nothing_changes() -> None:
    a, b = parked()
    assert not a.beat()
    assert not b.beat()
    assert not a.shared.wants_beat()


def test_a_replica_alone_goes_on_with_what_it_knows() -> None:
    """It does so after some time without a reply; when replies come again, one replica is the owner."""
    a, b = parked()
    a.store.now += ALONE_AFTER_S - 0.001
    b.beat(lost=True)
    assert b.condition() == COPY
    a.store.now += 0.1
    b.beat(lost=True)
    assert b.condition() == OWN
    assert b.reopenings == ["c"]
    beat(a, b)
    beat(a, b)
    assert (a.condition(), b.condition()).count(OWN) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_a_store_that_has_lost_all_gets_all_conditions_again(first: int) -> None:
    """Any replica records them again; the owner stays the same."""
    replicas = a, b = parked()
    a.store.rules, a.store.epoch = ConditionsRules(), "2"
    for number in (first, 1 - first) * 3:
        replicas[number].beat()
    assert (a.condition(), b.condition()) == (OWN, COPY)
    assert {name: one.condition.owner for name, one in a.store.rules.conditions.items()} == {"c": "a"}


def test_a_store_that_has_returned_to_an_old_state_hears_what_flows() -> None:
    a, b = parked()
    old = a.store.rules
    a.store.rules = ConditionsRules()
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    beat(a, b)
    a.store.rules, a.store.epoch = old, "3"
    beat(a, b)
    beat(a, b)
    assert a.condition() is b.condition() is None


def test_a_table_removed_by_hand_is_noticed() -> None:
    a, b = parked()
    a.store.rules = ConditionsRules()
    beat(a, b)
    beat(a, b)
    assert "c" in a.store.rules.conditions
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_an_old_condition_is_recorded_again() -> None:
    a, b = parked()
    before = a.store.rules.version
    after(RECORDED_AGAIN_S + 0.1, a, b)
    assert a.store.rules.version > before
    after(RECORDED_AGAIN_S - 1.0, a, b)
    after(FORGET_AFTER_S - RECORDED_AGAIN_S, a, b)
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_a_condition_without_an_owner_is_forgotten_at_last() -> None:
    a, b = parked()
    a.waits.clear()
    b.waits.clear()
    beat(a, b)
    after(FORGET_AFTER_S + 0.1, a, b)
    assert a.condition() is b.condition() is None
    assert ("c", "") in a.endings + b.endings


def test_one_request_carries_a_bounded_number() -> None:
    """The others follow with the next beats, which are wanted at once."""
    a, b = Store().replicas()
    names = [f"c{number}" for number in range(PUTS + 5)]
    for name in names:
        a.conditions.park(NOW, name, "Paused")
        a.waits.add(name)
    request = a.shared.request(NOW)
    assert request is not None
    assert len(request.puts) == PUTS
    a.beat()
    assert a.shared.wants_beat()
    a.beat()
    b.beat()
    b.beat()
    assert len(b.conditions.records()) == len(names)
