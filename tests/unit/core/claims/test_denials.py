"""A replica denies a token only after the fleet's ledger was asked whether another replica has sent it."""

import pytest

from gateway.core.answers import PURGED
from gateway.core.campaigns.holds import Hold
from gateway.core.claims.denials import CHECK_S
from gateway.core.claims.doubts import SILENT_S
from gateway.core.errors import CampaignNotFound, RateThrottled
from gateway.core.fleet.token_look_up import LOOK_UP_LIMIT
from gateway.core.model import ItemFailure, Outcome, Reason
from tests.unit.core.claims.replicas import Replica, Store, only, outcomes
from tests.unit.core.compliance.hours_guard import opening_at
from tests.unit.core.making import NOW, PHONE, Caller, dial, many

ANSWERING = Hold("ops", "", NOW, answering=True)
SOON = NOW + 0.1


def hold(replica: Replica) -> None:
    """Hold the campaign, so that every new request is answered HELD."""
    replica.engine.operator_actions.hold(NOW, "campaign", ANSWERING)


def test_a_denial_is_given_once_the_ledger_knows_no_such_token(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    caller = a.begin(NOW, "t")
    assert not caller.answers
    assert a.engine.outstanding == 1
    a.poll(NOW)
    assert outcomes(caller) == {"NOT_ACCEPTED HELD"}
    assert a.engine.outstanding == 0


def test_a_token_that_another_replica_has_sent_successfully_is_replayed_instead(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    b.begin(NOW, "t")
    b.complete(NOW, b.send_call(NOW))
    hold(a)
    caller = a.begin(NOW, "t")
    a.poll(NOW)
    assert outcomes(caller) == {"ACCEPTED NONE"}
    assert only(caller).dial_request_id == "id-t"


def test_a_token_that_another_replica_sends_now_is_unknown(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    b.begin(NOW, "t")
    b.send_call(NOW)
    hold(a)
    caller = a.begin(NOW, "t")
    a.poll(NOW)
    assert outcomes(caller) == {"UNKNOWN HELD"}


def test_a_token_with_another_number_is_a_conflict_instead(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    b.begin(NOW, "t")
    b.complete(NOW, b.send_call(NOW))
    hold(a)
    caller = Caller()
    a.send(NOW, caller, dial("t", phone=PHONE + "1"))
    a.poll(NOW)
    assert outcomes(caller) == {"REJECTED TOKEN_CONFLICT"}


def test_an_unfinished_settlement_of_this_replica_is_no_doubt(store: Store) -> None:
    a = Replica(store, "a")
    caller = a.begin(NOW, "t", expires_at=NOW + 6.0)
    a.complete_unsettled(NOW, a.send_call(NOW), failure=RateThrottled())
    a.poll(NOW + 2.0)
    assert outcomes(caller) == {"EXPIRED THROTTLED"}


@pytest.mark.parametrize("away", [True, False])
def test_a_request_that_expires_before_its_call_is_checked(store: Store, *, away: bool) -> None:
    a = Replica(store, "a", call_rate=0.1, call_burst=1.0)
    a.begin(NOW, "first")
    a.complete(NOW, a.send_call(NOW))
    store.away = away
    caller = a.begin(NOW, "t", expires_at=NOW + 6.0)
    a.poll(NOW + 1.0)
    assert outcomes(caller) == {"UNKNOWN EXPIRATION_PASSED" if away else "EXPIRED EXPIRATION_PASSED"}


def test_a_request_that_arrives_after_its_time_is_checked(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    b.begin(NOW, "t1")
    b.complete(NOW, b.send_call(NOW))
    first, second = (a.begin(NOW, token, expires_at=NOW - 1.0) for token in ("t1", "t2"))
    a.poll(NOW)
    assert outcomes(first) == {"ACCEPTED NONE"}
    assert outcomes(second) == {"REJECTED INVALID_REQUEST"}


def test_a_denial_out_of_a_claimed_call_is_certain_at_once(store: Store) -> None:
    a = Replica(store, "a")
    store_asked = len(a.asked)
    caller = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failed={"t": ItemFailure.INVALID_INPUT})
    assert outcomes(caller) == {"REJECTED INVALID_INPUT"}
    assert len(a.asked) == store_asked


def test_a_refused_campaign_checks_only_what_was_in_no_call(store: Store) -> None:
    a, b = Replica(store, "a", concurrent_calls=1), Replica(store, "b")
    b.begin(NOW, "t30")
    b.complete(NOW, b.send_call(NOW))
    a.late = True
    caller = a.begin(NOW, *many(40))
    a.complete(NOW, a.send_call(NOW), failure=CampaignNotFound())
    assert len(caller.answers) == 25
    a.poll(NOW)
    a.answer_look_ups(NOW)
    assert len(caller.answers) == 40
    assert outcomes(caller) == {"REJECTED CAMPAIGN_NOT_FOUND", "ACCEPTED NONE"}


def test_a_refused_campaign_checks_what_another_replica_was_sending(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    b.begin(NOW, "t1")
    call = b.send_call(NOW)
    first, second = a.begin(NOW, "t1"), a.begin(NOW, "t2")
    own = a.send_call(NOW)
    assert len(own.entries) == 1
    b.complete(NOW, call)
    a.complete(NOW, own, failure=CampaignNotFound())
    assert outcomes(second) == {"REJECTED CAMPAIGN_NOT_FOUND"}
    a.poll(NOW)
    assert outcomes(first) == {"ACCEPTED NONE"}


def test_without_the_store_no_denial_is_given(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    store.away = True
    caller = a.begin(NOW, "t")
    a.poll(NOW)
    assert outcomes(caller) == {"UNKNOWN HELD"}
    assert "NOT_ACCEPTED" in only(caller).detail


def test_a_store_that_does_not_answer_delays_no_answer_for_long(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.late = True
    caller = a.begin(NOW, "t")
    decision = a.poll(NOW)
    assert decision.wake_at == NOW + CHECK_S
    a.poll(NOW + CHECK_S)
    assert outcomes(caller) == {"UNKNOWN HELD"}
    a.answer_look_ups(NOW + CHECK_S)  # too late: it changes nothing
    assert len(caller.answers) == 1


def test_a_request_that_joins_a_denial_shares_it_and_its_doubt(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.late = True
    first, second = a.begin(NOW, "t"), Caller()
    a.poll(NOW)
    a.send(NOW, second, dial("t", in_doubt=True))
    a.answer_look_ups(NOW)
    assert outcomes(first) == outcomes(second) == {"UNKNOWN HELD"}
    assert a.engine.outstanding == 0


def test_a_caller_who_leaves_during_the_check_is_forgotten(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.late = True
    caller = a.begin(NOW, "t")
    a.poll(NOW)
    a.leave(NOW, caller)
    assert a.engine.outstanding == 0
    assert not a.answer_look_ups(NOW)
    a.poll(NOW + CHECK_S)
    assert a.ledger.deadline() is None


def test_a_withdrawal_waits_for_the_check_and_then_answers_unknown(store: Store) -> None:
    a = Replica(store, "a", call_rate=0.1, call_burst=1.0)
    a.begin(NOW, "first")
    a.send_call(NOW)
    first, second = a.begin(NOW, "t1"), a.begin(NOW, "t2")
    a.late = True
    for caller in (first, second):
        a.engine.withdraw(NOW, caller.source, final=False)
    assert not first.answers
    a.poll(NOW)
    a.engine.withdraw(NOW, second.source, final=True)
    a.answer_look_ups(NOW)
    assert outcomes(first) == {"NOT_ACCEPTED DEADLINE"}
    assert outcomes(second) == {"UNKNOWN DEADLINE"}
    assert a.engine.outstanding == 1


def test_a_stream_that_ends_gets_checked_denials(store: Store) -> None:
    a, b = Replica(store, "a", call_rate=0.1, call_burst=1.0), Replica(store, "b")
    a.begin(NOW, "first")
    a.send_call(NOW)
    b.begin(NOW, "t1")
    b.complete(NOW, b.send_call(NOW))
    caller = a.begin(NOW, "t1", "t2")
    a.engine.source_ending(NOW, caller.source)
    assert not caller.answers
    a.poll(NOW)
    assert sorted(answer.outcome.name for answer in caller.answers.values()) == ["ACCEPTED", "NOT_ACCEPTED"]
    assert a.engine.outstanding == 1


def test_a_drain_checks_what_it_gives_up(store: Store) -> None:
    a, b = Replica(store, "a", call_rate=0.1, call_burst=1.0), Replica(store, "b")
    a.begin(NOW, "first")
    call = a.send_call(NOW)
    b.begin(NOW, "t0")
    b.complete(NOW, b.send_call(NOW))
    caller = a.begin(NOW, *many(30))
    a.engine.drain(NOW, SOON)
    a.poll(SOON)
    a.poll(SOON)
    assert outcomes(caller) == {"ACCEPTED NONE", "NOT_ACCEPTED DRAINING"}
    a.complete(SOON, call)
    assert a.engine.outstanding == 0


def test_a_second_signal_answers_at_once_and_in_doubt(store: Store) -> None:
    a = Replica(store, "a", call_rate=0.1, call_burst=1.0)
    a.begin(NOW, "first")
    a.send_call(NOW)
    a.late = True
    waiting = a.begin(NOW, "t1")
    a.engine.drain(NOW, NOW)
    a.poll(NOW)  # t1 is checked
    a.abandon(NOW)
    assert outcomes(waiting) == {"UNKNOWN DRAINING"}
    assert a.engine.outstanding == 0


def test_a_purge_counts_what_it_answers_after_the_check(store: Store) -> None:
    a = Replica(store, "a", call_rate=0.1, call_burst=1.0)
    a.begin(NOW, "first")
    a.send_call(NOW)
    caller = a.begin(NOW, *many(5))
    actions = a.engine.operator_actions
    assert actions.answer_waiting(NOW, actions.entries_of("campaign"), PURGED) == 5
    assert actions.answer_waiting(NOW, actions.entries_of("campaign"), PURGED) == 0
    a.poll(NOW)
    assert outcomes(caller) == {"NOT_ACCEPTED PURGED"}


def test_many_denials_share_look_ups_of_a_bounded_size(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.late = True
    count = 10 * LOOK_UP_LIMIT
    caller = a.begin(NOW, *many(count))
    a.poll(NOW)
    assert a.asked == [("denial", LOOK_UP_LIMIT)] * 4
    for _ in range(3):
        a.answer_look_ups(NOW)
        a.poll(NOW)
    a.answer_look_ups(NOW)
    assert len(caller.answers) == count
    assert len(a.asked) == 10


def test_denials_are_not_remembered_as_answers_of_connect(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    caller = a.begin(NOW, "t")
    a.poll(NOW)
    assert only(caller).outcome is Outcome.NOT_ACCEPTED
    a.engine.operator_actions.flow.holds.release("campaign")
    again = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    assert outcomes(again) == {"ACCEPTED NONE"}
    assert only(again).reason is Reason.NONE


def test_no_denial_is_given_while_records_may_be_lost(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.ledger.doubt(NOW, SOON)
    first = a.begin(NOW, "t")
    a.poll(NOW)
    second = a.begin(SOON, "t")
    a.poll(SOON)
    assert outcomes(first) == {"UNKNOWN HELD"}
    assert outcomes(second) == {"NOT_ACCEPTED HELD"}


def test_no_denial_is_given_while_beats_are_not_answered(store: Store) -> None:
    a = Replica(store, "a")
    hold(a)
    a.ledger.beat_answered(NOW)
    first = a.begin(NOW, "t")
    a.poll(NOW)
    late = NOW + SILENT_S + 0.1  # the store may be back, but other replicas have not written their results
    second = a.begin(late, "u")
    a.poll(late)
    assert outcomes(first) == {"NOT_ACCEPTED HELD"}
    assert outcomes(second) == {"UNKNOWN HELD"}


def test_a_request_that_waits_for_calling_hours_is_denied_once(store: Store) -> None:
    """It is not sent when hours open while the ledger is asked about it."""
    a = Replica(store, "a", opening_at(0.5))
    a.late = True
    caller = a.begin(NOW, "t")
    hold(a)
    actions = a.engine.operator_actions
    actions.answer_waiting(NOW + 0.1, actions.entries_of("campaign"), PURGED, NOW + 0.1)
    a.poll(NOW + 0.1)
    assert not a.poll(NOW + 0.6).batches
    a.answer_look_ups(NOW + 0.7)
    assert outcomes(caller) == {"NOT_ACCEPTED PURGED"}
    assert a.engine.guarding is not None
    assert a.engine.guarding.waiting == 0
