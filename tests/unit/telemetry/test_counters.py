"""Which events are counted, under which label, and when a campaign is dropped."""

import pytest

from gateway.core.model import Entry, ItemFailure, Outcome, Reason, Source, Waiter
from gateway.telemetry.counters import Counters
from gateway.telemetry.labels import IDLE_S, IDLE_WHERE_FULL_S, OTHER
from tests.unit.core.making import dial

CALLER = "spiffe://example.org/dialer"


def received(counters: Counters) -> dict[str, int]:
    return {label: found.received for label, found in counters.campaigns.items() if found.received}


def accepted(counters: Counters, campaign_id: str = "c", caller: str = CALLER, count: int = 1) -> None:
    counters.answered(campaign_id, caller, Outcome.ACCEPTED, Reason.NONE, count)


def entry(*callers: str) -> Entry:
    """Return an entry that these callers wait for, in this order."""
    waiters = [Waiter(Source(caller=caller), 0) for caller in callers]
    return Entry(dial("t", "c"), 0.0, waiters)


def test_answers_are_counted_by_outcome_and_reason() -> None:
    """Each pair of outcome and reason has its count, in the words of the contract."""
    counters = Counters(10)
    accepted(counters, count=2)
    counters.answered("c", CALLER, Outcome.UNKNOWN, Reason.DEADLINE, 1)
    assert sorted(counters.campaigns["c"].answers()) == [
        ("ACCEPTED", "NONE", 2),
        ("UNKNOWN", "DEADLINE", 1),
    ]


def test_every_pair_of_outcome_and_reason_is_told_apart() -> None:
    """No two pairs share a count."""
    counters = Counters(10)
    pairs = [(outcome, reason) for outcome in Outcome for reason in Reason]
    for outcome, reason in pairs:
        counters.answered("c", CALLER, outcome, reason, 1)
    names = {(outcome.name, reason.name, 1) for outcome, reason in pairs}
    assert set(counters.campaigns["c"].answers()) == names


def test_campaigns_beyond_the_limit_are_counted_together() -> None:
    """The first campaigns have their own labels. Counts of all others add up under one."""
    counters = Counters(2)
    for number in range(5):
        counters.received(f"c-{number}", CALLER, 10)
    assert received(counters) == {"c-0": 10, "c-1": 10, OTHER: 30}
    counts = counters.counts()
    assert (counts.label("c-1"), counts.label("c-2")) == ("c-1", OTHER)


def test_an_id_that_is_none_gets_no_label() -> None:
    """An empty campaign id, and one longer than any that is taken, is counted with the others."""
    counters = Counters(10)
    counters.received("", CALLER, 1)
    counters.received("c" * 257, CALLER, 2)
    counters.received("c" * 256, CALLER, 4)
    assert received(counters) == {OTHER: 3, "c" * 256: 4}


def test_a_campaign_called_as_the_others_are_is_one_of_them() -> None:
    """A campaign whose id is the label of the rest is added to it: no series comes twice."""
    counters = Counters(1)
    for name in ("c", OTHER, "d"):
        counters.received(name, CALLER, 1)
    assert received(counters) == {"c": 1, OTHER: 2}


def test_an_idle_campaign_is_forgotten() -> None:
    """The counts of a long idle campaign are dropped. Busy and recently changed ones stay."""
    counters = Counters(10)
    for name in ("idle", "busy", "stirred"):
        counters.received(name, CALLER, 1)
    counters.tidy(0.0, 0, {"busy"})
    accepted(counters, "stirred")
    counters.tidy(IDLE_S + 1, 0, {"busy"})
    assert set(received(counters)) == {"busy", "stirred"}
    counters.tidy(2 * IDLE_S + 3, 0, ())
    assert set(counters.campaigns) == {OTHER}


def test_idle_campaigns_make_room_sooner_where_all_labels_are_taken() -> None:
    """A flood of made-up ids keeps the labels for minutes, not for half an hour."""
    counters = Counters(3)
    for number in range(10):
        counters.received(f"made-up-{number}", CALLER, 1)
    counters.tidy(0.0, 0, ())
    counters.tidy(IDLE_WHERE_FULL_S + 1, 7, ())
    counters.received("real", CALLER, 5)
    assert received(counters) == {OTHER: 7, "real": 5}
    assert counters.campaigns["real"].began_ns == 7


def test_throttled_items_are_counted_by_kind() -> None:
    """Missing agents and too many requests are different kinds. Other failures are not throttles."""
    counters = Counters(1)
    counters.throttled_items([ItemFailure.CAPACITY, ItemFailure.CAPACITY, ItemFailure.RATE])
    counters.throttled_items([ItemFailure.INVALID_INPUT, ItemFailure.UNKNOWN_ERROR])
    assert counters.throttles == {"call": 0, "item_rate": 1, "item_capacity": 2}


def test_a_copy_stands_still() -> None:
    """A copy does not change with later counts."""
    counters = Counters(1)
    counters.received("c", CALLER, 1)
    accepted(counters)
    counts = counters.counts()
    counters.received("c", CALLER, 1)
    accepted(counters)
    counters.changed("c", "cooling")
    counters.rpcs["Put", "answered"] += 1
    counters.loop_lag.of().add(1.0)
    assert counts.campaigns["c"].received == 1
    assert [count for *_, count in counts.campaigns["c"].answers()] == [1]
    assert not counts.campaigns["c"].changes
    assert not counts.rpcs
    assert counts.callers[CALLER].received == 1
    assert counts.callers[CALLER].answers == {Outcome.ACCEPTED: 1}
    assert counts.distributions[counters.loop_lag.metric] == []


def test_the_usage_of_a_caller_is_counted_over_all_its_campaigns() -> None:
    """Requests and answers of one caller add up, whichever campaign they are for."""
    counters = Counters(1)
    for campaign_id in ("a", "b"):
        counters.received(campaign_id, CALLER, 3)
        accepted(counters, campaign_id, count=2)
    counters.answered("a", CALLER, Outcome.EXPIRED, Reason.WOULD_EXPIRE, 1)
    counters.answered("a", CALLER, Outcome.EXPIRED, Reason.HELD, 1)
    usage = counters.callers[CALLER]
    assert usage.received == 6
    assert usage.answers == {Outcome.ACCEPTED: 4, Outcome.EXPIRED: 2}


def test_a_call_is_divided_among_the_callers_of_its_requests() -> None:
    """Each caller has the part of a call that its requests have, so the parts add up to the calls."""
    counters = Counters(1)
    counters.sent([entry("a"), entry("b"), entry("b"), entry("a")])
    counters.sent([entry("a", "b")])  # joined by b: the first caller counts
    counters.sent([entry()])  # its caller has left
    counters.sent([entry("b")] * 25)
    shares = {label: usage.calls for label, usage in counters.callers.items()}
    assert shares == pytest.approx({OTHER: 1.0, "a": 1.5, "b": 1.5})


def test_callers_beyond_the_limit_are_counted_together() -> None:
    """However many callers come, and however long their names are, the number of labels is bounded."""
    counters = Counters(1, caller_limit=3)
    for number in range(1000):
        counters.received("c", f"caller-{number}", 1)
        accepted(counters, caller=f"caller-{number}")
        counters.sent([entry(f"caller-{number}")])
    counters.received("c", "x" * 257, 1)
    assert set(counters.callers) == {OTHER, "caller-0", "caller-1", "caller-2"}
    other = counters.callers[OTHER]
    assert (other.received, other.answers, other.calls) == (998, {Outcome.ACCEPTED: 997}, 997.0)


def test_an_idle_caller_is_forgotten_unless_it_is_connected() -> None:
    """The label of a caller that has been idle for long is free for another, unless it is connected."""
    counters = Counters(1, caller_limit=2)
    for caller in ("gone", "connected"):
        counters.received("c", caller, 1)
    counters.tidy(0.0, 0, (), {"connected"})
    counters.tidy(IDLE_WHERE_FULL_S + 1, 0, (), {"connected"})
    counters.received("c", "new", 1)
    assert set(counters.callers) == {OTHER, "connected", "new"}


def test_refused_callers_take_no_label_of_callers_that_dial() -> None:
    """A flood of refused callers leaves the labels of usage free."""
    counters = Counters(2, caller_limit=2)
    for number in range(10):
        counters.refused(f"stranger-{number}", "unauthenticated", 1)
    counters.received("c", CALLER, 1)
    assert set(counters.callers) == {OTHER, CALLER}
    assert counters.refusals[OTHER, "unauthenticated"] == 8
