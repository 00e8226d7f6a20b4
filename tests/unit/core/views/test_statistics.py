"""Counts and rates per campaign are right, and bounded for any number of ids."""

import pytest

from gateway.core.campaigns.holds import ActionKind, OperatorAction
from gateway.core.model import Answer, Outcome, Settled, Source, Waiter
from gateway.core.views.statistics import IDLE_S, RATE_OVER_S, Statistics
from tests.unit.core.making import NOW


def answers(campaign_id: str, outcome: Outcome, count: int) -> list[Settled]:
    waiter = Waiter(Source(), 0)
    return [Settled(waiter, campaign_id, "t", Answer(outcome)) for _ in range(count)]


def test_answers_are_counted_by_outcome() -> None:
    """Each answer counts once, for its campaign."""
    statistics = Statistics()
    mixed = [
        *answers("a", Outcome.ACCEPTED, 3),
        *answers("b", Outcome.EXPIRED, 2),
        *answers("a", Outcome.UNKNOWN, 1),
        *answers("a", Outcome.ACCEPTED, 2),
    ]
    statistics.count(NOW, mixed)
    records = dict(statistics.records(NOW))
    assert records["a"].counts == {**dict.fromkeys(Outcome, 0), Outcome.ACCEPTED: 5, Outcome.UNKNOWN: 1}
    assert records["b"].counts[Outcome.EXPIRED] == 2


def test_the_rate_is_that_of_the_last_minute() -> None:
    """A steady 250 accepted a second read as 250 after a minute, and as 0 a minute after they end."""
    statistics = Statistics()
    for tick in range(600):
        statistics.accept(NOW + tick / 10, "a", 25)
    record = dict(statistics.records(NOW + 60))["a"]
    assert record.rate(NOW + 60) == pytest.approx(250, rel=0.02)
    assert record.rate(NOW + 120) < 1.0


def test_answers_are_no_goodput() -> None:
    """Replayed answers count as such: what Connect accepted is known from calls alone."""
    statistics = Statistics()
    statistics.accept(NOW, "a", 20)
    replayed = Answer(Outcome.ACCEPTED, replayed=True)
    again = [Settled(Waiter(Source(), 0), "a", "t", replayed) for _ in range(3)]
    statistics.count(NOW, [*answers("a", Outcome.ACCEPTED, 20), *again])
    assert (statistics.accepted, statistics.replayed) == (20, 3)
    record = dict(statistics.records(NOW))["a"]
    assert record.counts[Outcome.ACCEPTED] == 23
    assert record.rate(NOW) == pytest.approx(20 / RATE_OVER_S)


def test_ten_thousand_ids_are_bounded() -> None:
    """Beyond the limit the campaign idle for longest is forgotten first; an active one stays."""
    statistics = Statistics(limit=100)
    for number in range(10_000):
        statistics.count(
            NOW + number, [*answers(f"c{number}", Outcome.REJECTED, 1), *answers("busy", Outcome.ACCEPTED, 1)]
        )
    assert len(statistics) == 100
    assert dict(statistics.records(NOW + 10_000))["busy"].counts[Outcome.ACCEPTED] == 10_000


def test_idle_campaigns_are_forgotten() -> None:
    """A campaign is forgotten some time after its last answer or action."""
    statistics = Statistics()
    statistics.count(NOW, answers("a", Outcome.ACCEPTED, 1))
    statistics.acted("b", OperatorAction(ActionKind.PURGE, "me", "", NOW + 10))
    assert {name for name, _ in statistics.records(NOW + IDLE_S)} == {"a", "b"}
    assert {name for name, _ in statistics.records(NOW + IDLE_S + 1)} == {"b"}


@pytest.mark.parametrize("campaign_id", ["", "..", "a b", "c" * 257])
def test_ids_that_no_campaign_can_have_are_not_kept(campaign_id: str) -> None:
    """Rejected requests with an invalid campaign id leave nothing behind."""
    statistics = Statistics()
    statistics.count(NOW, answers(campaign_id, Outcome.REJECTED, 1))
    assert len(statistics) == 0
