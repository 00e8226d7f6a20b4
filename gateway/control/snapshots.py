"""One look at all campaigns, for everybody who watches them: services over gRPC, people in the console.

Long work of the shell, such as a look, is done in parts. `Parts` limits it to one part for each turn of the
event loop, however many tasks have long work.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from gateway.core.views.campaign_status import CampaignRow, Rows

LOOK_EVERY_S = 0.25
"""Seconds for which one look at all campaigns serves everybody."""
LOOK_SHARE = 0.1
"""The share of the time that looks may take: where campaigns are very many a look serves for longer."""

Result = TypeVar("Result")


class Parts:
    """Runs long work in parts: of all work, at most one part in each turn of the event loop.

    Tasks take turns, so a hundred watches do not add up to one long stall.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def run(self, work: Generator[None, None, Result]) -> Result:
        """Run all parts of some work; return its result. The parts end where it yields."""
        while True:
            async with self._turn:
                try:
                    next(work)
                except StopIteration as done:
                    result: Result = done.value
                    return result
                finally:
                    await asyncio.sleep(0)  # the next part, of whichever work, is for the next turn

    async def one(self, work: Callable[[], Result]) -> Result:
        """Run work that is one part."""
        async with self._turn:
            try:
                return work()
            finally:
                await asyncio.sleep(0)


class StatusSnapshot(NamedTuple):
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


class StatusSnapshots:
    """Makes a new look only if the last one is too old. Callers must not change the result.

    A look is made in parts. `rows` begins one, given the rows before it, and `now` is the clock. `parts` runs
    it, and other long work of those who watch.
    """

    def __init__(
        self,
        rows: Callable[[dict[str, CampaignRow]], Rows],
        now: Callable[[], float],
        parts: Parts | None = None,
    ) -> None:
        self.parts = parts or Parts()
        self._rows = rows
        self._now = now
        self._again_at = float("-inf")
        self._version = 0
        self._last = StatusSnapshot(float("-inf"), {})
        self._looking: asyncio.Task[None] | None = None

    async def fresh(self) -> StatusSnapshot:
        """Return a look at the campaigns that is not too old and includes every order given so far."""
        while self._now() >= self._again_at:
            await asyncio.shield(self._begin())
        return self._last

    def outdated(self) -> None:
        """Note that something was done to a campaign: the next look is a new one, which shows it."""
        self._again_at = float("-inf")
        self._version += 1

    def _begin(self) -> "asyncio.Task[None]":
        if self._looking is None or self._looking.done():
            work = _Making(self._rows(self._last.rows), self._now(), self._version)
            self._looking = asyncio.create_task(self._look(work), name="look")
        return self._looking

    async def _look(self, work: "_Making") -> None:
        await self.parts.run(self._made(work))

    def _made(self, work: "_Making") -> Generator[None, None, None]:
        while self._goes_on(work):
            yield

    def _goes_on(self, work: "_Making") -> bool:
        """Make one part of a look; return whether there are more."""
        began = self._now()
        try:
            next(work.rows)
        except StopIteration as done:
            now = self._now()
            self._last = StatusSnapshot(work.began_at, done.value)
            if work.version == self._version:  # otherwise an order to a campaign came meanwhile
                cost_s = work.cost_s + now - began
                self._again_at = max(work.began_at + LOOK_EVERY_S, now + cost_s / LOOK_SHARE - cost_s)
            return False
        work.cost_s += self._now() - began
        return True
