"""Calls in flight are found, reduced, revoked and ended one by one, with their memory and their time."""

from gateway.core.batches import FormedCall
from gateway.core.calls_in_flight import CallsInFlight
from gateway.core.model import Batch, Entry, FlushReason
from tests.unit.core.making import NOW, entry

MAX_ATTEMPTS, LEAD_S = 5, 2.0


def begin(calls: CallsInFlight, *entries: Entry, now: float = NOW, campaign: str = "campaign") -> Batch:
    """Begin a call of entries."""
    size_bytes = sum(held.request.size_bytes for held in entries)
    return calls.begin(now, FormedCall(campaign, list(entries), FlushReason.FULL, size_bytes))


def tried(token: str, counted_attempts: int, expires_at: float) -> Entry:
    """Make an entry that calls have carried so often."""
    held = entry(token, expires_at=expires_at)
    held.counted_attempts = counted_attempts
    return held


def test_a_call_has_the_time_and_the_attempts_of_the_entry_with_the_least() -> None:
    calls = CallsInFlight(MAX_ATTEMPTS, LEAD_S)
    batch = begin(calls, tried("a", 1, NOW + 5.0), tried("b", 3, NOW + 9.0))
    assert (batch.give_up_at, batch.attempts_left) == (NOW + 5.0 - LEAD_S, 2)
    assert (batch.formed_at, batch.flush, batch.campaign_id) == (NOW, FlushReason.FULL, "campaign")
    assert batch in calls
    assert calls.get(batch.number) is batch


def test_what_is_left_of_a_reduced_call_decides_its_time_attempts_and_size() -> None:
    calls = CallsInFlight(MAX_ATTEMPTS, LEAD_S)
    early, late, often = tried("a", 0, NOW + 5.0), tried("b", 1, NOW + 9.0), tried("c", 3, NOW + 7.0)
    batch, beside = begin(calls, early, late, often), begin(calls, entry("d"))
    assert (batch.size_bytes, calls.size_bytes) == (300, 400)
    calls.shrink(batch, [late, often])
    assert (batch.give_up_at, batch.attempts_left) == (NOW + 7.0 - LEAD_S, 2)
    calls.shrink(batch, [late])
    assert (batch.entries, batch.give_up_at, batch.attempts_left) == ([late], NOW + 9.0 - LEAD_S, 4)
    assert (batch.size_bytes, calls.size_bytes) == (100, 200)
    calls.shrink(batch, [])
    assert (batch.entries, calls.size_bytes) == ([], 100)
    assert (len(calls), list(calls)) == (2, [batch, beside])


def test_a_call_ends_once() -> None:
    calls = CallsInFlight(MAX_ATTEMPTS, LEAD_S)
    first, second = begin(calls, entry("a")), begin(calls, entry("b"))
    assert first.number != second.number
    assert calls.size_bytes == 200
    assert calls.end(first) is True
    assert calls.end(first) is False
    assert (list(calls), calls.size_bytes) == ([second], 100)
    assert calls.get(first.number) is None
    assert first not in calls


def test_the_calls_of_one_campaign_formed_by_an_instant_are_revoked() -> None:
    calls = CallsInFlight(MAX_ATTEMPTS, LEAD_S)
    old, new = begin(calls, entry("a")), begin(calls, entry("b"), now=NOW + 1.0)
    other = begin(calls, entry("c"), campaign="other")
    assert calls.revoke("campaign", formed_by=NOW) == [old]
    assert [call.revoked for call in (old, new, other)] == [True, False, False]
    assert calls.revoke("campaign", purging=True) == [old, new]
    assert [call.purged for call in (old, new, other)] == [True, True, False]
    assert calls.revoke(formed_by=NOW) == [old, other]
    assert old.purged
    assert not other.purged


def test_abandoned_entries_are_in_doubt_unless_their_call_is_known_to_be_unsent() -> None:
    calls = CallsInFlight(MAX_ATTEMPTS, LEAD_S)
    sent, unsent = begin(calls, entry("a"), entry("b")), begin(calls, entry("c"))
    assert calls.abandon([unsent]) == [sent]
    assert [held.in_doubt for held in (*sent.entries, *unsent.entries)] == [True, True, False]
    assert (len(calls), calls.size_bytes) == (0, 0)
