"""The campaigns that a caller may see, and the changes between two snapshots, shared by all watches.

Callers with the same rights see the same rows, and watches with the same earlier snapshot get the same
changes. The first watch computes a result in parts, and the others wait for it.
"""

import asyncio
from collections.abc import Generator
from itertools import islice
from typing import Any, TypeVar

from gateway.access.actions import CampaignRight
from gateway.access.policy import Grant
from gateway.access.refusal import AccessRefusal
from gateway.control.snapshots import Parts, StatusSnapshot
from gateway.core.views.campaign_status import CampaignRow
from gateway.runtime.memory import tenured

SEEN_PART, COMPARED_PART = 2000, 4000
"""Rows that one part checks, or compares: some milliseconds of work."""
KEPT = 64
"""The number of results that are kept: those of a few snapshots for a few kinds of callers."""

Rows = dict[str, CampaignRow]
Difference = tuple[list[CampaignRow], list[str]]
Result = TypeVar("Result")


class VisibleCampaigns:
    """Computes visible rows and changes, each once. `parts` runs the work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Keys are ids of objects. Each value keeps its objects alive, so that no id is used again.
        self._known: dict[tuple[int, int], tuple[asyncio.Task[Any], object, object]] = {}

    async def visible(self, snapshot: StatusSnapshot, grant: Grant | AccessRefusal) -> Rows:
        """Return the rows of a snapshot that a caller may see."""
        if not isinstance(grant, Grant):
            return {}
        if grant.unlimited:
            return snapshot.rows
        return await self._once(snapshot.rows, grant, _visible_to(grant, snapshot.rows))

    async def difference(self, earlier: Rows, rows: Rows) -> Difference:
        """Return the rows that differ from the `earlier` ones, and the ids of campaigns that are gone."""
        if earlier is rows:
            return [], []
        return await self._once(earlier, rows, _difference(earlier, rows))

    async def _once(self, one: object, other: object, work: Generator[None, None, Result]) -> Result:
        """Return the result of work about two objects, which is done once for all callers."""
        key = (id(one), id(other))
        if key not in self._known:
            making = asyncio.create_task(self._parts.run(work), name="visible-campaigns")
            self._known[key] = making, one, other
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        task: asyncio.Task[Result] = self._known[key][0]
        return await asyncio.shield(task)  # so that a cancelled watch does not stop it


def _visible_to(grant: Grant, rows: Rows) -> Generator[None, None, Rows]:
    seen: Rows = tenured({}, len(rows))
    for number, (name, row) in enumerate(rows.items(), 1):
        if grant.may(CampaignRight.SEE, name):
            seen[name] = row
        if not number % SEEN_PART:
            yield
    return seen


def _difference(earlier: Rows, rows: Rows) -> Generator[None, None, Difference]:
    changed: list[CampaignRow] = tenured([], len(rows))
    for number, (name, row) in enumerate(rows.items(), 1):
        known = earlier.get(name)
        if known is not row and known != row:
            changed.append(row)
        if not number % COMPARED_PART:
            yield
    gone: list[str] = []
    names = iter(earlier)
    while part := list(islice(names, COMPARED_PART)):
        gone += [name for name in part if name not in rows]
        yield
    return changed, gone
