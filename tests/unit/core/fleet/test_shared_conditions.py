"""Conditions of campaigns that replicas share: who is told what, and who owns a condition."""

import random

import pytest

from gateway.core.campaigns.condition import Condition
from gateway.core.campaigns.conditions import STATE_CALLS_PER_S
from gateway.core.engine import Decision, Engine, Limits
from gateway.core.fleet.messages import ConditionsRequest
from gateway.core.model import BATCH_LIMIT, NoticeKind, Waiter
from tests.unit.core.fleet.sharing import COPY, OWN, Store, after, beat, parked
from tests.unit.core.making import NOW, Caller, dial


def test_the_others_copy_a_condition() -> None:
    """They make no calls, ask for no state, tell their callers, and are not woken for it."""
    a, b = parked()
    assert (a.condition(), b.condition()) == (OWN, COPY)
    assert [(name, notice.kind) for name, notice in b.told] == [("c", NoticeKind.CAMPAIGN_PARKED)]
    late = NOW + 100.0
    assert b.conditions.limit("c") == 0
    assert b.conditions.advance(late) == b.conditions.to_look_up(late, lambda _: True) == []
    assert b.conditions.deadline(late) is None
    assert a.conditions.to_look_up(late, lambda _: True) == ["c"]


def test_own_conditions_beside_copies_go_on() -> None:
    """A replica with work of its own leaves the copies alone."""
    a, b = parked()
    b.waits |= {"d", "e"}
    b.conditions.park(NOW, "d", "Paused")
    b.conditions.throttled(NOW, "e", 1, NOW)
    beat(a, b)
    late = NOW + 10.0
    assert b.conditions.advance(late) == ["e"]
    assert b.conditions.to_look_up(late, lambda _: True) == ["d"]
    assert b.condition() == COPY


def test_callers_are_told_of_a_condition_that_another_replica_has_found() -> None:
    """They are also told that the campaign flows again, and then the call leaves."""
    store = Store()
    (a,) = store.replicas("a")
    engine = Engine(Limits(linger_s=0.0, forecast=False), random.Random(1), fleet_member="b")
    caller, shared = Caller(), engine.shared_conditions
    assert shared is not None
    a.conditions.park(NOW, "campaign", "Paused")
    a.waits.add("campaign")
    a.beat()
    engine.submit(NOW, [(Waiter(caller.source, 0), dial())])

    def exchange() -> Decision:
        request = shared.request(NOW) or ConditionsRequest(store.rules.version)
        shared.replied(NOW, store.tick(), 0, store.rules.exchange(store.ms, request))
        return engine.poll(NOW)

    shared.replied(NOW, store.tick(), store.rules.version, None)
    stopped = exchange()
    assert [notice.notice.kind for notice in stopped.notices] == [NoticeKind.CAMPAIGN_PARKED]
    assert stopped.batches == []
    a.conditions.looked_up(NOW, ["campaign"], {"campaign": "Running"})
    a.beat()
    shared.replied(NOW, store.tick(), store.rules.version, None)
    resumed = exchange()
    assert [notice.notice.kind for notice in resumed.notices] == [NoticeKind.CAMPAIGN_RESUMED]
    assert len(resumed.batches) == 1


def test_all_flow_when_the_owner_has_seen_that_the_campaign_runs() -> None:
    a, b = parked()
    a.conditions.looked_up(NOW, ["c"], {"c": "Running"})
    beat(a, b)
    assert a.condition() is b.condition() is None
    assert b.endings == [("c", "Running")]
    assert b.conditions.limit("c") == BATCH_LIMIT


@pytest.mark.parametrize("state", ["Stopped", "NotFound"])
def test_the_end_of_a_campaign_is_told_with_its_state(state: str) -> None:
    a, b = parked()
    a.conditions.looked_up(NOW, ["c"], {"c": state})
    beat(a, b)
    assert b.endings == [("c", state)]


def test_of_two_that_find_it_at_once_one_becomes_the_owner() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    b.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    assert (a.condition(), b.condition()) == ((Condition.COOLING, True), (Condition.COOLING, False))
    assert b.told == []  # its callers were told when it found that itself


def test_a_probe_of_a_former_owner_changes_nothing() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    b.conditions.throttled(NOW, "c", 7, NOW)
    b.conditions.advance(NOW + 5.0)
    b.conditions.called("c", 8)
    beat(a, b)
    assert not b.conditions.accepted(NOW + 5.1, "c", 8)
    assert b.conditions.throttled(NOW + 5.1, "c", 8, NOW) is None
    assert b.condition() == (Condition.COOLING, False)


def test_the_end_of_a_pause_and_the_growth_of_probes_are_told() -> None:
    """The next owner goes on with calls of the same size and pauses of the same length."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW - 10.0)
    beat(a, b)
    assert b.conditions.records()["c"].since == pytest.approx(NOW - 10.0)
    assert b.conditions.records()["c"].until == pytest.approx(a.conditions.records()["c"].until, abs=0.01)
    after(5.0, a, b)
    assert a.conditions.advance(a.store.now) == ["c"]
    a.conditions.called("c", 2)
    a.conditions.accepted(a.store.now, "c", 2)
    beat(a, b)
    assert b.conditions.records()["c"].limit == 13
    a.waits.clear()
    beat(a, b)
    beat(a, b)
    assert (a.condition(), b.condition()) == ((Condition.PROBING, False), (Condition.PROBING, True))
    assert b.conditions.limit("c") == 13
    assert b.reopenings == ["c"]


def test_an_owner_for_which_nothing_waits_gives_up_after_two_beats_only() -> None:
    """As long as a few requests arrive, the owner stays the same."""
    a, b = parked()
    a.waits.clear()
    a.beat()
    assert a.condition() == OWN
    a.waits.add("c")
    after(0.2, a, b)
    assert a.condition() == OWN
    a.waits.clear()
    after(0.2, a, b)
    beat(a, b)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_an_owner_whose_probe_is_in_flight_does_not_give_up() -> None:
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    a.conditions.advance(NOW + 5.0)
    a.conditions.called("c", 2)
    a.waits.clear()
    beat(a, b)
    beat(a, b)
    assert a.condition() == (Condition.PROBING, True)


def test_a_condition_that_nobody_wants_waits_for_the_next_request() -> None:
    """The first replica with a request for the campaign takes it."""
    a, b = parked()
    a.waits.clear()
    b.waits.clear()
    beat(a, b)
    after(60.0, a, b)
    assert (a.condition(), b.condition()) == (COPY, COPY)
    b.waits.add("c")
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)
    assert b.conditions.to_look_up(b.store.now, lambda _: True) == ["c"]


@pytest.mark.parametrize("returns", [False, True])
def test_the_condition_of_a_lost_owner_is_taken_by_one(returns: bool) -> None:
    """An owner that returns finds another in its place."""
    a, b, c = parked("abc")
    a.store.live.remove("a")
    beat(b, c)
    assert (b.condition(), c.condition()) == (OWN, COPY)
    if returns:
        a.store.live.append("a")
        beat(a, b, c)
        assert [each.condition() for each in (a, b, c)] == [COPY, OWN, COPY]


def test_a_leaving_owner_gives_all_up() -> None:
    a, b = parked()
    a.beat(leaving=True)
    beat(b)
    beat(b)
    assert b.condition() == OWN


def test_whoever_finds_out_more_becomes_the_owner() -> None:
    """A call that was in flight when the campaign was throttled elsewhere shows that it is paused."""
    a, b = Store().replicas()
    a.conditions.throttled(NOW, "c", 1, NOW)
    beat(a, b)
    b.conditions.park(NOW, "c", "Paused")
    beat(b, a)
    assert (a.condition(), b.condition()) == (COPY, OWN)


def test_a_call_that_shows_what_is_known_takes_nothing_over() -> None:
    a, b = parked()
    assert b.conditions.park(NOW, "c", "Paused") is None
    beat(b, a)
    assert (a.condition(), b.condition()) == (OWN, COPY)


def test_owners_share_the_calls_that_read_states() -> None:
    """With two replicas that read states, each waits twice as long between its calls."""
    a, b = parked()
    b.waits.add("d")
    b.conditions.park(NOW, "d", "Paused")
    beat(a, b)
    beat(a, b)
    assert [each.conditions.readers for each in (a, b)] == [2, 2]
    late = NOW + 10.0
    assert a.conditions.to_look_up(late, lambda _: True) == ["c"]
    a.conditions.looked_up(late, ["c"], {"c": "Paused"})
    a.conditions.records()["c"].until = late
    soon, later = late + 1.9 / STATE_CALLS_PER_S, late + 2.1 / STATE_CALLS_PER_S
    assert a.conditions.to_look_up(soon, lambda _: True) == []
    assert a.conditions.to_look_up(later, lambda _: True) == ["c"]
