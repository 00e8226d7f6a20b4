"""When to look at files again: after a time, or at once when asked."""

import asyncio
import contextlib

LOOK_EVERY_S = 1.0
"""Seconds between two looks at files."""


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
