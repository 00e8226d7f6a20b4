"""The rules of the fleet's quota: who gets permits, and when."""

import pytest

from gateway.core.fleet.messages import FleetSettings, TickRequest
from gateway.core.model import Priority
from gateway.shared_state.rules.bucket import AHEAD_S, FORGIVEN_MS, RATE_CUT
from gateway.shared_state.rules.turns import DOUBTFUL_EVERY, PASSED_OVER_LIMIT
from tests.unit.shared_state.members import SETTINGS, START_MS, Store, permits, row


def test_a_first_tick_grants_nothing() -> None:
    store = Store()
    assert permits(store.tick("a", row())) == 0
    store.run(5.0, "a")
    assert permits(store.tick("b", row())) == 0
    assert permits(store.tick("b", row())) == 10


def test_a_new_bucket_is_empty() -> None:
    store = Store()
    store.tick("a")
    while not permits(store.tick("a", row())):
        store.now_ms += 100
    assert store.now_ms - START_MS == 900
    assert [one.start_in_ms for one in store.replies["a"].permits] == [200]


def test_permits_ahead_start_when_their_tokens_exist(store: Store) -> None:
    first = store.tick("a", row(), used=())
    assert [one.start_in_ms for one in first.permits] == [0] * 10
    assert permits(store.tick("a", row())) == 2
    assert [one.start_in_ms for one in store.replies["a"].permits] == [100, 200]
    assert AHEAD_S == 0.2


def test_permits_that_may_be_used_count_against_the_burst(store: Store) -> None:
    assert permits(store.tick("a", row())) == 10
    store.now_ms += 450
    assert permits(store.tick("a", row(), used=())) == 0
    store.now_ms += 50
    used = tuple((number, 1) for number in range(1, 11))
    assert 0 < permits(store.tick("a", row(), used=used)) <= 2


def test_calls_in_flight_count_against_the_burst(store: Store) -> None:
    store.tick("a", in_flight=7)
    assert permits(store.tick("b", row())) == 3


def test_no_permit_is_granted_while_all_of_the_burst_is_in_flight(store: Store) -> None:
    store.tick("a", in_flight=10)
    assert permits(store.tick("b", row())) == 0


def test_a_burst_smaller_than_the_calls_in_flight_at_the_full_rate_allows_one_permit() -> None:
    store, small = Store(), FleetSettings(10.0, 5.0, 1200.0)
    for _ in range(20):
        store.now_ms += 200
        store.tick("a", settings=small)
    assert permits(store.tick("a", row(), settings=small, in_flight=30)) == 1


def test_returned_permits_go_to_others(store: Store) -> None:
    reply = store.tick("a", row())
    assert permits(store.tick("b", row())) == 0
    returned = tuple((one.number, one.count) for one in reply.permits)
    store.tick("a", used=(), returned=returned, room=0)
    assert permits(store.tick("b", row())) == 10


def test_a_report_counts_once(store: Store) -> None:
    reply = store.tick("a", row())
    returned = tuple((one.number, one.count) for one in reply.permits)
    store.tick("a", used=(), returned=returned, room=0)
    assert store.tick("a", used=(), returned=returned, room=0).tokens == pytest.approx(10.0)


def test_a_repeated_tick_gets_the_stored_reply(store: Store) -> None:
    first = store.tick("a", row(), heard=False)
    store.sequences["a"] -= 1
    store.now_ms += 100
    assert store.tick("a", row()) is first


def test_a_member_gets_no_more_than_it_has_room_for(store: Store) -> None:
    assert permits(store.tick("a", row(), room=3)) == 3


def test_many_permits_come_in_few_grants() -> None:
    store, fast = Store(), FleetSettings(1000.0, 1000.0, 1200.0)
    for _ in range(20):
        store.now_ms += 200
        store.tick("a", settings=fast)
    reply = store.tick("a", row(calls=5000), settings=fast, room=5000)
    assert len(reply.permits) <= 32
    assert permits(reply) == 1000


def test_a_throttle_cuts_the_rate_once_for_all_permits_that_were_granted_before() -> None:
    store = Store()
    store.run(3.0 + FORGIVEN_MS / 1000, "a", "b")
    first = store.tick("a", row()).permits
    for expected in (10.0, 10.0):
        assert store.tick("a", throttled=(first[0].number,)).rate == expected
    store.now_ms += 500
    second = store.tick("a", row()).permits[-1].number
    assert store.tick("b", throttled=(second,)).rate == pytest.approx(10.0 * RATE_CUT)
    assert store.tick("a", throttled=(second,)).rate == pytest.approx(10.0 * RATE_CUT)
    store.run(3.0, "a", "b")
    assert store.replies["a"].rate == pytest.approx(10.0)


def test_the_retry_budget_is_one_for_all(store: Store) -> None:
    assert store.tick("a", retries=6).retry_credit == pytest.approx(4.0)
    assert store.tick("b", retries=6).retry_credit == pytest.approx(-2.0)
    assert store.tick("a", first_attempts=20).retry_credit == pytest.approx(2.0)


def test_further_attempts_go_first(store: Store) -> None:
    grants = store.tick("a", row(), retries_waiting=2).permits
    assert [one.campaign_id for one in grants][:3] == ["", "", "c"]


def test_a_more_urgent_call_anywhere_goes_before_others_at_most_nine_times(store: Store) -> None:
    bulk, high = row("bulk", priority=Priority.BULK), row("high", priority=Priority.HIGH)
    order = store.order(20.0, a=(bulk,), b=(high,))
    assert order.count("a:bulk") == pytest.approx(len(order) / (PASSED_OVER_LIMIT + 1), abs=2)


def test_campaigns_take_turns_whatever_the_number_of_replicas_that_have_them(store: Store) -> None:
    order = store.order(30.0, a=(row("x"), row("y")), b=(row("x"),))
    campaigns = [turn[2:] for turn in order]
    assert campaigns.count("x") == pytest.approx(campaigns.count("y"), abs=2)
    assert order.count("a:x") == pytest.approx(order.count("b:x"), abs=2)


def test_callers_take_turns_by_weight(store: Store) -> None:
    heavy = tuple(row(f"h{number}", caller="heavy", weight=3) for number in range(4))
    order = store.order(20.0, a=heavy, b=(row("l", caller="light"),))
    assert order.count("b:l") == pytest.approx(len(order) / 4, abs=2)


def test_full_calls_go_before_those_that_can_wait(store: Store) -> None:
    order = store.order(5.0, a=(row("small", full=False),), b=(row("large"),))
    assert set(order) == {"b:large"}


def test_doubtful_campaigns_have_every_fourth_permit_while_others_wait(store: Store) -> None:
    order = store.order(20.0, a=(row("made-up", doubtful=True),), b=(row("known"),))
    assert order.count("a:made-up") == pytest.approx(len(order) / DOUBTFUL_EVERY, abs=2)


@pytest.mark.parametrize("trouble", ["silence", "clock", "history"])
def test_a_new_epoch_begins_without_tokens_and_permits(store: Store, trouble: str) -> None:
    epoch = store.tick("a", row()).epoch
    store.now_ms += {"silence": 1500, "clock": -5000, "history": 100}[trouble]
    history = "other" if trouble == "history" else "history"
    request = TickRequest("b", "b", store.sequences["b"] + 1, SETTINGS, demand=(row(),))
    reply = store.rules.tick(store.now_ms, history, request)
    assert reply.epoch != epoch
    assert reply.tokens <= -9.0
    assert permits(reply) == 0


def test_the_stricter_setting_applies_and_differences_are_named(store: Store) -> None:
    other = FleetSettings(4.0, 8.0, 600.0, longest_outage_s=60.0)
    reply = store.tick("b", settings=other)
    assert (reply.settings.call_rate, reply.settings.call_burst, reply.settings.replay_window_s) == (
        4.0,
        8.0,
        1200.0,
    )
    assert reply.differing == ("call_rate", "call_burst", "replay_window_s")
    assert reply.rate == 4.0
    assert store.tick("b").differing == ()


def test_without_a_limit_nothing_is_granted() -> None:
    store, unlimited = Store(), FleetSettings(0.0, 10.0, 1200.0)
    for _ in range(3):
        reply = store.tick("a", row(), settings=unlimited)
    assert (permits(reply), reply.rate) == (0, 0.0)


def test_a_member_without_calls_always_holds_one_permit(store: Store) -> None:
    """Its next call leaves at once. A permit is replaced before it ends, and given back then."""
    held: list[tuple[int, int]] = []
    for _ in range(20):
        store.now_ms += 200
        ended = tuple((number, 1) for number, end in held if end <= store.now_ms)
        held = [(number, end) for number, end in held if end > store.now_ms]
        store.tick("b", room=0)
        reply = store.tick("a", used=(), returned=ended)
        held += [(one.number, store.now_ms + one.end_in_ms) for one in reply.permits]
        assert len(held) in {1, 2}
        assert max(end for _, end in held) >= store.now_ms + 300
        assert reply.tokens >= 8.0


def test_there_is_no_spare_permit_while_a_member_has_calls(store: Store) -> None:
    store.tick("b", row(calls=50))
    assert permits(store.tick("a")) == 0


def test_there_is_no_spare_permit_while_few_tokens_are_left(store: Store) -> None:
    store.tick("b", row(calls=5))
    store.tick("b")
    assert permits(store.tick("a")) == 0
    store.now_ms += 200
    assert permits(store.tick("a")) == 1
