"""The rows of a look that callers may see, and the changes since another look: computed once for all.

Watches of callers with the same rights see the same rows, and watches that had the same look get the same
changes. The first watch to ask computes a result in parts; the others wait for it.
"""

import asyncio
from collections.abc import Generator
from typing import Any

from gateway.access.actions import CampaignRight
from gateway.access.policy import Grant
from gateway.access.refusal import AccessRefusal
from gateway.control.snapshots import Parts, StatusSnapshot
from gateway.core.views.campaign_status import CampaignRow

SEEN_PART, COMPARED_PART = 2000, 4000
"""Rows that are checked, or compared, in one turn of the event loop: some milliseconds."""
KEPT = 64
"""The number of latest results that are kept: a few looks for a few kinds of callers."""

Rows = dict[str, CampaignRow]
Difference = tuple[list[CampaignRow], list[str]]


class Sights:
    """Computes rows and changes, each once while it is kept; `parts` runs the work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Keys are ids of objects; each value keeps its objects alive, so that no id is used again.
        self._known: dict[tuple[int, int], tuple[asyncio.Task[Any], object, object]] = {}

    async def seen(self, look: StatusSnapshot, grant: Grant | AccessRefusal) -> Rows:
        """Return the rows of a look that a caller may see."""
        if not isinstance(grant, Grant):
            return {}
        if grant.unlimited:
            return look.rows
        found: Rows = await self._once(look.rows, grant, _seen_by(grant, look.rows))
        return found

    async def difference(self, told: Rows, rows: Rows) -> Difference:
        """Return the rows that differ from those already `told`, and the campaigns that are gone."""
        if told is rows:
            return [], []
        found: Difference = await self._once(told, rows, _difference(told, rows))
        return found

    async def _once(self, one: object, other: object, work: Generator[None, None, Any]) -> Any:
        key = (id(one), id(other))
        if key not in self._known:
            task = asyncio.create_task(self._parts.run(work), name="sight")
            self._known[key] = task, one, other
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return await asyncio.shield(self._known[key][0])  # a caller that leaves does not stop it


def _seen_by(grant: Grant, rows: Rows) -> Generator[None, None, Rows]:
    seen: Rows = {}
    for number, (name, row) in enumerate(rows.items(), 1):
        if grant.may(CampaignRight.SEE, name):
            seen[name] = row
        if not number % SEEN_PART:
            yield
    return seen


def _difference(told: Rows, rows: Rows) -> Generator[None, None, Difference]:
    changed: list[CampaignRow] = []
    for number, (name, row) in enumerate(rows.items(), 1):
        earlier = told.get(name)
        if earlier is not row and earlier != row:
            changed.append(row)
        if not number % COMPARED_PART:
            yield
    gone: list[str] = []
    names = list(told)
    for begin in range(0, len(names), COMPARED_PART):
        gone += [name for name in names[begin : begin + COMPARED_PART] if name not in rows]
        yield
    return changed, gone
