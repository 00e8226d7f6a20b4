"""Two replicas that share a ledger call Connect once for each client token, and never answer untruly."""

import pytest

from gateway.core.campaigns.holds import Hold
from gateway.core.errors import AnswerLost, CallRevoked, ConnectFailed, RateThrottled
from gateway.core.fleet.messages import FleetSettings, PermitGrant, TickReply, TokenState
from gateway.core.model import ItemFailure, Outcome, Reason
from gateway.core.quota.fleet_permits import QuotaMember
from tests.unit.core.claims.replicas import Replica, Store, only, outcomes
from tests.unit.core.making import NOW, PHONE, Bench, Caller, dial, many

LATER = NOW + 5.0
HOLD = Hold("ops", "", NOW)


def test_a_token_accepted_through_one_replica_is_replayed_by_another(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), accepted={"t": "id-t"}, trace_id="1f")
    caller = b.begin(LATER, "t")
    assert not b.claim(LATER, b.call(LATER))
    answer = only(caller)
    assert (answer.outcome, answer.dial_request_id, answer.trace_id) == (Outcome.ACCEPTED, "id-t", "1f")
    assert answer.replayed
    assert b.engine.calls_in_flight == 0


def test_a_call_that_is_not_sent_returns_its_permit(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b", call_rate=1.0, call_burst=1.0)
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    b.begin(LATER, "t")
    assert not b.claim(LATER, b.call(LATER))
    b.begin(LATER, "u")
    assert b.claim(LATER, b.call(LATER))


def test_a_replay_is_remembered_so_that_the_next_one_needs_no_claim(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    b.begin(LATER, "t")
    b.claim(LATER, b.call(LATER))
    assert only(b.begin(LATER, "t")).replayed


def test_a_token_sent_to_two_replicas_at_once_goes_to_connect_once(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    tokens = many(25)
    first, second = a.begin(NOW, *tokens), b.begin(NOW, *tokens)
    call = a.send_call(NOW)
    assert not b.claim(NOW, b.call(NOW))
    assert not second.answers
    a.complete(NOW + 0.1, call)
    b.poll(NOW + 0.21)
    assert outcomes(first) == outcomes(second) == {"ACCEPTED NONE"}
    assert {answer.replayed for answer in second.answers.values()} == {True}
    assert len(first.answers) == len(second.answers) == 25


def test_part_of_a_call_is_sent_if_the_rest_is_being_sent_elsewhere(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t1", "t2")
    call = a.send_call(NOW)
    second = b.begin(NOW, "t1", "t2", "t3")
    own = b.send_call(NOW)
    assert [entry.request.client_token for entry in own.entries] == ["t3"]
    b.complete(NOW, own)
    a.complete(NOW, call)
    b.poll(NOW + 0.21)
    assert outcomes(second) == {"ACCEPTED NONE"}
    assert b.engine.outstanding == 0
    assert b.engine.outstanding_bytes == 0


def test_a_token_that_the_other_replica_could_not_send_is_sent_here(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    call = a.send_call(NOW)
    second = b.begin(NOW, "t")
    b.claim(NOW, b.call(NOW))
    a.complete(NOW, call, failure=RateThrottled())
    b.poll(NOW + 0.21)
    b.complete(NOW + 0.3, b.send_call(NOW + 0.3))
    assert outcomes(second) == {"ACCEPTED NONE"}
    assert not only(second).replayed


def test_a_replica_claims_its_own_tokens_again_without_doubt(store: Store) -> None:
    a = Replica(store, "a", max_attempts=1)
    caller = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=RateThrottled())
    _, batch = a.next_call(NOW + 2.0)
    assert a.claim(NOW + 2.0, batch)
    a.complete(NOW + 2.0, batch, failed={"t": ItemFailure.UNKNOWN_ERROR})
    assert outcomes(caller) == {"NOT_ACCEPTED CONNECT_ERROR"}


def test_a_late_settlement_of_an_earlier_call_leaves_the_claim_of_the_next(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.complete_unsettled(NOW, a.send_call(NOW), failure=RateThrottled())
    now, batch = a.next_call(NOW)
    verdicts = a.ask_claims(now, batch)
    a.settle(now)  # that of the first call
    assert a.claimed(now, batch, verdicts)
    b.begin(now, "t")
    assert not b.claim(now, b.call(now))
    assert b.engine.outstanding == 1


@pytest.mark.parametrize("number", [PHONE, PHONE + "1"])
def test_another_number_under_a_token_is_a_conflict_on_any_replica(store: Store, number: str) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    caller = Caller()
    b.send(LATER, caller, dial("t", phone=number, expires_at=LATER + 60.0))
    b.engine.source_closed(LATER, caller.source)
    assert not b.claim(LATER, b.call(LATER))
    assert only(caller).reason is (Reason.NONE if number == PHONE else Reason.TOKEN_CONFLICT)


def test_other_attributes_while_the_token_is_being_sent_are_a_conflict(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = Caller()
    b.send(NOW, caller, dial("t", attributes={"name": "Ada"}))
    b.engine.source_closed(NOW, caller.source)
    assert not b.claim(NOW, b.call(NOW))
    assert outcomes(caller) == {"REJECTED TOKEN_CONFLICT"}


def test_the_token_of_a_dead_replica_is_taken_over_in_doubt(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b", max_attempts=1)
    a.begin(NOW, "t")
    a.send_call(NOW)
    store.live.remove("a")
    caller = b.begin(LATER, "t")
    b.complete(LATER, b.send_call(LATER), failed={"t": ItemFailure.UNKNOWN_ERROR})
    assert outcomes(caller) == {"UNKNOWN CONNECT_ERROR"}


def test_a_caller_who_waits_for_a_replica_that_dies_is_answered_in_doubt(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b", max_attempts=1)
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = b.begin(NOW, "t")
    b.claim(NOW, b.call(NOW))
    store.live.remove("a")
    b.poll(NOW + 0.21)
    assert b.engine.calls_in_flight == 0  # the claim is recent: the other replica may only be new
    b.poll(LATER)
    b.complete(LATER, b.send_call(LATER), failed={"t": ItemFailure.UNKNOWN_ERROR})
    assert outcomes(caller) == {"UNKNOWN CONNECT_ERROR"}


def test_the_doubt_of_one_replica_belongs_to_the_token_on_any_other(store: Store) -> None:
    a, b = Replica(store, "a", max_attempts=1), Replica(store, "b")
    first = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=AnswerLost(), uncertain=True)
    assert outcomes(first) == {"UNKNOWN CONNECT_UNREACHABLE"}
    second = b.begin(LATER, "t")
    b.complete(LATER, b.send_call(LATER), failed={"t": ItemFailure.INVALID_INPUT})
    assert outcomes(second) == {"UNKNOWN INVALID_INPUT"}
    third = a.begin(LATER, "t")
    a.complete(LATER, a.send_call(LATER))
    assert outcomes(third) == {"ACCEPTED NONE"}
    fourth = b.begin(LATER, "t")
    assert not b.claim(LATER, b.call(LATER))
    assert only(fourth).replayed


def test_a_refused_token_is_free_for_any_replica(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    first = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failed={"t": ItemFailure.INVALID_INPUT})
    assert outcomes(first) == {"REJECTED INVALID_INPUT"}
    assert not store.rules.records
    second = b.begin(LATER, "t")
    b.complete(LATER, b.send_call(LATER), failed={"t": ItemFailure.INVALID_INPUT})
    assert outcomes(second) == {"REJECTED INVALID_INPUT"}


def test_a_request_whose_caller_left_while_the_claim_was_awaited_is_not_sent(store: Store) -> None:
    a = Replica(store, "a")
    gone, stays = a.begin(NOW, "t1"), a.begin(NOW, "t2")
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    a.engine.source_gone(NOW, gone.source)
    assert a.claimed(NOW, batch, verdicts)
    assert [entry.request.client_token for entry in batch.entries] == ["t2"]
    assert a.engine.dropped == 1
    assert {token for _, token in store.rules.records} == {"t2"}
    a.complete(NOW, batch)
    assert outcomes(stays) == {"ACCEPTED NONE"}
    assert a.engine.outstanding == 0


def test_a_request_that_expires_while_the_claim_is_awaited_is_not_sent(store: Store) -> None:
    a = Replica(store, "a")
    caller = a.begin(NOW, "t", expires_at=NOW + 5.2)
    batch = a.call(NOW)
    assert not a.claimed(NOW + 0.2, batch, a.ask_claims(NOW, batch))
    assert outcomes(caller) == {"EXPIRED EXPIRATION_PASSED"}
    assert not store.rules.records
    assert a.engine.calls_in_flight == 0


def test_a_call_that_was_claimed_before_a_pause_is_not_sent(store: Store) -> None:
    """The fleet may have held its campaign while this process did not run."""
    settings = FleetSettings(10.0, 10.0, 1200.0)
    a = Replica(store, "a", quota=QuotaMember("a", "a", settings))
    permits = a.engine.fleet_permits
    assert permits is not None
    permits.tick(NOW)
    granted = (PermitGrant(1, 1, 0, 500, "", "campaign"),)
    permits.ticked(NOW, NOW, TickReply("e", (), settings, 10.0, granted))
    a.begin(NOW, "t")
    batch = a.call(NOW)
    permits.pauses.runs(NOW)
    assert not a.claimed(NOW + 30.0, batch, a.ask_claims(NOW, batch), asked_at=NOW)
    assert not store.rules.records
    assert (a.engine.calls_in_flight, a.engine.outstanding) == (0, 1)


def test_a_hold_that_comes_while_the_claim_is_awaited_stops_the_call(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, "t")
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    a.engine.operator_actions.hold(NOW, "campaign", HOLD)
    a.engine.revoke_calls("campaign")
    assert a.claimed(NOW, batch, verdicts)
    assert batch.revoked  # the sender sends no revoked call
    a.complete(NOW, batch, failure=CallRevoked(), attempts=0, counted_attempts=0, unused=1)
    assert not store.rules.records
    assert a.engine.outstanding == 1


def test_a_purge_answers_a_token_that_turns_out_to_be_sent_elsewhere(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = b.begin(NOW, "t")
    batch = b.call(NOW)
    verdicts = b.ask_claims(NOW, batch)
    b.engine.revoke_calls("campaign", purging=True)
    assert not b.claimed(NOW, batch, verdicts)
    b.poll(NOW)
    assert outcomes(caller) == {"UNKNOWN PURGED"}


def test_an_abandoned_call_whose_claim_is_awaited_is_not_sent(store: Store) -> None:
    a = Replica(store, "a")
    caller = a.begin(NOW, "t")
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    a.engine.abandon(NOW, [batch])
    assert not a.claimed(NOW, batch, verdicts)
    assert not store.rules.records
    assert outcomes(caller) == {"UNKNOWN DRAINING"}  # the fleet's ledger cannot be asked any more


def test_after_the_end_of_sending_a_token_sent_elsewhere_is_answered(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = b.begin(NOW, "t")
    batch = b.call(NOW)
    verdicts = b.ask_claims(NOW, batch)
    b.engine.drain(NOW, NOW + 1.0)
    b.poll(NOW + 1.0)
    assert not b.claimed(NOW + 1.0, batch, verdicts)
    b.poll(NOW + 1.0)
    assert outcomes(caller) == {"UNKNOWN DRAINING"}
    assert b.engine.outstanding == 0


def test_a_long_call_proves_nothing_about_the_token_any_more(store: Store) -> None:
    a, b = Replica(store, "a", max_attempts=1), Replica(store, "b")
    caller = a.begin(NOW, "t")
    call = a.send_call(NOW)
    store.live.remove("a")  # it hangs, and the others regard it as dead
    b.begin(LATER, "t")
    b.complete(LATER, b.send_call(LATER), accepted={"t": "id-t"})
    a.complete(LATER, call, failed={"t": ItemFailure.UNKNOWN_ERROR})
    a.poll(LATER)
    assert outcomes(caller) == {"ACCEPTED NONE"}
    assert only(caller).dial_request_id == "id-t"


def test_an_uncertain_call_leaves_the_token_in_doubt_for_the_fleet(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=ConnectFailed(), uncertain=True)
    (record,) = store.rules.records.values()
    assert record.state is TokenState.UNKNOWN


def test_without_a_fleet_nothing_is_claimed_or_looked_up() -> None:
    bench = Bench()
    caller = Caller()
    bench.send_all(NOW, caller, *many(100))
    decision = bench.poll(NOW)
    assert decision.token_look_ups == ()
    assert bench.engine.fleet_ledger is None
