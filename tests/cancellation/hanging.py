"""Hangs each await of a coroutine in turn, so that a test can cancel it there.

The coroutine runs as it would by itself, but for its n-th suspension: that one waits for ever, until
the task is cancelled. Where it hung is kept, down to the innermost await, so that a test can see
that no await of a module was left out.
"""

import ast
import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")
Places = set[tuple[str, int]]
Scenario = Callable[[int], Awaitable["Hang[Any]"]]

MOST = 200
"""Suspensions of one scenario, at most."""


class Hang(Awaitable[T]):
    """Awaits `work`, and hangs at its suspension number `at`, the first being 1.

    `within` is the asynchronous generator that the work draws from, if any: Python does not show what
    such a generator awaits, unless it is asked itself.
    """

    def __init__(
        self, work: Coroutine[Any, Any, T], at: int, within: AsyncGenerator[Any, None] | None = None
    ) -> None:
        self._work = work
        self._at = at
        self._within = within
        self.hangs = False
        self.places: Places = set()

    def __await__(self) -> Generator[Any, Any, T]:
        """Run the work, hanging once."""
        step: Callable[[], Any] = lambda: self._work.send(None)  # noqa: E731 - it changes below
        suspensions = 0
        while True:
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return] # what the coroutine returns
            suspensions += 1
            try:
                if suspensions == self._at:
                    yield from self._hang(waits_for)
                else:
                    yield waits_for
                step = lambda: self._work.send(None)  # noqa: E731
            except BaseException as error:  # noqa: BLE001 - the work is to get whatever comes
                step = lambda error=error: self._work.throw(error)  # type: ignore[misc] # noqa: E731

    def _hang(self, waits_for: Any) -> Generator[Any, Any, None]:
        self.places = places_of(self._work) | places_of(self._within)
        self.hangs = True
        try:
            yield from asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if isinstance(waits_for, asyncio.Future):  # as a task does that is cancelled
                waits_for.cancel()
                while not waits_for.done():
                    yield
                if not waits_for.cancelled():
                    waits_for.exception()  # a gathering tells its cancellation as an exception
            raise


def places_of(work: Any) -> Places:
    """Return where a suspended coroutine stands: its own line, and those of all that it awaits."""
    places: Places = set()
    while work is not None:
        kinds = ("cr", "gi", "ag")
        frame = next((found for kind in kinds if (found := getattr(work, f"{kind}_frame", None))), None)
        if frame is not None:
            places.add((frame.f_code.co_filename, frame.f_lineno))
        awaited = ("cr_await", "gi_yieldfrom", "ag_await")
        work = next((found for name in awaited if (found := getattr(work, name, None))), None)
    return places


async def turns(count: int = 50) -> None:
    """Give all tasks turns of the event loop until they wait."""
    for _ in range(count):
        await asyncio.sleep(0)


async def hangs_or_ends(hang: Hang[Any], task: "asyncio.Task[Any]") -> None:
    """Wait until the work of a task hangs, or is done."""
    async with asyncio.timeout(20):
        while not hang.hangs and not task.done():  # noqa: ASYNC110 - it need not tell
            await asyncio.sleep(0)


async def cancelled_where_it_hangs(hang: Hang[Any], task: "asyncio.Task[Any]") -> None:
    """Cancel a task once its work hangs; where it does not, the task has come to its end."""
    await hangs_or_ends(hang, task)
    if hang.hangs:
        task.cancel()
        await asyncio.wait([task])
    else:
        task.result()


async def hung_everywhere(scenario: Scenario) -> Places:
    """Run a scenario for each of its suspensions, and to its end; return all places where it hung."""
    places: Places = set()
    for at in range(1, MOST):
        before = asyncio.all_tasks()
        hang = await scenario(at)
        await turns()
        assert asyncio.all_tasks() == before, f"a task is left behind suspension {at}"
        if not hang.hangs:
            return places
        places |= hang.places
    raise AssertionError("the scenario has no end")


def awaits_of(module: ModuleType) -> list[tuple[int, int]]:
    """Return the first and last lines of every await in a module that can suspend."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Await):
            found.append((node.lineno, node.end_lineno or node.lineno))
        elif isinstance(node, ast.AsyncFor):
            found.append((node.lineno, node.iter.end_lineno or node.lineno))
        elif isinstance(node, ast.AsyncWith):
            contexts = [ast.unparse(item.context_expr) for item in node.items]
            # The only one in use, and it never suspends.
            assert all(context.startswith("asyncio.timeout(") for context in contexts), contexts
    return found


def missed(module: ModuleType, places: Places) -> list[int]:
    """Return the lines of a module's awaits that hung in none of the places."""
    lines = {line for file, line in places if file == module.__file__}
    return [first for first, last in awaits_of(module) if not lines & set(range(first, last + 1))]
