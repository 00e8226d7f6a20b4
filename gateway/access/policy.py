"""The policy: which callers may dial which campaigns, with which priority and limits, and their other rights.

The first entry that names the caller's identity counts. `gateway.access.policy_file` reads the policy. This
module decides, and knows no file.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.access.actions import CampaignRight, NumberRight
from gateway.core.model import Priority
from gateway.directory.directory import CampaignDirectory, undecided_by_any
from gateway.directory.table import NO_CAMPAIGNS, CampaignTable
from gateway.runtime.patterns import Matcher, matches_any

REMEMBERED = 10_000
"""Decisions that are remembered, at most: about identities, and of each about campaigns."""

Patterns = tuple["Matcher", ...]


class DialRule(NamedTuple):
    """Campaigns that may be dialed, up to a priority."""

    campaigns: Patterns
    priority: Priority = Priority.NORMAL


class _Decisions(dict[str, Priority | None]):
    """Remembered decisions by campaign, and the table of campaigns that they were made with."""

    __slots__ = ("table",)

    def __init__(self) -> None:
        super().__init__()
        self.table: CampaignTable = NO_CAMPAIGNS


@dataclass(frozen=True, slots=True)
class Grant:
    """The grant of one caller.

    `weight` is how many calls it makes in each of its turns. `window` is the limit of its unanswered requests
    over all streams, None for the default. A caller that may dial, hold, release or purge a campaign may see
    it too. `numbers` are its rights for phone numbers of all campaigns. `directory` has the names and tags
    that the patterns may mean, None if there is none.
    """

    dial: tuple[DialRule, ...] = ()
    actions: dict[CampaignRight, Patterns] = field(default_factory=dict)
    weight: int = 1
    window: int | None = None
    unlimited: bool = False  # whether it may do everything, and nothing need be looked up
    directory: CampaignDirectory | None = field(default=None, compare=False, repr=False)
    numbers: frozenset[NumberRight] = frozenset()
    _known: _Decisions = field(default_factory=_Decisions, compare=False, repr=False)

    @property
    def dials(self) -> bool:
        """Whether it may dial any campaign."""
        return self.unlimited or bool(self.dial)

    def may_dial(self, campaign_id: str) -> Priority | None:
        """Return the highest priority at which it may dial a campaign, None if it may not."""
        if self.unlimited:
            return Priority.HIGH
        if self.directory is not None and self._known.table is not self.directory.table:
            self._known.clear()
            self._known.table = self.directory.table
        try:
            return self._known[campaign_id]
        except KeyError:
            pass
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        allowed = [rule.priority for rule in self.dial if matches_any(rule.campaigns, campaign_id)]
        self._known[campaign_id] = found = min(allowed, default=None)
        return found

    def undecided(self, campaign_id: str) -> bool:
        """Whether it may be allowed to dial a campaign once the names and tags of campaigns are known."""
        return any(undecided_by_any(rule.campaigns, campaign_id) for rule in self.dial)

    def may(self, action: CampaignRight, campaign_id: str) -> bool:
        """Whether it may do something with a campaign."""
        if self.unlimited or matches_any(self.actions.get(action, ()), campaign_id):
            return True
        if action is not CampaignRight.SEE:
            return False
        return self.may_dial(campaign_id) is not None or any(
            matches_any(patterns, campaign_id) for patterns in self.actions.values()
        )

    def may_with_numbers(self, right: NumberRight) -> bool:
        """Whether it may do something with phone numbers."""
        return self.unlimited or right in self.numbers


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """An entry of the policy: whose grant it is."""

    identities: Patterns
    grant: Grant
    name: str = ""

    def in_words(self) -> str:
        """Return who may do what by this entry, in one line."""
        grant = self.grant
        rights = [f"dial {_named(rule.campaigns)} up to {rule.priority.name}" for rule in grant.dial]
        rights += [f"{action.value} {_named(patterns)}" for action, patterns in grant.actions.items()]
        rights += [_NUMBERS_IN_WORDS[right] for right in NumberRight if right in grant.numbers]
        extent = f"weight {grant.weight}" + (f", window {grant.window:,}" if grant.window is not None else "")
        who = f"{self.name}: " if self.name else ""
        return f"{who}{_named(self.identities)} may {'; '.join(rights) or 'do nothing'} ({extent})"


_NUMBERS_IN_WORDS = {
    NumberRight.SUPPRESS: "suppress numbers",
    NumberRight.END_SUPPRESSIONS: "end suppressions of numbers",
    NumberRight.SEE_SUPPRESSIONS: "see which numbers are suppressed",
}


def _named(patterns: Patterns) -> str:
    return ", ".join(pattern.text for pattern in patterns)


class Policy:
    """All entries, in order."""

    def __init__(self, entries: tuple[PolicyEntry, ...]) -> None:
        self.entries = entries
        self._known: dict[str, Grant | None] = {}

    def grant(self, identity: str) -> Grant | None:
        """Return the grant of an identity, None if no entry names it."""
        try:
            return self._known[identity]
        except KeyError:
            pass
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        found = (entry.grant for entry in self.entries if matches_any(entry.identities, identity))
        self._known[identity] = grant = next(found, None)
        return grant


EVERYTHING = Grant(unlimited=True)
"""The grant of all callers without a policy."""
