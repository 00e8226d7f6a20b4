"""Whether a number is suppressed: by an operator, or by lists of the guard file. Pure.

Nothing is NOT_SUPPRESSED because it is not known: a list that is missing counts as if it had every number,
and while not all suppressions by operators are known, a number that none of them names is UNKNOWN.
"""

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.compliance.suppression_list import Suppressions
from gateway.core.intake.validation import problem_with_number

if TYPE_CHECKING:
    from gateway.compliance.rules import RuleSet


class NumberStatus(enum.Enum):
    """Whether a number is suppressed.

    SUPPRESSED: by an operator, for every campaign. LISTED: by a list that rules enforce, for their campaigns.
    UNKNOWN: no list has it, and this process does not know all suppressions by operators. INVALID: it is no
    number in the form E.164.
    """

    NOT_SUPPRESSED = "not suppressed"
    SUPPRESSED = "suppressed"
    LISTED = "listed"
    UNKNOWN = "unknown"
    INVALID = "invalid"


class ListRules(NamedTuple):
    """The names of the rules that refuse the numbers of a list, and of the rules that only observe them."""

    enforced_by: tuple[str, ...] = ()
    observed_by: tuple[str, ...] = ()


class NumberFound(NamedTuple):
    """Whether a number is suppressed, and all lists that have it. `problem` is the rule that it breaks."""

    status: NumberStatus
    lists: tuple[str, ...] = ()
    problem: str = ""


def rules_by_list(rules: "RuleSet") -> dict[str, ListRules]:
    """Return the rules that name each list of a guard file."""

    def naming(name: str, *, observe: bool) -> tuple[str, ...]:
        return tuple(one.name for one in rules.rules if name in one.lists and one.observe is observe)

    return {name: ListRules(naming(name, observe=False), naming(name, observe=True)) for name in rules.lists}


def look_up(
    number: str,
    suppressions: Suppressions,
    lists: Mapping[str, ListRules],
    *,
    live: bool,
    complete: bool,
) -> NumberFound:
    """Return whether a number is suppressed. `live`: an operator has suppressed it, as this process knows.

    `complete`: this process knows all suppressions by operators.
    """
    problem = problem_with_number(number)
    if problem is not None:
        return NumberFound(NumberStatus.INVALID, problem=problem)
    found = tuple(suppressions.containing(number, lists))
    if live:
        return NumberFound(NumberStatus.SUPPRESSED, found)
    if any(lists[name].enforced_by for name in found):
        return NumberFound(NumberStatus.LISTED, found)
    return NumberFound(NumberStatus.NOT_SUPPRESSED if complete else NumberStatus.UNKNOWN, found)
