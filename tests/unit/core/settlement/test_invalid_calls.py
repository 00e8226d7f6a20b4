"""A refused call counts as invalid as a whole only after a number of searches without a bad item."""

from gateway.core.settlement.invalid_calls import CALLS_TO_BLAME, CAMPAIGNS_COUNTED, InvalidCalls


def searched(invalid_calls: InvalidCalls, campaign_id: str, calls: int) -> None:
    """Let Connect refuse calls in the search for a bad item, none of which is to blame."""
    for _ in range(calls):
        assert invalid_calls.refused(campaign_id, search=True) is False


def test_a_call_is_to_blame_after_a_long_search_and_a_refusal_of_other_items() -> None:
    invalid_calls = InvalidCalls()
    assert invalid_calls.refused("campaign", search=False) is False
    searched(invalid_calls, "campaign", CALLS_TO_BLAME - 1)
    assert invalid_calls.refused("campaign", search=False) is False
    searched(invalid_calls, "campaign", 1)
    assert invalid_calls.refused("campaign", search=False) is True
    assert invalid_calls.refused("other", search=False) is False


def test_an_answer_ends_the_row_of_refused_calls_of_its_campaign() -> None:
    invalid_calls = InvalidCalls()
    for campaign_id in ("one", "two"):
        searched(invalid_calls, campaign_id, CALLS_TO_BLAME)
    invalid_calls.answered("one")
    invalid_calls.answered("unknown")
    assert invalid_calls.refused("one", search=False) is False
    assert invalid_calls.refused("two", search=False) is True


def test_the_campaign_with_the_oldest_refusal_is_forgotten_first() -> None:
    """However many campaigns Connect refuses calls of, those counted are bounded."""
    invalid_calls = InvalidCalls()
    for number in range(CAMPAIGNS_COUNTED):
        searched(invalid_calls, f"campaign-{number}", CALLS_TO_BLAME)
    searched(invalid_calls, "campaign-0", 1)
    searched(invalid_calls, "new", CALLS_TO_BLAME)
    blamed = {
        number
        for number in range(CAMPAIGNS_COUNTED)
        if invalid_calls.refused(f"campaign-{number}", search=False)
    }
    assert blamed == set(range(CAMPAIGNS_COUNTED)) - {1}
    assert invalid_calls.refused("new", search=False) is True
