"""Conditions that another replica of the fleet has found: what changes here, and who is told."""

import random

from gateway.core.campaigns.condition import Condition, ConditionChange, NotFlowing
from gateway.core.campaigns.conditions import Conditions
from gateway.core.model import NoticeKind
from tests.unit.core.making import NOW

COOLING, PARKED = NoticeKind.CAMPAIGN_COOLING, NoticeKind.CAMPAIGN_PARKED


def shared() -> Conditions:
    """Make conditions of a fleet in which every campaign flows."""
    conditions = Conditions(random.Random(1))
    conditions.begin_sharing()
    return conditions


def cooling(until: float = NOW + 4.0) -> NotFlowing:
    """Return the condition of a campaign that another replica has cooled down."""
    return NotFlowing(Condition.COOLING, NOW, until, COOLING, elsewhere=True)


def test_a_pause_that_another_replica_has_begun_is_reported_once() -> None:
    conditions = shared()
    notice = conditions.copy(NOW, "a", cooling())
    assert notice is not None
    assert (notice.kind, notice.retry_after_s) == (COOLING, 4.0)
    assert conditions.take_changes() == [ConditionChange("a", Condition.COOLING, "", 4.0, elsewhere=True)]
    assert conditions.copy(NOW + 1.0, "a", cooling(NOW + 9.0)) is None
    assert conditions.take_changes() == []
    assert not conditions.has_to_share


def test_callers_are_told_only_of_another_cause() -> None:
    """A probe is no news to them: the campaign still does not flow, for the same cause."""
    conditions = shared()
    conditions.copy(NOW, "a", cooling())
    conditions.take_changes()
    probing = NotFlowing(Condition.PROBING, NOW, NOW + 60.0, COOLING, elsewhere=True)
    assert conditions.copy(NOW, "a", probing) is None
    parked = NotFlowing(Condition.PARKED, NOW, NOW + 5.0, PARKED, "Paused", elsewhere=True)
    notice = conditions.copy(NOW, "a", parked)
    assert notice is not None
    assert notice.kind is PARKED
    assert conditions.take_changes() == [
        ConditionChange("a", Condition.PROBING, "", again=True, elsewhere=True),
        ConditionChange("a", Condition.PARKED, "Paused", again=True, elsewhere=True),
    ]


def test_a_campaign_that_flows_again_elsewhere_flows_here_and_that_is_not_shared_again() -> None:
    conditions = shared()
    conditions.throttled(NOW, "a", 1, NOW)
    assert conditions.has_to_share
    conditions.take_changes()
    conditions.flows_elsewhere("a", "Running")
    assert conditions.take_changes() == [ConditionChange("a", None, "Running", elsewhere=True)]
    assert conditions.reason("a") is None
    assert conditions.deadline(NOW) is None
    assert conditions.take_to_share() == {}
