"""Requests that wait for a call are looked up in the fleet's ledger: known results need no call."""

from gateway.core.claims.look_up_queue import ADMISSION_S, WORTH_A_LOOK_UP
from gateway.core.errors import AnswerLost
from gateway.core.fleet.token_look_up import LOOK_UP_LIMIT
from tests.unit.core.claims.replicas import Replica, Store, outcomes
from tests.unit.core.making import NOW, PHONE, Caller, dial, many

LATER = NOW + ADMISSION_S


def slow(store: Store) -> Replica:
    """Return a replica whose one permit for the next ten seconds is spent."""
    replica = Replica(store, "a", call_rate=0.1, call_burst=1.0)
    replica.begin(NOW, "first")
    replica.send_call(NOW)
    return replica


def test_tokens_accepted_elsewhere_are_replayed_without_a_permit(store: Store) -> None:
    b = Replica(store, "b")
    tokens = many(100)
    b.begin(NOW, *tokens)
    for batch in b.poll(NOW).batches:
        assert b.claim(NOW, batch)
        b.complete(NOW, batch)
    a = slow(store)
    caller = a.begin(NOW, *tokens)
    a.poll(NOW)
    assert a.ledger.deadline() == LATER
    a.poll(LATER)
    assert outcomes(caller) == {"ACCEPTED NONE"}
    assert len(caller.answers) == 100
    assert a.asked == [("admission", 100)]


def test_a_doubt_that_is_found_belongs_to_the_request(store: Store) -> None:
    b = Replica(store, "b", max_attempts=1)
    tokens = many(WORTH_A_LOOK_UP)
    b.begin(NOW, *tokens)
    b.complete(NOW, b.send_call(NOW), failure=AnswerLost(), uncertain=True)
    a = slow(store)
    caller = a.begin(NOW, *tokens, expires_at=NOW + 7.0)
    a.poll(LATER)
    store.away = True
    a.poll(NOW + 2.0)
    assert outcomes(caller) == {"UNKNOWN EXPIRATION_PASSED"}


def test_a_conflict_that_is_found_is_answered(store: Store) -> None:
    b = Replica(store, "b")
    b.begin(NOW, *many(WORTH_A_LOOK_UP))
    b.complete(NOW, b.send_call(NOW))
    a, caller = slow(store), Caller()
    for token in many(WORTH_A_LOOK_UP):
        a.send(NOW, caller, dial(token, phone=PHONE + "1"))
    a.poll(LATER)
    assert outcomes(caller) == {"REJECTED TOKEN_CONFLICT"}


def test_few_requests_are_not_looked_up_since_the_claim_checks_them(store: Store) -> None:
    a = slow(store)
    a.begin(NOW, *many(WORTH_A_LOOK_UP - 1))
    a.poll(LATER)
    assert a.asked == []
    assert a.ledger.deadline() is None


def test_requests_that_have_left_in_calls_are_not_looked_up(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, *many(100))
    a.poll(NOW)
    a.poll(LATER)
    assert a.asked == []


def test_look_ups_have_a_bounded_size_and_two_are_under_way_at_once(store: Store) -> None:
    a = slow(store)
    a.late = True
    a.begin(NOW, *many(5 * LOOK_UP_LIMIT))
    a.poll(LATER)
    assert a.asked == [("admission", LOOK_UP_LIMIT)] * 2
    a.answer_look_ups(LATER)
    a.poll(LATER)
    assert len(a.asked) == 4


def test_a_look_up_that_fails_changes_nothing(store: Store) -> None:
    a = slow(store)
    caller = a.begin(NOW, *many(WORTH_A_LOOK_UP))
    store.away = True
    a.poll(LATER)
    assert not caller.answers
    store.away = False
    batch = a.send_call(NOW + 10.0)
    a.complete(NOW + 10.0, batch)
    assert outcomes(caller) == {"ACCEPTED NONE"}
