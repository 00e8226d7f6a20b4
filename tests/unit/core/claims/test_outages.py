"""Calls are sent in doubt while the store is away, and after it has lost records."""

from gateway.core.claims.fleet_ledger import AGAIN_S, UNCLAIMED_AFTER_S
from gateway.core.model import ItemFailure, Outcome
from tests.unit.core.claims.replicas import Replica, Store, outcomes
from tests.unit.core.making import NOW, Caller, dial

LATER = NOW + 5.0


def test_without_the_store_calls_go_on_in_doubt(store: Store) -> None:
    a = Replica(store, "a", max_attempts=1)
    store.away = True
    accepted, failed = a.begin(NOW, "t1"), a.begin(NOW, "t2")
    batch = a.send_call(NOW)
    a.complete(NOW, batch, accepted={"t1": "id"}, failed={"t2": ItemFailure.UNKNOWN_ERROR})
    assert outcomes(accepted) == {"ACCEPTED NONE"}
    assert outcomes(failed) == {"UNKNOWN CONNECT_ERROR"}


def test_at_the_beginning_of_an_outage_calls_wait_for_the_store_to_return(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, "first")
    a.send_call(NOW)
    store.away = True
    caller = a.begin(NOW, "t")
    assert not a.claim(NOW, a.call(NOW))
    store.away = False
    now, batch = a.next_call(NOW)
    assert now == NOW + AGAIN_S
    assert a.claim(now, batch)
    assert not batch.entries[0].in_doubt
    a.complete(now, batch)
    assert outcomes(caller) == {"ACCEPTED NONE"}


def test_after_a_second_without_the_store_calls_go_on_in_doubt(store: Store) -> None:
    a = Replica(store, "a")
    a.begin(NOW, "first")
    a.send_call(NOW)
    store.away = True
    a.begin(NOW, "t")
    now = NOW
    while not a.claim(now, batch := a.next_call(now)[1]):
        now += AGAIN_S
    assert now == NOW + UNCLAIMED_AFTER_S
    assert batch.entries[0].in_doubt


def test_a_campaign_whose_part_of_the_store_is_away_goes_on_in_doubt(store: Store) -> None:
    a = Replica(store, "a")
    caller = Caller()
    for tenths in range(31):
        now = NOW + tenths / 10
        a.send(now, caller, dial(f"x{tenths}", "other"))
        a.send(now, caller, dial(f"y{tenths}"))
        a.engine.source_closed(now, caller.source)
        for batch in a.poll(now).batches:
            store.away = batch.campaign_id == "campaign"
            if a.claim(now, batch):
                assert {one.in_doubt for one in batch.entries} == {store.away}
                assert not store.away or now >= NOW + UNCLAIMED_AFTER_S
                a.complete(now, batch)
    assert {answer.outcome for answer in caller.answers.values()} == {Outcome.ACCEPTED}
    assert caller.answers.keys() >= set(range(2 * 15))


def test_results_made_without_the_store_are_recorded_afterwards(store: Store) -> None:
    a, b = Replica(store, "a", max_attempts=1), Replica(store, "b")
    store.away = True
    a.begin(NOW, "t1", "t2")
    failed = {"t2": ItemFailure.UNKNOWN_ERROR}
    a.complete_unsettled(NOW, a.send_call(NOW), accepted={"t1": "id"}, failed=failed)
    store.away = False
    a.settle(NOW)
    caller = b.begin(LATER, "t1", "t2")
    call = b.send_call(LATER)
    assert [entry.request.client_token for entry in call.entries] == ["t2"]
    assert call.entries[0].in_doubt
    assert outcomes(caller) == {"ACCEPTED NONE"}


def test_a_token_waits_for_the_other_replica_only_so_long_without_news(store: Store) -> None:
    a, b = Replica(store, "a"), Replica(store, "b")
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = b.begin(NOW, "t")
    b.claim(NOW, b.call(NOW))
    store.away = True
    for tenth in range(1, 100):
        assert not b.poll(NOW + tenth / 10).batches
    b.poll(NOW + 10.3)
    batch = b.send_call(NOW + 10.3)
    assert batch.entries[0].in_doubt
    assert not caller.answers


def test_after_lost_records_a_claim_is_in_doubt_for_a_while(store: Store) -> None:
    a = Replica(store, "a", max_attempts=1)
    a.ledger.doubt(NOW, LATER)
    failed = {"t": ItemFailure.UNKNOWN_ERROR}
    doubtful = a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failed=failed)
    store.rules.records.clear()
    certain = a.begin(LATER, "u")
    a.complete(LATER, a.send_call(LATER), failed={"u": ItemFailure.UNKNOWN_ERROR})
    assert outcomes(doubtful) == {"UNKNOWN CONNECT_ERROR"}
    assert outcomes(certain) == {"NOT_ACCEPTED CONNECT_ERROR"}


def test_a_call_claimed_before_records_were_lost_proves_nothing(store: Store) -> None:
    a = Replica(store, "a", max_attempts=1)
    caller = a.begin(NOW, "t")
    call = a.send_call(NOW)
    store.rules.records.clear()
    a.ledger.doubt(NOW, LATER)
    a.complete(NOW, call, failed={"t": ItemFailure.UNKNOWN_ERROR})
    a.poll(NOW)
    assert outcomes(caller) == {"UNKNOWN CONNECT_ERROR"}
