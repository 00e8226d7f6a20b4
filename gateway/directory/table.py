"""A table of campaigns with their names and tags, and what differs between two tables. Pure.

Amazon Connect chooses a campaign's id. People choose its name. They may change it, give it to another
campaign, or give one name to several campaigns. Names and tags are untrusted text.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

MAX_CAMPAIGNS = 10_000
"""Campaigns in one table, at most."""
LONGEST_NAME, LONGEST_TAG_KEY, LONGEST_TAG_VALUE, MAX_TAGS = 127, 128, 256, 50
"""The limits of AWS: the service models, and the user guide about tags."""
NEIGHBOURS = 20
"""Names on each side of an unknown name that are considered as candidates."""


class CampaignEntry(NamedTuple):
    """A campaign of the directory. `tags` is None as long as they have not been read.

    `api` is the version of the API that lists it, empty in a table from a file. `arn` is empty there too.
    """

    campaign_id: str
    name: str
    tags: Mapping[str, str] | None = None
    api: str = ""
    arn: str = ""


class CampaignTable:
    """An unchangeable table of campaigns by id and by name."""

    def __init__(self, entries: Iterable[CampaignEntry] = ()) -> None:
        self.entries: Mapping[str, CampaignEntry] = {entry.campaign_id: entry for entry in entries}
        self._ids: dict[str, list[str]] = {}
        for entry in self.entries.values():
            self._ids.setdefault(entry.name, []).append(entry.campaign_id)
        self._folded = sorted((name.casefold(), name) for name in self._ids)

    def get(self, campaign_id: str) -> CampaignEntry | None:
        """Return a campaign by its id, None if the table does not have it."""
        return self.entries.get(campaign_id)

    def ids_of(self, name: str) -> list[str]:
        """Return the ids of all campaigns with a name, in order."""
        return sorted(self._ids.get(name, ()))

    def names(self) -> Iterator[tuple[str, list[str]]]:
        """Iterate over the names, each with the ids of its campaigns."""
        return iter(self._ids.items())

    def similar(self, name: str, limit: int, accept: Callable[[str], bool]) -> list[str]:
        """Return up to `limit` accepted ids, those whose names begin most like `name` first, ignoring case.

        Few names are looked at, since callers can ask for any number of unknown ones.
        """
        folded = name.casefold()
        at = bisect_left(self._folded, (folded, ""))
        around = self._folded[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
        nearest = sorted(around, key=lambda pair: -_common_length(pair[0], folded))
        ids = (one for found, exact in nearest if _common_length(found, folded) for one in self.ids_of(exact))
        accepted = (one for one in ids if accept(one))
        return [one for one, _ in zip(accepted, range(limit), strict=False)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CampaignTable) and self.entries == other.entries

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        return len(self.entries)


NO_CAMPAIGNS = CampaignTable()


class Change(NamedTuple):
    """What operators must know about a name: `event` for people, and the campaigns that it concerns."""

    event: str
    name: str
    campaigns: tuple[str, ...]


MOVED = "a campaign name has moved to another campaign"
RENAMED = "a campaign has another name"
SHARED = "several campaigns have the same name, so it cannot be used instead of an id"


def changes(earlier: CampaignTable, later: CampaignTable) -> list[Change]:
    """Return the names that have moved, then the campaigns that were renamed, then names that are shared.

    New and deleted campaigns are no change of a name.
    """
    moved, renamed, shared = [], [], []
    for name, ids in later.names():
        before = earlier.ids_of(name)
        if before and not set(before) & set(ids):
            moved.append(Change(MOVED, name, (*before, *sorted(ids))))
        if len(ids) > 1 and len(before) < 2:
            shared.append(Change(SHARED, name, tuple(sorted(ids))))
    for campaign_id, entry in later.entries.items():
        known = earlier.get(campaign_id)
        if known is not None and known.name != entry.name:
            renamed.append(Change(RENAMED, entry.name, (campaign_id,)))
    return [*moved, *renamed, *shared]


def _common_length(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return length
