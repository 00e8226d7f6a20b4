"""Which events are counted, under which label, and when a campaign is dropped."""

from gateway.core.model import Answer, ItemFailure, Outcome, Reason
from gateway.telemetry.counters import IDLE_S, IDLE_WHERE_FULL_S, OTHER, Counters

ACCEPTED = Answer(Outcome.ACCEPTED)


def received(counters: Counters) -> dict[str, int]:
    return {label: found.received for label, found in counters.campaigns.items() if found.received}


def test_answers_are_counted_by_outcome_and_reason() -> None:
    """Each pair of outcome and reason has its count, in the words of the contract."""
    counters = Counters(10)
    for answer in (ACCEPTED, ACCEPTED, Answer(Outcome.UNKNOWN, Reason.DEADLINE)):
        counters.answered("c", answer)
    assert sorted(counters.campaigns["c"].answers()) == [
        (Outcome.ACCEPTED, Reason.NONE, 2),
        (Outcome.UNKNOWN, Reason.DEADLINE, 1),
    ]


def test_every_pair_of_outcome_and_reason_is_told_apart() -> None:
    """No two pairs share a count."""
    counters = Counters(10)
    pairs = {(outcome, reason, 1) for outcome in Outcome for reason in Reason}
    for outcome, reason, _ in pairs:
        counters.answered("c", Answer(outcome, reason))
    assert set(counters.campaigns["c"].answers()) == pairs


def test_campaigns_beyond_the_limit_are_counted_together() -> None:
    """The first campaigns have their own labels. Counts of all others add up under one."""
    counters = Counters(2)
    for number in range(5):
        counters.received(f"c-{number}", 10)
    assert received(counters) == {"c-0": 10, "c-1": 10, OTHER: 30}
    counts = counters.counts()
    assert (counts.label("c-1"), counts.label("c-2")) == ("c-1", OTHER)


def test_an_id_that_is_none_gets_no_label() -> None:
    """An empty campaign id, and one longer than any that is taken, is counted with the others."""
    counters = Counters(10)
    counters.received("", 1)
    counters.received("c" * 257, 2)
    counters.received("c" * 256, 4)
    assert received(counters) == {OTHER: 3, "c" * 256: 4}


def test_a_campaign_called_as_the_others_are_is_one_of_them() -> None:
    """A campaign whose id is the label of the rest is added to it: no series comes twice."""
    counters = Counters(1)
    for name in ("c", OTHER, "d"):
        counters.received(name, 1)
    assert received(counters) == {"c": 1, OTHER: 2}


def test_an_idle_campaign_is_forgotten() -> None:
    """The counts of a long idle campaign are dropped. Busy and recently changed ones stay."""
    counters = Counters(10)
    for name in ("idle", "busy", "stirred"):
        counters.received(name, 1)
    counters.tidy(0.0, 0, {"busy"})
    counters.answered("stirred", ACCEPTED)
    counters.tidy(IDLE_S + 1, 0, {"busy"})
    assert set(received(counters)) == {"busy", "stirred"}
    counters.tidy(2 * IDLE_S + 3, 0, ())
    assert set(counters.campaigns) == {OTHER}


def test_idle_campaigns_make_room_sooner_where_all_labels_are_taken() -> None:
    """A flood of made-up ids keeps the labels for minutes, not for half an hour."""
    counters = Counters(3)
    for number in range(10):
        counters.received(f"made-up-{number}", 1)
    counters.tidy(0.0, 0, ())
    counters.tidy(IDLE_WHERE_FULL_S + 1, 7, ())
    counters.received("real", 5)
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
    counters.received("c", 1)
    counters.answered("c", ACCEPTED)
    counts = counters.counts()
    counters.received("c", 1)
    counters.answered("c", ACCEPTED)
    counters.changed("c", "cooling")
    counters.rpcs["Put", "answered"] += 1
    assert counts.campaigns["c"].received == 1
    assert [count for *_, count in counts.campaigns["c"].answers()] == [1]
    assert not counts.campaigns["c"].changes
    assert not counts.rpcs
