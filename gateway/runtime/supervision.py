"""Supervises the gateway's own tasks and callbacks, and reports the first bug at once.

The owner of the process waits for `failed` and stops the process. An error is reported by its type and place
only: the text of a library's error, and the values in a traceback, may contain personal data.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gateway.core.errors import CallFailure

log = logging.getLogger(__name__)

FRAMES = 30
"""Places of one error that a trace names at most, the innermost."""


class TaskEnded(Exception):  # noqa: N818 - what happened, as the core names its failures
    """A task that must run as long as the gateway has ended."""


class Supervisor:
    """Knows the first bug that ended a task or a callback of the gateway."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()
        self._bug: BaseException | None = None

    def report(self, bug: BaseException) -> None:
        """Note a bug. The first one counts, and is logged; others may only follow from it."""
        if self._bug is None:
            self._bug = bug
            log.critical("a bug of the gateway, which leaves:\n%s", trace_of(bug))
        self._happened.set()

    @property
    def failing(self) -> bool:
        """Whether a bug has been met."""
        return self._bug is not None

    async def failed(self) -> BaseException:
        """Wait for a bug; return the first."""
        await self._happened.wait()
        return self._bug or TaskEnded()

    def watch(self, task: "asyncio.Task[Any]", *, endless: bool = False) -> None:
        """Report what a task ends with, if that is no cancellation; also a plain end of an `endless` one."""
        task.add_done_callback(partial(self._ended, endless=endless))

    def _ended(self, task: "asyncio.Task[Any]", *, endless: bool) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.report(error)
        elif endless:
            self.report(TaskEnded(task.get_name()))

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Return a callback that reports exceptions of `callback` instead of raising them to a library.

        It can be called once. It releases `callback` then, since libraries keep the callbacks that they have
        called.
        """
        kept = [callback]

        def guard(*arguments: Any) -> None:
            try:
                kept.pop()(*arguments)
            except Exception as bug:  # noqa: BLE001 - whatever it is, it is a bug and is reported
                self.report(bug)

        return guard


async def kept_up(begin: Callable[[], Coroutine[None, None, None]], what: str, pause_s: float) -> None:
    """Run work that must not end, until cancelled. After a bug it is begun again, `pause_s` seconds later.

    It is for work whose bugs may come from what another process has sent, so that they must not end this one.
    """
    while True:
        try:
            await begin()
        except Exception as bug:  # noqa: BLE001 - no bug may end this work
            log.error("%s met a bug, and begins again:\n%s", what, trace_of(bug))
        await asyncio.sleep(pause_s)


def trace_of(error: BaseException) -> str:
    """Return the places of an error and its causes, line by line, without the texts of foreign errors."""
    parts, seen = [], set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        parts.append(_one(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nwhich came after:\n".join(parts)


def _one(error: BaseException) -> str:
    places = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    lines = [f"  {place.filename}:{place.lineno} in {place.name}" for place in places]
    said = f": {error}" if isinstance(error, CallFailure | TaskEnded) and str(error) else ""
    return "\n".join([*lines, f"  {type(error).__module__}.{type(error).__qualname__}{said}"])
