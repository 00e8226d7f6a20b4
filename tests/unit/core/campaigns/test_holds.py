"""Which campaigns are held, at most how many, and how holds end."""

import pytest

from gateway.core.campaigns.holds import Hold, Holds, TooManyHolds

FIRST, SECOND = Hold("anna", "wrong list", 1.0), Hold("ben", "", 2.0)


def test_a_campaign_is_held_until_it_is_released() -> None:
    holds = Holds()
    holds.put("a", FIRST)
    assert "a" in holds
    assert (holds.get("a"), holds.get("b")) == (FIRST, None)
    assert holds.release("a") is True
    assert holds.release("a") is False
    assert "a" not in holds


def test_no_more_campaigns_are_held_than_the_limit_and_their_holds_can_be_replaced() -> None:
    """A hold takes memory until its release; a replaced one takes no more."""
    holds = Holds(limit=2)
    holds.put("a", FIRST)
    holds.put("b", FIRST)
    with pytest.raises(TooManyHolds):
        holds.put("c", FIRST)
    holds.put("a", SECOND)
    assert holds.items() == [("a", SECOND), ("b", FIRST)]
    assert holds.release("b")
    holds.put("c", FIRST)
    assert (len(holds), holds.names()) == (2, ["a", "c"])


def test_a_hold_of_the_fleet_applies_beyond_the_limit() -> None:
    """The fleet has limited its holds already, and each must stop the calls of every replica."""
    holds = Holds(limit=1)
    holds.put("a", FIRST)
    holds.keep("b", SECOND)
    assert holds.get("b") == SECOND
