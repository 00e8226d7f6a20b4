"""Retries of all replicas are a share of all first attempts, also between two ticks."""

from gateway.core.quota.retry_budget import FleetRetryBudget
from gateway.core.scheduling.pacing import RETRY_CREDIT, RETRY_SHARE
from tests.unit.core.quota.replica import NOW, Bench


def spent(budget: FleetRetryBudget) -> int:
    """Spend the whole retry budget; return how many retries that were."""
    return next(count for count in range(1_000) if not budget.spend())


def test_a_new_budget_has_its_whole_credit_and_nothing_to_report() -> None:
    budget = FleetRetryBudget()
    assert (budget.first_attempts, budget.retries) == (0, 0)
    assert spent(budget) == RETRY_CREDIT
    assert budget.retries == RETRY_CREDIT


def test_a_retry_needs_a_whole_credit_and_a_reply_says_how_much_there_is() -> None:
    budget = FleetRetryBudget()
    budget.replied(1.0)
    assert [budget.spend(), budget.spend()] == [True, False]
    assert budget.spend() is False
    budget.retries = 0  # reported
    budget.replied(0.99)
    assert not budget.spend()


def test_first_attempts_earn_their_share_and_no_more_than_the_whole_credit() -> None:
    budget = FleetRetryBudget()
    budget.replied(0.0)
    for _ in range(round(3 / RETRY_SHARE) + 1):
        budget.earn()
    assert spent(budget) == 3
    for _ in range(1_000):
        budget.earn()
    assert spent(budget) == RETRY_CREDIT


def test_a_reply_does_not_know_what_was_done_since_its_tick() -> None:
    budget = FleetRetryBudget()
    for _ in range(round(2 / RETRY_SHARE)):
        budget.earn()
    assert budget.spend()
    budget.replied(3.0)
    assert spent(budget) == 3 + 2 - 1


def test_a_tick_reports_no_attempts_if_there_were_none() -> None:
    request = Bench().permits.tick(NOW)
    assert (request.first_attempts, request.retries) == (0, 0)
