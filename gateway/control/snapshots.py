"""Snapshots of all campaigns, shared by all watchers: gRPC clients and the console.

The shell does long work, such as a snapshot, in parts. `Parts` limits it to one part in each turn of the
event loop, however many tasks have long work.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from gateway.core.views.campaign_status import CampaignRow, Rows

SHARED_FOR_S = 0.25
"""Seconds for which all watchers share one snapshot."""
LOAD_LIMIT = 0.1
"""The share of the time that snapshots may take. With very many campaigns, each is shared for longer."""

Result = TypeVar("Result")


class Parts:
    """Runs long work in parts: of all work, at most one part in each turn of the event loop.

    Tasks take turns, so a hundred watches do not add up to one long stall.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def run(self, work: Generator[None, None, Result]) -> Result:
        """Run work to its end; return its result. A part ends at each `yield`."""
        while True:
            async with self._turn:
                try:
                    next(work)
                except StopIteration as done:
                    result: Result = done.value
                    return result
                finally:
                    await asyncio.sleep(0)  # the next part runs in the next turn of the loop

    async def one(self, work: Callable[[], Result]) -> Result:
        """Run work that consists of one part."""
        async with self._turn:
            try:
                return work()
            finally:
                await asyncio.sleep(0)


class ReplicaSeen(NamedTuple):
    """A replica of the fleet, and whether its campaigns are part of a snapshot."""

    name: str
    reported: bool


class StatusSnapshot(NamedTuple):
    """All campaigns, ordered by id, and the instant at which the snapshot was begun.

    `replicas` are those of the fleet by name; none without a shared state.
    """

    at: float
    rows: dict[str, CampaignRow]
    replicas: tuple[ReplicaSeen, ...] = ()


@dataclass(slots=True)
class _PendingSnapshot:
    """A snapshot under construction, and the seconds spent on it."""

    rows: Rows
    began_at: float
    version: int
    cost_s: float = 0.0


class StatusSnapshots:
    """Makes a new snapshot only if the last one is too old. Callers must not change the result.

    `rows` begins a snapshot, which is made in parts, given the rows of the one before. `now` returns seconds.
    `parts` runs it, and other long work for watchers. `replicas` returns the replicas in a snapshot.
    """

    def __init__(
        self,
        rows: Callable[[dict[str, CampaignRow]], Rows],
        now: Callable[[], float],
        parts: Parts | None = None,
        replicas: Callable[[], tuple[ReplicaSeen, ...]] = tuple,
    ) -> None:
        self.parts = parts or Parts()
        self._replicas = replicas
        self._rows = rows
        self._now = now
        self._again_at = float("-inf")
        self._version = 0
        self._last = StatusSnapshot(float("-inf"), {})
        self._task: asyncio.Task[None] | None = None

    async def fresh(self) -> StatusSnapshot:
        """Return a snapshot that is recent and shows every operation so far."""
        while self._now() >= self._again_at:
            await asyncio.shield(self._begin())
        return self._last

    async def as_listed(self, row: CampaignRow) -> CampaignRow:
        """Return a campaign as listings show it, given the row of this replica."""
        return row

    def outdated(self) -> None:
        """Note that a campaign was changed, so that the next snapshot is a new one, which shows it."""
        self._again_at = float("-inf")
        self._version += 1

    def _begin(self) -> "asyncio.Task[None]":
        if self._task is None or self._task.done():
            work = _PendingSnapshot(self._rows(self._last.rows), self._now(), self._version)
            self._task = asyncio.create_task(self._make(work), name="snapshot")
        return self._task

    async def _make(self, work: "_PendingSnapshot") -> None:
        await self.parts.run(self._parts_of(work))

    def _parts_of(self, work: "_PendingSnapshot") -> Generator[None, None, None]:
        while self._make_part(work):
            yield

    def _make_part(self, work: "_PendingSnapshot") -> bool:
        """Make one part of a snapshot; return whether there are more."""
        began = self._now()
        try:
            next(work.rows)
        except StopIteration as done:
            now = self._now()
            self._last = StatusSnapshot(work.began_at, done.value, self._replicas())
            if work.version == self._version:  # no campaign was changed during this snapshot
                cost_s = work.cost_s + now - began
                self._again_at = max(work.began_at + SHARED_FOR_S, now + cost_s / LOAD_LIMIT - cost_s)
            return False
        work.cost_s += self._now() - began
        return True
