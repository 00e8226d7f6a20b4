"""The newest table of campaigns, and the campaigns that a text means: an id, `name:...` or a pattern.

A pattern is `name:PATTERN`, `tag:KEY=PATTERN`, or a pattern on ids, in which only `*` is special. What it
matches changes with the table. Nothing matches a name or a tag that has not been read, so a policy that
grants by names grants nothing until then.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

from gateway.directory.table import NO_CAMPAIGNS, CampaignEntry, CampaignTable, Change, changes
from gateway.runtime.patterns import Matcher, Pattern, text_pattern

NAME, TAG = "name:", "tag:"
SETTING = "DIAL_GATEWAY_CAMPAIGN_DIRECTORY"
CANDIDATES = 5
"""Campaigns that a refusal of a name suggests, at most."""


class NameProblem(Enum):
    """Why a name means no campaign."""

    OFF = "there is no campaign directory"
    UNREAD = "the campaign directory has not been read yet"
    UNKNOWN = "no campaign has this name"
    AMBIGUOUS = "several campaigns have this name"


class NameRefused(Exception):  # noqa: N818 - says what it is, like other answers
    """A name does not mean exactly one campaign. The text names the field, the rule and the candidates."""

    def __init__(self, problem: NameProblem, text: str) -> None:
        super().__init__(text)
        self.problem = problem


class CampaignDirectory:
    """The newest table. `enabled` is False if the settings name no source of it.

    Read on the event loop and by threads: each table is complete and never changes.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.table = NO_CAMPAIGNS
        self.known = False
        self.needed = False  # whether a policy or a route depends on it
        self.wanted: Callable[[], None] = lambda: None
        """Called when somebody asks for a name that is not in the table."""

    def publish(self, table: CampaignTable, *, complete: bool = True) -> list[Change]:
        """Use a table from now on; return what has become of names. An equal table changes nothing.

        `complete`: no source of the table is missing. Until the first complete table no name is resolved,
        since another campaign may have the same name.
        """
        self.known = self.known or complete
        earlier = self.table
        if table == earlier:
            return []
        self.table = table
        return changes(earlier, table)

    def get(self, campaign_id: str) -> CampaignEntry | None:
        """Return a campaign by its id, None if the newest table does not have it."""
        return self.table.entries.get(campaign_id)

    def name_of(self, campaign_id: str) -> str:
        """Return the name of a campaign, empty if it is not known."""
        entry = self.table.entries.get(campaign_id)
        return "" if entry is None else entry.name

    def resolve(self, text: str, visible: Callable[[str], bool] = lambda _: True) -> str:
        """Return the id that a caller means by an id or by `name:...`.

        Raises `NameRefused`. A campaign that is not `visible` to the caller is treated as unknown, and never
        suggested.
        """
        if not text.startswith(NAME):
            return text
        if not self.enabled:
            raise NameRefused(NameProblem.OFF, f"campaign_id: names need a campaign directory: set {SETTING}")
        if not self.known:
            raise NameRefused(NameProblem.UNREAD, f"campaign_id: {NameProblem.UNREAD.value}; try again soon")
        name = text.removeprefix(NAME)
        ids = self.table.ids_of(name)
        seen = [one for one in ids if visible(one)]
        if len(ids) == 1 and seen:
            return ids[0]
        if seen:
            raise NameRefused(NameProblem.AMBIGUOUS, self._message(NameProblem.AMBIGUOUS, seen))
        self.wanted()
        similar = self.table.similar(name, CANDIDATES, visible)
        raise NameRefused(NameProblem.UNKNOWN, self._message(NameProblem.UNKNOWN, similar))

    def _message(self, problem: NameProblem, candidates: list[str]) -> str:
        named = ", ".join(f"{_shown(self.name_of(one))} ({one})" for one in candidates[:CANDIDATES])
        advice = "use the id" if problem is NameProblem.AMBIGUOUS else "similar names"
        return f"campaign_id: {problem.value}" + (f"; {advice}: {named}" if named else "")


NO_DIRECTORY = CampaignDirectory(enabled=False)
"""The directory of a gateway without one."""


class NamePattern(NamedTuple):
    """A pattern on the names of campaigns."""

    text: str
    name: Pattern
    directory: CampaignDirectory

    def matches(self, subject: str) -> bool:
        """Whether a campaign, given by its id, has a name that matches."""
        entry = self.directory.table.entries.get(subject)
        return entry is not None and self.name.matches(entry.name)

    def undecided(self, subject: str) -> bool:
        """Whether that may change when the directory is read for the first time."""
        return not self.directory.known


class TagPattern(NamedTuple):
    """A pattern on the value of one tag of campaigns."""

    text: str
    key: str
    value: Pattern
    directory: CampaignDirectory

    def matches(self, subject: str) -> bool:
        """Whether a campaign, given by its id, has the tag with a value that matches."""
        entry = self.directory.table.entries.get(subject)
        found = None if entry is None or entry.tags is None else entry.tags.get(self.key)
        return found is not None and self.value.matches(found)

    def undecided(self, subject: str) -> bool:
        """Whether that may change when its tags are read for the first time."""
        entry = self.directory.table.entries.get(subject)
        return not self.directory.known or (entry is not None and entry.tags is None)


def campaign_pattern(text: str, directory: CampaignDirectory) -> Matcher:
    """Compile a pattern on campaigns. Raises `ValueError` with the rule that it breaks."""
    if not text.startswith((NAME, TAG)):
        return text_pattern(text)
    if not directory.enabled:
        raise ValueError(f"needs a campaign directory: set {SETTING}")
    directory.needed = True
    if text.startswith(NAME):
        return NamePattern(text, text_pattern(text.removeprefix(NAME)), directory)
    key, equals, value = text.removeprefix(TAG).partition("=")
    if not key or not equals:
        raise ValueError("must be tag:KEY=VALUE")
    if "*" in key:
        raise ValueError("must have no * in the key of a tag")
    return TagPattern(text, key, text_pattern(value), directory)


def undecided_by_any(patterns: Iterable[Matcher], campaign_id: str) -> bool:
    """Whether any pattern may match a campaign once its name and tags are known."""
    return any(
        isinstance(pattern, NamePattern | TagPattern) and pattern.undecided(campaign_id)
        for pattern in patterns
    )


def is_pattern(text: str) -> bool:
    """Whether a text may mean several campaigns: it has a `*`, or names a tag."""
    return "*" in text or text.startswith(TAG)


def _shown(name: str) -> str:
    """Return a name for a message, without characters that a terminal or a log acts on."""
    return "".join(character if character.isprintable() else "?" for character in name)
