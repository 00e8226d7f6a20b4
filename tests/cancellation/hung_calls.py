"""Calls, look-ups and claims of a bench that hang at one of their awaits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.connect.port import CallSender
from gateway.core.fleet.messages import Claim, Claimed, TokenRecord
from gateway.core.model import Batch, CallReport, Priority
from gateway.shared_state.port import SharedStateUnavailable
from gateway.shared_state.rules.model_state import ModelState
from gateway.shared_state.rules.model_store import ModelStore
from tests.cancellation.bench import Bench
from tests.cancellation.hanging import Hang, hangs_or_ends, places_of
from tests.integration.world import dials


@dataclass
class Hung:
    """A Connect port whose first call, or first look at states, hangs at one of its awaits."""

    caller: CallSender
    at: int
    looks: bool = False
    hang: Hang[Any] | None = None

    async def call(self, batch: Batch, permit: Callable[[], Awaitable[bool]]) -> CallReport:
        """Call, and hang in the first call."""
        work = self.caller.call(batch, permit)
        if self.hang is not None or self.looks:
            return await work
        self.hang = hang = Hang(work, self.at)
        return await hang

    def revoke(self, batch: Batch) -> bool:
        """Revoke a call."""
        return self.caller.revoke(batch)

    async def campaign_states(self, campaign_ids: Sequence[str]) -> Mapping[str, str]:
        """Ask, and hang in the first question."""
        work = self.caller.campaign_states(campaign_ids)
        if self.hang is not None or not self.looks:
            return await work
        self.hang = hang = Hang(work, self.at)
        return await hang


class HungState(ModelState):
    """A shared state, a turn of the loop away, whose first claim, or first look-up, hangs at an await.

    `failures` is how many settlements fail.
    """

    def __init__(self, at: int = 0, *, look_ups: bool = False, failures: int = 0) -> None:
        super().__init__(ModelStore(lambda: 0), on_request=self._pass_on)
        self._at = at
        self._look_ups = look_ups
        self._failures = failures
        self.hang: Hang[Any] | None = None

    async def claim(
        self, campaign_id: str, member: str, live: Sequence[str], claims: Sequence[Claim]
    ) -> list[Claimed]:
        """Claim tokens."""
        work = super().claim(campaign_id, member, live, claims)
        return await (work if self._look_ups else self._hung(work))

    async def look_up(
        self, campaign_id: str, live: Sequence[str], tokens: Sequence[str]
    ) -> Mapping[str, TokenRecord]:
        """Look tokens up."""
        work = super().look_up(campaign_id, live, tokens)
        return await (self._hung(work) if self._look_ups else work)

    def _hung(self, work: Any) -> Any:
        if self.hang is not None or not self._at:
            return work
        self.hang = Hang(work, self._at)
        return self.hang

    async def _pass_on(self, operation: str) -> None:
        await asyncio.sleep(0)
        if operation == "settle" and self._failures:
            self._failures -= 1
            raise SharedStateUnavailable("it is away")


def task_named(name: str) -> "asyncio.Task[Any] | None":
    """Return a task by its name."""
    return next((task for task in asyncio.all_tasks() if task.get_name() == name), None)


def asked(bench: Bench, count: int, prefix: str = "t") -> Any:
    """Let a caller ask for so many dials; return its session."""
    session = bench.session()
    session.take("c", dials(count, prefix), Priority.NORMAL)
    session.close()
    return session


async def outcomes(session: Any) -> list[int]:
    """Return what a caller hears of each of its requests, in their order; it is gone then."""
    results = await asyncio.wait_for(session.answers_in_order(None), 10)
    session.caller_gone()
    return [settled.answer.outcome for settled in results]


async def started(name: str) -> "asyncio.Task[Any]":
    """Wait until a task has started; return it."""
    async with asyncio.timeout(10):
        while (task := task_named(name)) is None:  # noqa: ASYNC110 - it need not tell
            await asyncio.sleep(0)
    return task


async def hang_of(hung: "Hung | HungState", task: "asyncio.Task[Any]") -> Hang[Any]:
    """Wait until the work of a task hangs or ends; return its hang, with the places of the task."""
    async with asyncio.timeout(10):
        while hung.hang is None and not task.done():  # noqa: ASYNC110 - it need not tell
            await asyncio.sleep(0)
    assert hung.hang is not None
    await hangs_or_ends(hung.hang, task)
    hung.hang.places |= places_of(task.get_coro()) if hung.hang.hangs else set()
    return hung.hang


async def run_to_hang(hang: Hang[Any]) -> Any:
    """Await a hang, as the coroutine of a task."""
    return await hang
