"""When to check files for changes: regularly, when asked, and at the start until they are complete."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gateway.access.errors import StillChangingError

CHECK_EVERY_S = 1.0
"""Seconds between two checks of the files."""
LONGEST_SETTLING_S = 30.0
"""Seconds in which the files must be complete at the start."""


class FileCheckTimer:
    """Times the checks of some files. `ask` may be called from a signal handler of the event loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Let the next check come at once, instead of at its regular time."""
        self._asked.set()

    async def next(self) -> None:
        """Wait until the next check is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_EVERY_S):
                await self._asked.wait()
        self._asked.clear()


async def until_settled(
    changing: Callable[[], str],
    reread: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Have files read again at each check until none is `changing`, which returns the name of one or "".

    Raises `StillChangingError` after `LONGEST_SETTLING_S`.
    """
    left = round(LONGEST_SETTLING_S / CHECK_EVERY_S)
    while name := changing():
        if left == 0:
            raise StillChangingError(f"{name} is still changing")
        left -= 1
        await sleep(CHECK_EVERY_S)
        await reread()
