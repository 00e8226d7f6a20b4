"""A request is in doubt if another replica may have sent its token without a result."""

from typing import NamedTuple

import pytest

from gateway.core.claims.fleet_ledger import UNCLAIMED_AFTER_S
from gateway.core.claims.look_up_queue import WORTH_A_LOOK_UP
from gateway.core.errors import AnswerLost, RateThrottled
from gateway.core.fleet.messages import TokenState
from gateway.core.model import Batch
from tests.unit.core.claims.replicas import Replica, Store, outcomes
from tests.unit.core.making import NOW, PHONE, Caller, dial, many, tokens_of

LATER = NOW + 5.0


class Waiting(NamedTuple):
    """A replica that sends a token in a call, and another that waits for the result, as its caller does."""

    sender: Replica
    call: Batch
    waiter: Replica
    caller: Caller


def waiting_for_another(store: Store, expires_at: float | None = None) -> Waiting:
    """Submit the same token to two replicas at once."""
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t", expires_at=expires_at)
    call = a.send_call(NOW)
    caller = b.begin(NOW, "t", expires_at=expires_at)
    assert not b.claim(NOW, b.call(NOW))
    return Waiting(a, call, b, caller)


def test_the_token_of_a_replica_that_has_died_is_in_doubt_before_it_is_claimed(store: Store) -> None:
    b = waiting_for_another(store).waiter
    store.live.remove("a")
    b.poll(LATER)
    batch = b.call(LATER)
    assert batch.entries[0].in_doubt
    assert b.claim(LATER, batch)
    b.complete(LATER, batch)
    assert b.ledger.kept_count == 0


def test_a_token_without_news_is_in_doubt_before_it_is_claimed(store: Store) -> None:
    b = waiting_for_another(store).waiter
    store.away = True
    batches = [batch for tenth in range(120) for batch in b.poll(NOW + tenth / 10).batches]
    assert [batch.entries[0].in_doubt for batch in batches] == [True]


@pytest.mark.parametrize("lost", [True, False])
def test_a_token_without_a_record_is_in_doubt_only_after_records_were_lost(store: Store, lost: bool) -> None:
    b = waiting_for_another(store).waiter
    store.rules.records.clear()
    if lost:
        b.ledger.doubt(NOW, LATER)
    b.poll(NOW + 0.21)
    assert b.call(NOW + 0.21).entries[0].in_doubt is lost


def test_a_token_that_the_other_replica_did_not_send_is_not_in_doubt(store: Store) -> None:
    a, call, b, _ = waiting_for_another(store)
    a.complete(NOW, call, failure=RateThrottled())
    b.poll(NOW + 0.21)
    assert not b.call(NOW + 0.21).entries[0].in_doubt


def test_a_request_that_waits_for_another_replica_expires_in_time(store: Store) -> None:
    _, _, b, caller = waiting_for_another(store, expires_at=NOW + 5.3)
    b.poll(NOW + 0.21)
    b.poll(NOW + 0.42)
    b.poll(NOW + 0.63)
    assert {text.split()[0] for text in outcomes(caller)} == {"UNKNOWN"}
    assert (b.engine.outstanding, b.ledger.kept_count) == (0, 0)


def test_a_claim_whose_answer_was_lost_is_withdrawn_if_the_call_is_not_sent(store: Store) -> None:
    """The store may have carried it out: other replicas would wait for a call that is not made."""
    a = Replica(store, "a")
    a.begin(NOW, "first")
    a.complete(NOW, a.send_call(NOW))
    a.begin(NOW, "t")
    batch = a.call(NOW)
    assert a.ask_claims(NOW, batch) is not None
    assert not a.claimed(NOW, batch, None)
    assert {token for _, token in store.rules.records} == {"first"}


def test_each_outage_of_the_store_is_waited_for_anew(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, "first")
    a.complete(NOW, a.send_call(NOW))
    a.begin(NOW, "t")
    store.away = True
    assert not a.claim(NOW, a.call(NOW))
    store.away = False
    now, batch = a.next_call(NOW)
    assert a.claim(now, batch)
    a.complete(now, batch)
    store.away = True
    a.begin(NOW + UNCLAIMED_AFTER_S, "u")
    assert not a.claim(NOW + UNCLAIMED_AFTER_S, a.call(NOW + UNCLAIMED_AFTER_S))


def test_no_call_is_sent_at_the_instant_at_which_its_time_is_up(store: Store) -> None:
    a = Replica(store, "a")
    caller = a.begin(NOW, "t", expires_at=NOW + 8.0)
    batch = a.call(NOW)
    assert not a.claimed(batch.give_up_at, batch, a.ask_claims(NOW, batch))
    assert outcomes(caller) == {"EXPIRED EXPIRATION_PASSED"}


def found_while_waiting(store: Store, now: float, tokens: list[str]) -> set[bool]:
    """Let a replica without a permit look tokens up at `now`; return whether their requests are in doubt."""
    waiting = Replica(store, "waiting", call_rate=0.1, call_burst=1.0)
    waiting.begin(now, "first")
    waiting.send_call(now)
    waiting.begin(now, *tokens)
    waiting.poll(now + 0.2)
    assert waiting.asked == [("admission", len(tokens))]
    waiting.engine.set_pace(now + 0.2, 0.0, 1.0, forecasts=False)
    return {one.in_doubt for one in waiting.call(now + 0.2).entries}


def test_a_waiting_request_is_in_doubt_if_its_token_was_claimed_by_a_dead_replica(store: Store) -> None:
    """While the replica that claimed it lives, its result will be known."""
    a, tokens = Replica(store, "a"), many(WORTH_A_LOOK_UP)
    a.begin(NOW, *tokens)
    a.send_call(NOW)
    assert found_while_waiting(store, NOW, tokens) == {False}
    store.live.remove("a")
    assert found_while_waiting(store, LATER, tokens) == {True}


def test_a_waiting_request_is_in_doubt_if_an_attempt_before_the_present_one_may_have_been_made(
    store: Store,
) -> None:
    a, b, tokens = Replica(store, "a"), Replica(store, "b"), many(WORTH_A_LOOK_UP)
    a.begin(NOW, *tokens)
    a.send_call(NOW)
    store.live.remove("a")
    b.begin(LATER, *tokens)
    b.send_call(LATER)
    assert found_while_waiting(store, LATER, tokens) == {True}


def test_another_number_under_a_token_in_doubt_is_unknown(store: Store) -> None:
    """The request may have been carried out, whoever has used its token for another number since."""
    a, b = Replica(store, "a"), Replica(store, "b")
    caller = b.begin(NOW, "t")
    b.complete(NOW, b.send_call(NOW), failure=AnswerLost(), uncertain=True)
    store.rules.records.clear()
    other = Caller()
    a.send(NOW, other, dial("t", phone=PHONE + "1"))
    a.engine.source_closed(NOW, other.source)
    a.send_call(NOW)
    now, batch = b.next_call(NOW)
    assert not b.claim(now, batch)
    assert outcomes(caller) == {"UNKNOWN TOKEN_CONFLICT"}


def test_a_doubt_that_only_the_caller_states_is_not_recorded(store: Store) -> None:
    """Otherwise any caller could leave doubts about tokens that nobody has sent."""
    a, caller = Replica(store, "a"), Caller()
    a.send(NOW, caller, dial("t", expires_at=NOW + 8.0, in_doubt=True))
    a.engine.source_closed(NOW, caller.source)
    batch = a.call(NOW)
    assert not a.claimed(batch.give_up_at, batch, a.ask_claims(NOW, batch))
    assert store.rules.records == {}


def test_a_gateway_that_stops_leaves_the_tokens_of_its_calls_in_doubt(store: Store) -> None:
    """Other replicas need not wait until it counts as dead."""
    a = Replica(store, "a")
    a.begin(NOW, "t")
    assert tokens_of(a.send_call(NOW)) == ["t"]
    a.engine.abandon(NOW)
    a.settle(NOW)
    assert [record.state for record in store.rules.records.values()] == [TokenState.UNKNOWN]
