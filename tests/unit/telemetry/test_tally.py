"""What is counted, under which label, and when it is forgotten."""

from gateway.core.model import Answer, ItemFailure, Outcome, Reason
from gateway.telemetry.tally import IDLE_S, IDLE_WHERE_FULL_S, OTHER, Tally

ACCEPTED = Answer(Outcome.ACCEPTED)


def received(tally: Tally) -> dict[str, int]:
    return {label: found.received for label, found in tally.campaigns.items() if found.received}


def test_answers_are_counted_by_outcome_and_reason() -> None:
    """Each pair of outcome and reason has its count, in the words of the contract."""
    tally = Tally(10)
    for answer in (ACCEPTED, ACCEPTED, Answer(Outcome.UNKNOWN, Reason.DEADLINE)):
        tally.answered("c", answer)
    assert sorted(tally.campaigns["c"].answers()) == [
        (Outcome.ACCEPTED, Reason.NONE, 2),
        (Outcome.UNKNOWN, Reason.DEADLINE, 1),
    ]


def test_every_pair_of_outcome_and_reason_is_told_apart() -> None:
    """No two pairs share a count."""
    tally = Tally(10)
    pairs = {(outcome, reason, 1) for outcome in Outcome for reason in Reason}
    for outcome, reason, _ in pairs:
        tally.answered("c", Answer(outcome, reason))
    assert set(tally.campaigns["c"].answers()) == pairs


def test_campaigns_beyond_the_limit_are_counted_together() -> None:
    """The first campaigns have labels of their own; what comes for others adds up under one."""
    tally = Tally(2)
    for number in range(5):
        tally.received(f"c-{number}", 10)
    assert received(tally) == {"c-0": 10, "c-1": 10, OTHER: 30}
    counts = tally.counts()
    assert (counts.label("c-1"), counts.label("c-2")) == ("c-1", OTHER)


def test_an_id_that_is_none_gets_no_label() -> None:
    """An empty campaign id, and one longer than any that is taken, is counted with the others."""
    tally = Tally(10)
    tally.received("", 1)
    tally.received("c" * 257, 2)
    tally.received("c" * 256, 4)
    assert received(tally) == {OTHER: 3, "c" * 256: 4}


def test_a_campaign_called_as_the_others_are_is_one_of_them() -> None:
    """A campaign whose id is the label of the rest is added to it: no series comes twice."""
    tally = Tally(1)
    for name in ("c", OTHER, "d"):
        tally.received(name, 1)
    assert received(tally) == {"c": 1, OTHER: 2}


def test_an_idle_campaign_is_forgotten() -> None:
    """Nothing for long, and its counts are gone; what is busy, or was stirred since, stays."""
    tally = Tally(10)
    for name in ("idle", "busy", "stirred"):
        tally.received(name, 1)
    tally.tidy(0.0, 0, {"busy"})
    tally.answered("stirred", ACCEPTED)
    tally.tidy(IDLE_S + 1, 0, {"busy"})
    assert set(received(tally)) == {"busy", "stirred"}
    tally.tidy(2 * IDLE_S + 3, 0, ())
    assert set(tally.campaigns) == {OTHER}


def test_idle_campaigns_make_room_sooner_where_all_labels_are_taken() -> None:
    """A flood of made-up ids keeps the labels for minutes, not for half an hour."""
    tally = Tally(3)
    for number in range(10):
        tally.received(f"made-up-{number}", 1)
    tally.tidy(0.0, 0, ())
    tally.tidy(IDLE_WHERE_FULL_S + 1, 7, ())
    tally.received("real", 5)
    assert received(tally) == {OTHER: 7, "real": 5}
    assert tally.campaigns["real"].began_ns == 7


def test_throttled_items_are_counted_by_kind() -> None:
    """Items that lack agents are told from those that are too many; other failures are no throttles."""
    tally = Tally(1)
    tally.throttled_items([ItemFailure.CAPACITY, ItemFailure.CAPACITY, ItemFailure.RATE])
    tally.throttled_items([ItemFailure.INVALID_INPUT, ItemFailure.UNKNOWN_ERROR])
    assert tally.throttles == {"call": 0, "item_rate": 1, "item_capacity": 2}


def test_a_copy_stands_still() -> None:
    """Counts that were copied do not change with what is counted later."""
    tally = Tally(1)
    tally.received("c", 1)
    tally.answered("c", ACCEPTED)
    counts = tally.counts()
    tally.received("c", 1)
    tally.answered("c", ACCEPTED)
    tally.changed("c", "cooling")
    tally.rpcs["Put", "answered"] += 1
    assert counts.campaigns["c"].received == 1
    assert [count for *_, count in counts.campaigns["c"].answers()] == [1]
    assert not counts.campaigns["c"].changes
    assert not counts.rpcs
