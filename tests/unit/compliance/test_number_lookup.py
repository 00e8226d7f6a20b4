"""Whether a number is suppressed, by whom, and what is not known."""

import pytest

from gateway.compliance.number_lookup import ListRules, NumberFound, NumberStatus, look_up
from gateway.compliance.suppression_list import NumberTable, Suppressions

LISTED, OTHER = "+12065550123", "+12065550199"
ENFORCED, OBSERVED = ListRules(enforced_by=("day",)), ListRules(observed_by=("trial",))
STATUS = NumberStatus


def found(
    number: str, rules: dict[str, ListRules], *, live: bool = False, complete: bool = True
) -> NumberFound:
    suppressions = Suppressions()
    suppressions.publish({"dnc": NumberTable([LISTED.encode()]), "old": NumberTable([LISTED.encode()])})
    return look_up(number, suppressions, rules, live=live, complete=complete)


@pytest.mark.parametrize("complete", [True, False])
def test_an_operator_counts_before_lists(*, complete: bool) -> None:
    """What is known stays true when more may be suppressed."""
    rules = {"dnc": ENFORCED, "old": OBSERVED}
    assert found(LISTED, rules, live=True, complete=complete) == (STATUS.SUPPRESSED, ("dnc", "old"), "")
    assert found(LISTED, rules, complete=complete) == (STATUS.LISTED, ("dnc", "old"), "")


def test_a_list_that_no_rule_enforces_suppresses_nothing() -> None:
    """It is named all the same, so that nobody takes it for one that is in force."""
    assert found(LISTED, {"old": OBSERVED}) == (STATUS.NOT_SUPPRESSED, ("old",), "")
    assert found(LISTED, {"old": ListRules()}) == (STATUS.NOT_SUPPRESSED, ("old",), "")


def test_nothing_is_not_suppressed_because_it_is_not_known() -> None:
    """A missing list counts as if it had every number."""
    assert found(OTHER, {"dnc": ENFORCED}).status is STATUS.NOT_SUPPRESSED
    assert found(OTHER, {"dnc": ENFORCED}, complete=False).status is STATUS.UNKNOWN
    assert found(LISTED, {"old": OBSERVED}, complete=False) == (STATUS.UNKNOWN, ("old",), "")
    assert found(OTHER, {"missing": ENFORCED}) == (STATUS.LISTED, ("missing",), "")


def test_what_is_no_number_is_invalid() -> None:
    """The rule is named, and never the text."""
    status, lists, problem = found("no number 0123", {"dnc": ENFORCED}, complete=False)
    assert (status, lists) == (STATUS.INVALID, ())
    assert problem.startswith("phone_number: must be E.164")
    assert "0123" not in problem
