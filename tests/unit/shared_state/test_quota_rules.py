"""The rules of the fleet's quota: who gets permits, and which parts are reserved."""

from typing import Any

import pytest

from gateway.core.fleet.messages import DemandRow, FleetSettings, TickReply, TickRequest
from gateway.core.model import Priority
from gateway.shared_state.rules.bucket import AHEAD_S, FORGIVEN_MS, RATE_CUT
from gateway.shared_state.rules.membership import LOST_MS, OUTAGE_MARGIN_MS
from gateway.shared_state.rules.quota import QuotaRules
from gateway.shared_state.rules.turns import DOUBTFUL_EVERY, PASSED_OVER_LIMIT

START_MS = 1_700_000_000_000
SETTINGS = FleetSettings(10.0, 10.0, 1200.0, longest_outage_s=60.0)


class Store:
    """The rules, a clock, and members that answer for themselves unless the test says otherwise."""

    def __init__(self) -> None:
        self.rules = QuotaRules()
        self.now_ms = START_MS
        self.replies: dict[str, TickReply] = {}
        self.sequences: dict[str, int] = {}
        self.granted: dict[str, list[tuple[int, int]]] = {}

    def tick(self, member: str, *rows: DemandRow, heard: bool = True, **fields: Any) -> TickReply:
        """Let a member tick. Permits of its last reply are reported as used unless `used` is given."""
        last = self.replies.get(member)
        self.sequences[member] = sequence = self.sequences.get(member, 0) + 1
        told: dict[str, Any] = {
            "settings": SETTINGS,
            "acknowledged": sequence - 1,
            "epoch": last.epoch if last else "",
            "known": last.members if last else (),
            "used": tuple((one.number, one.count) for one in last.permits) if last else (),
            "room": 20,
            "demand": rows,
        }
        request = TickRequest(member, member[0], sequence, **(told | fields))
        reply = self.rules.tick(self.now_ms, "history", request)
        if heard:
            self.replies[member] = reply
        return reply

    def run(self, seconds: float, *members: str) -> None:
        """Let members tick five times a second, without room for a permit."""
        for _ in range(round(seconds * 5)):
            self.now_ms += 200
            for member in members:
                self.tick(member, room=0)

    def order(self, seconds: float, **demand: tuple[DemandRow, ...]) -> list[str]:
        """Let members with demand tick ten times a second; return the turns in the order of permits.

        The burst of the first second goes to the member that ticks first, and does not count.
        """
        grants: list[tuple[int, str]] = []
        for tick in range(10 + round(seconds * 10)):
            self.now_ms += 100
            if tick == 10:
                grants.clear()
            for member, rows in demand.items():
                reply = self.tick(member, *rows)
                grants += [(one.number, f"{member}:{one.campaign_id}") for one in reply.permits]
        return [turn for _, turn in sorted(grants)]


@pytest.fixture
def store() -> Store:
    """Provide a store that two members have used for a while, without demand."""
    store = Store()
    store.run(5.0, "a", "b")
    return store


def row(campaign: str = "c", calls: int = 50, **fields: Any) -> DemandRow:
    usual: dict[str, Any] = {"priority": Priority.NORMAL, "caller": "", "full": True}
    return DemandRow(**(usual | fields), campaign_id=campaign, calls=calls)


def permits(reply: TickReply) -> int:
    return sum(grant.count for grant in reply.permits)


def parts(reply: TickReply) -> dict[str, tuple[bool, float]]:
    return {one.member: (one.lost, round(one.local_rate, 3)) for one in reply.members}


# --- the bucket ----------------------------------------------------------------------------------------


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


# --- the pace ------------------------------------------------------------------------------------------


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


# --- turns ---------------------------------------------------------------------------------------------


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


# --- members -------------------------------------------------------------------------------------------


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


# --- a store that has lost what it knew ----------------------------------------------------------------


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


# --- settings that differ ------------------------------------------------------------------------------


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


# --- spare permits ---------------------------------------------------------------------------------------


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


# --- names -----------------------------------------------------------------------------------------------


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
