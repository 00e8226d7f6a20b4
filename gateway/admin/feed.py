"""Live figures for the console's pages: one look a second for all of them, whoever reads how fast.

Nothing is queued: a page that reads slowly is told the difference to the newest look once it has read
the last. What a page costs is what the transport holds of one message.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.admin import messages
from gateway.admin.port import Console, Look

EVERY_S = 1.0
"""Seconds between two looks."""
READERS = 32
"""Pages that are told at once, at most."""
STALL_S = 20.0
"""Seconds after which a page that reads nothing is let go."""

Write = Callable[[bytes], Awaitable[None]]


class Feed:
    """Tells every reader how things stand, and how they change; `readers` are those being told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._leaving = asyncio.Event()
        self.readers = 0
        self._look_at = float("-inf")
        self._newest: Look | None = None
        self._before: Look | None = None
        self._difference = b""

    @property
    def full(self) -> bool:
        """Whether as many are told as may be."""
        return self.readers >= READERS

    async def tell(self, write: Write) -> None:
        """Tell one reader until the server leaves or `write` fails; raises `TimeoutError` where it stalls."""
        self.readers += 1
        told: Look | None = None
        try:
            while not self._leaving.is_set():
                look = self._look()
                if look is not told:
                    async with asyncio.timeout(STALL_S):
                        await write(self._message(told, look))
                    told = look
                await self._wait_for_next()
        finally:
            self.readers -= 1

    def leave(self) -> None:
        """Tell nobody any more."""
        self._leaving.set()

    def _look(self) -> Look:
        now = asyncio.get_running_loop().time()
        if self._newest is None or now >= self._look_at + EVERY_S:
            self._look_at = now
            self._before, self._newest = self._newest, self._console.look()
            self._difference = b""
        return self._newest

    def _message(self, told: Look | None, look: Look) -> bytes:
        """Return what a reader is told; the difference of one second is put into words once for all."""
        if told is None:
            return messages.first(look)
        if told is not self._before or look is not self._newest:
            return messages.next_after(told, look)
        self._difference = self._difference or messages.next_after(told, look)
        return self._difference

    async def _wait_for_next(self) -> None:
        wait_s = self._look_at + EVERY_S - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._leaving.wait()
        except TimeoutError:
            pass
