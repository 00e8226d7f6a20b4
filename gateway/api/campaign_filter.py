"""Chooses campaigns by id, name or tag, and finds those whose names or tags have changed."""

from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import islice

from gateway.access.actions import CampaignRight
from gateway.access.policy import Grant
from gateway.api.wire.campaigns import BadRequest
from gateway.core.views.campaign_status import CampaignRow
from gateway.directory.directory import CampaignDirectory, campaign_pattern
from gateway.directory.table import CampaignTable

PART = 2000
"""Campaigns that one part of the work looks at: some milliseconds."""

Rows = dict[str, CampaignRow]


def matching(
    text: str,
    rows: Rows,
    grant: Grant,
    directory: CampaignDirectory,
    row: Callable[[str], CampaignRow],
) -> Generator[None, None, Rows]:
    """Return, in parts, the campaigns that a text means, in the order of their ids.

    These are some of the `rows`, and campaigns of the directory that the caller may see; `row` makes the row
    of one. Raises `BadRequest` for a text that is no pattern.
    """
    try:
        pattern = campaign_pattern(text, directory)
    except ValueError as error:
        raise BadRequest(f"campaign: {error}") from None
    found: list[str] = []
    candidates = iter(rows.keys() | directory.table.entries.keys())
    while part := list(islice(candidates, PART)):
        found += [
            one for one in part if pattern.matches(one) and (one in rows or grant.may(CampaignRight.SEE, one))
        ]
        yield
    return {one: rows.get(one) or row(one) for one in sorted(found)}


def described_differently(
    earlier: CampaignTable, later: CampaignTable, known: Rows, rows: Rows
) -> Generator[None, None, list[CampaignRow]]:
    """Return, in parts, the rows that are `known` to a watch and have another name or other tags now."""
    changed: list[CampaignRow] = []
    left: Iterable[CampaignRow] = iter(rows.values())
    while part := list(islice(left, PART)):
        changed += [
            row
            for row in part
            if row.campaign_id in known and earlier.get(row.campaign_id) != later.get(row.campaign_id)
        ]
        yield
    return changed


def merged(one: Sequence[CampaignRow], other: Sequence[CampaignRow]) -> list[CampaignRow]:
    """Return all rows of both, each once."""
    return list({row.campaign_id: row for row in (*one, *other)}.values())
