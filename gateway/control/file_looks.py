"""When to look at files again: after a time, or at once when asked, or until they are complete."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gateway.access.errors import StillChangingError

LOOK_EVERY_S = 1.0
"""Seconds between two looks at files."""
LONGEST_SETTLING_S = 30.0
"""Seconds in which the files must be complete at the start."""


class FileLooks:
    """The looks at some files. `ask` may be called from a signal handler of the event loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look at once, instead of at the next regular time."""
        self._asked.set()

    async def next(self) -> None:
        """Wait until it is time for the next look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._asked.wait()
        self._asked.clear()


async def until_settled(
    changing: Callable[[], str],
    reread: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Have files read again at each look until none is `changing`, which returns the name of one or "".

    Raises `StillChangingError` after `LONGEST_SETTLING_S`.
    """
    left = round(LONGEST_SETTLING_S / LOOK_EVERY_S)
    while name := changing():
        if left == 0:
            raise StillChangingError(f"{name} is still changing")
        left -= 1
        await sleep(LOOK_EVERY_S)
        await reread()
