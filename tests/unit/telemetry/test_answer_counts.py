"""Answers are counted in groups, with the same result as one by one."""

import random
from collections import Counter

from gateway.core.model import Answer, Outcome, Reason, Settled, Source, Waiter
from gateway.telemetry.answer_counts import count_answers, groups
from gateway.telemetry.counters import Counters

NOW = 100.0


def settled(
    source: Source, read_at: float = 99.0, campaign_id: str = "c", answer: Answer | None = None
) -> Settled:
    return Settled(Waiter(source, 0, read_at=read_at), campaign_id, "t", answer or Answer(Outcome.ACCEPTED))


def test_equal_answers_to_one_list_are_one_group() -> None:
    """Answers that came in one list of one caller are counted together, whatever their tokens are."""
    source = Source(caller="a")
    answers = [settled(source) for _ in range(25)]
    assert list(groups(answers)) == [(answers[0], 25)]
    assert list(groups([])) == []


def test_answers_that_are_counted_differently_are_not_one_group() -> None:
    """Each difference that a metric shows ends a group."""
    source = Source(caller="a")
    answers = [
        settled(source),
        settled(source, campaign_id="d"),
        settled(Source(caller="b"), campaign_id="d"),
        settled(source, campaign_id="d"),
        settled(source, 98.0, campaign_id="d"),
        settled(source, 98.0, "d", Answer(Outcome.ACCEPTED, replayed=True)),
        settled(source, 98.0, "d", Answer(Outcome.EXPIRED, Reason.HELD)),
        settled(source, 98.0, "d", Answer(Outcome.EXPIRED, Reason.WOULD_EXPIRE)),
    ]
    assert list(groups(answers)) == [(answer, 1) for answer in answers]


def test_groups_change_no_count() -> None:
    """For random answers, the counts by campaign, by caller and by time are those of each answer alone."""
    rng = random.Random(5)
    sources = [Source(caller=name) for name in ("a", "b", "b")]
    answers = [
        settled(
            rng.choice(sources),
            rng.choice((99.92, 90.0)),
            rng.choice("cd"),
            Answer(rng.choice(list(Outcome)), replayed=rng.random() < 0.2),
        )
        for _ in range(1000)
    ]
    counters = Counters(10)
    count_answers(counters, NOW, answers)
    by_campaign = Counter((one.campaign_id, one.answer.outcome.name) for one in answers)
    by_caller = Counter((one.waiter.source.caller, one.answer.outcome) for one in answers)
    by_time = Counter((one.answer.outcome.name, one.waiter.read_at < 95) for one in answers)
    assert by_campaign == {
        (label, outcome): count
        for label, campaign in counters.campaigns.items()
        for outcome, _, count in campaign.answers()
    }
    assert by_caller == {
        (label, outcome): count
        for label, caller in counters.callers.items()
        for outcome, count in caller.answers.items()
    }
    for outcome in Outcome:
        took = counters.request_duration.of(outcome.name)
        bucket = dict(zip(took.bounds, took.buckets, strict=False))
        assert (bucket[0.1], bucket[10.0]) == (by_time[outcome.name, False], by_time[outcome.name, True])
        assert took.count == bucket[0.1] + bucket[10.0]
    assert counters.replayed == sum(one.answer.replayed for one in answers)
