"""One look at all campaigns, for everybody who watches them: services over gRPC, people in the console."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.listing import CampaignRow, Rows

LOOK_EVERY_S = 0.25
"""Seconds for which one look at all campaigns serves everybody."""
LOOK_SHARE = 0.1
"""The share of the time that looks may take: where campaigns are very many a look serves for longer."""
PARTS_AT_ONCE = 4
"""Parts of a look that are made at once for a caller that does not wait: about ten milliseconds."""


class Look(NamedTuple):
    """The campaigns by their ids in order, and the instant at which they were looked at."""

    at: float
    rows: dict[str, CampaignRow]


@dataclass(slots=True)
class _Making:
    """A look under construction, and the seconds spent on it."""

    rows: Rows
    began_at: float
    version: int
    cost_s: float = 0.0


class Looks:
    """Makes a new look only if the last one is too old. Callers must not change the result.

    A look is made in parts. `rows` begins one, and `now` is the clock.
    """

    def __init__(self, rows: Callable[[], Rows], now: Callable[[], float]) -> None:
        self._rows = rows
        self._now = now
        self._again_at = float("-inf")
        self._version = 0
        self._last = Look(float("-inf"), {})
        self._looking: asyncio.Task[None] | None = None

    async def fresh(self) -> Look:
        """Return a look at the campaigns that is not too old and includes every order given so far."""
        while self._now() >= self._again_at:
            await asyncio.shield(self._begin())
        return self._last

    def last(self) -> Look:
        """Return the last look, for callers that ask again soon. If it is too old, a new one is made.

        With many campaigns that takes longer than this call, which then returns the old one.
        """
        if self._now() >= self._again_at and (self._looking is None or self._looking.done()):
            work = _Making(self._rows(), self._now(), self._version)
            if self._goes_on(work, PARTS_AT_ONCE):
                self._looking = asyncio.create_task(self._look(work), name="look")
        return self._last

    def outdated(self) -> None:
        """Note that something was done to a campaign: the next look is a new one, which shows it."""
        self._again_at = float("-inf")
        self._version += 1

    def _begin(self) -> "asyncio.Task[None]":
        if self._looking is None or self._looking.done():
            work = _Making(self._rows(), self._now(), self._version)
            self._looking = asyncio.create_task(self._look(work), name="look")
        return self._looking

    async def _look(self, work: "_Making") -> None:
        while self._goes_on(work, 1):  # noqa: ASYNC110 - it waits for nothing
            await asyncio.sleep(0)  # others have their turn

    def _goes_on(self, work: "_Making", parts: int) -> bool:
        """Make a number of parts of a look; return whether there are more."""
        began = self._now()
        try:
            for _ in range(parts):
                next(work.rows)
        except StopIteration as done:
            now = self._now()
            self._last = Look(work.began_at, done.value)
            if work.version == self._version:  # otherwise an order to a campaign came meanwhile
                cost_s = work.cost_s + now - began
                self._again_at = max(work.began_at + LOOK_EVERY_S, now + cost_s / LOOK_SHARE - cost_s)
            return False
        work.cost_s += self._now() - began
        return True
