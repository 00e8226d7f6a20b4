"""Contact limits in a fleet: nobody is called more often than they allow, whatever fails."""

import math
from typing import Any

import pytest

from gateway.core.claims.limited_calls import AGAIN_S
from gateway.core.compliance.records import GuardDecision
from gateway.core.errors import AnswerLost, RateThrottled
from gateway.core.fleet.contacts import ContactLimit
from gateway.core.model import ItemFailure, Outcome, Reason, RetryAdvice
from gateway.shared_state.rules.contacts import ContactRules
from tests.unit.core.claims.replicas import Replica, Store, only, outcomes
from tests.unit.core.compliance.hours_guard import HoursGuard
from tests.unit.core.making import NOW, PHONE, many

ONCE, TWICE = ContactLimit("once", 1, 60.0), ContactLimit("twice", 2, 600.0)
SECOND = 1.0


def replica(
    store: Store, member: str, *limits: ContactLimit, free: set[str] | None = None, **more: Any
) -> Replica:
    """Return a replica whose guard has limits for all requests except the tokens in `free`.

    All requests are for one number.
    """
    return Replica(store, member, HoursGuard(limits=limits, free=free or set()), **more)


def kept(store: Store) -> int:
    """Return how many contacts the store has."""
    return sum(len(numbered.contacts) for numbered in store.contacts.numbers.values())


def test_the_last_place_goes_to_one_of_two_replicas(store: Store) -> None:
    a, b = replica(store, "a", ONCE), replica(store, "b", ONCE)
    a.begin(NOW, "t")
    b.begin(NOW, "u")
    first, second = a.call(NOW), b.call(NOW)
    assert [a.claim(NOW, first), b.claim(NOW, second)] == [True, False]


def test_of_one_call_only_as_many_are_sent_as_have_room(store: Store) -> None:
    a = replica(store, "a", TWICE)
    caller = a.begin(NOW, *many(5))
    batch = a.send_call(NOW)
    assert len(batch.entries) == 2
    a.complete(NOW, batch)
    assert outcomes(caller) == {"ACCEPTED NONE", "NOT_ACCEPTED CONTACT_LIMIT"}


def test_a_request_waits_until_the_limit_has_room(store: Store) -> None:
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    caller = a.begin(NOW + SECOND, "u")
    assert not a.claim(NOW + SECOND, a.call(NOW + SECOND))
    assert not caller.answers
    assert a.engine.guarding.waiting == 1
    now, batch = a.next_call(NOW + SECOND)
    assert now == pytest.approx(NOW + 60.0)
    assert a.claim(now, batch)
    a.complete(now, batch)
    assert outcomes(caller) == {"ACCEPTED NONE"}
    decisions = [record.decision for record in a.engine.guarding.take_records()]
    assert decisions == [GuardDecision.ACCEPTED, GuardDecision.WAITS, GuardDecision.ACCEPTED]


def test_a_request_waits_for_the_opening_if_hours_close_before_the_limit_has_room(store: Store) -> None:
    guard = HoursGuard(limits=(ONCE,), windows=((NOW, NOW + 30.0), (NOW + 100.0, NOW + 500.0)))
    a = Replica(store, "a", guard)
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    caller = a.begin(NOW + SECOND, "u")
    assert not a.claim(NOW + SECOND, a.call(NOW + SECOND))
    a.poll(NOW + 40.0)
    assert not caller.answers
    now, batch = a.next_call(NOW + 40.0)
    assert now == pytest.approx(NOW + 100.0, abs=0.01)
    assert a.claim(now, batch)


def test_what_another_replica_has_sent_is_not_recorded_as_sent(store: Store) -> None:
    a, b = replica(store, "a"), replica(store, "b")
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW))
    caller = b.begin(NOW, "t")
    b.claim(NOW, b.call(NOW))
    assert only(caller).replayed
    assert b.engine.guarding.take_records() == []


def test_a_request_that_expires_before_is_answered(store: Store) -> None:
    """The answer says when there is room, and names the limit and not the number."""
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    a.send_call(NOW)
    caller = a.begin(NOW + SECOND, "u", expires_at=NOW + 50.0)
    assert not a.claim(NOW + SECOND, a.call(NOW + SECOND))
    answer = only(caller)
    assert (answer.outcome, answer.reason) == (Outcome.NOT_ACCEPTED, Reason.CONTACT_LIMIT)
    assert answer.advice is RetryAdvice.SAME_TOKEN
    assert answer.retry_after_s == pytest.approx(59.0)
    assert "once: at most 1 calls in 60 s" in answer.detail
    assert PHONE not in answer.detail
    assert a.engine.outstanding == 1  # the first


def test_a_token_that_may_have_been_sent_is_not_denied_for_a_limit(store: Store) -> None:
    a, b = replica(store, "a", ONCE), replica(store, "b", ONCE)
    a.begin(NOW, "t")
    a.send_call(NOW)
    store.live.remove("a")
    store.contacts = ContactRules()
    b.begin(NOW + 5.0, "u")
    b.send_call(NOW + 5.0)
    caller = b.begin(NOW + 5.0, "t", expires_at=NOW + 30.0)
    assert not b.claim(NOW + 5.0, b.call(NOW + 5.0))
    assert outcomes(caller) == {"UNKNOWN CONTACT_LIMIT"}


def test_a_call_that_connect_certainly_does_not_have_counts_no_longer(store: Store) -> None:
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    batch = a.send_call(NOW)
    assert kept(store) == 1
    a.complete(NOW, batch, failed={"t": ItemFailure.INVALID_INPUT})
    assert kept(store) == 0


def test_a_throttled_call_counts_no_longer_and_counts_again(store: Store) -> None:
    """Its withdrawal may arrive after the next call has counted it, and changes nothing then."""
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=RateThrottled())
    assert kept(store) == 0
    now, batch = a.next_call(NOW)
    a.claim(now, batch)
    a.complete_unsettled(now, batch, failure=RateThrottled())
    later, again = a.next_call(now)
    verdicts = a.ask_claims(later, again)
    a.settle(later)
    assert a.claimed(later, again, verdicts)
    assert kept(store) == 1
    a.complete(later, again, failure=RateThrottled())
    assert kept(store) == 0


def test_a_call_with_unknown_result_counts(store: Store) -> None:
    """Its contact counts, also if a later call is certainly not carried out."""
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=AnswerLost(), uncertain=True)
    now, batch = a.next_call(NOW)
    a.claim(now, batch)
    a.complete(now, batch, failure=RateThrottled())
    assert kept(store) == 1


def test_without_the_store_requests_with_limits_wait_and_others_go_on(store: Store) -> None:
    a, free = replica(store, "a", ONCE), Replica(store, "b", HoursGuard())
    a.begin(NOW, "first")
    a.send_call(NOW)
    store.away = True
    caller = a.begin(NOW, "t", expires_at=NOW + 30.0)
    free.begin(NOW, "u")
    assert free.claim(NOW, free.call(NOW))
    now, batch = NOW, a.call(NOW)
    while now < NOW + 20.0:
        assert not a.claim(now, batch)
        again, batch = a.next_call(now)
        assert again == pytest.approx(now + AGAIN_S)
        now = again
    assert not caller.answers


def test_a_store_that_may_lack_contacts_is_not_trusted(store: Store) -> None:
    a = replica(store, "a", ONCE)
    a.ledger.contacts_known_from = math.inf
    a.begin(NOW, "t")
    assert not a.claim(NOW, a.call(NOW))
    assert kept(store) == 0
    a.ledger.contacts_known_from = NOW + 0.1
    now, batch = a.next_call(NOW)
    assert a.claim(now, batch)


def test_a_count_that_was_asked_for_before_is_not_trusted(store: Store) -> None:
    a = replica(store, "a", ONCE)
    a.begin(NOW, "t")
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    a.ledger.contacts_known_from = NOW + 0.1
    assert not a.claimed(NOW + 0.2, batch, verdicts, asked_at=NOW)
    assert kept(store) == 0


def test_what_another_replica_sends_is_not_withdrawn(store: Store) -> None:
    """A contact is not withdrawn while another replica sends the same token."""
    a, b = replica(store, "a", ONCE), replica(store, "b", ONCE)
    a.begin(NOW, "t")
    b.begin(NOW, "t")
    a.send_call(NOW)
    assert not b.claim(NOW, b.call(NOW))
    assert kept(store) == 1


def test_a_caller_that_has_left_takes_its_contact_along(store: Store) -> None:
    a = replica(store, "a", ONCE)
    caller = a.begin(NOW, "t")
    batch = a.call(NOW)
    verdicts = a.ask_claims(NOW, batch)
    assert kept(store) == 1
    a.engine.source_gone(NOW, caller.source)
    assert not a.claimed(NOW, batch, verdicts)
    assert kept(store) == 0


def test_limits_that_only_observe_count_and_report(store: Store) -> None:
    a = Replica(store, "a", HoursGuard(observed_limits=(ONCE,)))
    for token in ("t", "u"):
        a.begin(NOW, token)
        a.complete(NOW, a.send_call(NOW))
    assert kept(store) == 2
    records = a.engine.guarding.take_records()
    decisions = [record.decision for record in records]
    assert decisions == [GuardDecision.ACCEPTED, GuardDecision.ACCEPTED, GuardDecision.OBSERVED]
    assert records[-1].verdict.reason is Reason.CONTACT_LIMIT


def test_an_observed_limit_is_reported_once_for_a_request_that_is_sent_again(store: Store) -> None:
    a = Replica(store, "a", HoursGuard(observed_limits=(ONCE,)))
    a.begin(NOW, "first")
    a.complete(NOW, a.send_call(NOW))
    a.begin(NOW, "t")
    a.complete(NOW, a.send_call(NOW), failure=RateThrottled())
    now, batch = a.next_call(NOW)
    assert a.claim(now, batch)
    a.complete(now, batch)
    decisions = [record.decision for record in a.engine.guarding.take_records()]
    assert decisions == [GuardDecision.ACCEPTED, GuardDecision.ACCEPTED, GuardDecision.OBSERVED]


def test_of_one_call_only_the_entries_with_limits_wait_for_the_store(store: Store) -> None:
    a = replica(store, "a", ONCE, free={"t1"})
    a.begin(NOW, "first")
    a.send_call(NOW)
    store.away = True
    a.begin(NOW, "t0", "t1")
    batch = a.call(NOW + 5.0)
    assert [claim.contact is None for claim in a.ledger.claims(batch)] == [False, True]
    assert a.claimed(NOW + 5.0, batch, None)
    assert [entry.request.client_token for entry in batch.entries] == ["t1"]


def test_requests_without_limits_have_no_contacts(store: Store) -> None:
    a = Replica(store, "a", HoursGuard())
    a.begin(NOW, "t")
    assert [claim.contact for claim in a.ledger.claims(a.call(NOW))] == [None]
