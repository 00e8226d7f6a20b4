"""Live figures for the console's pages: one look a second for all of them, whoever reads how fast.

Nothing is queued: a page that reads slowly is told the difference to the newest look once it has read
the last. What a page costs is what the transport holds of one message.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.admin import messages
from gateway.admin.port import Console, ConsoleState

EVERY_S = 1.0
"""Seconds between two looks."""
READERS = 32
"""Pages that are told at once, at most."""
STALL_S = 20.0
"""Seconds after which a page that reads nothing is let go."""

Write = Callable[[bytes], Awaitable[None]]


class EventStream:
    """Tells every reader how things stand, and how they change; `readers` are those being told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._leaving = asyncio.Event()
        self.readers = 0
        self._look_at = float("-inf")
        self._newest: ConsoleState | None = None
        self._looking = asyncio.Lock()
        self._messages: dict[int, tuple[ConsoleState | None, bytes]] = {}

    @property
    def full(self) -> bool:
        """Whether as many are told as may be."""
        return self.readers >= READERS

    async def tell(self, write: Write) -> None:
        """Tell one reader until the server leaves or `write` fails; raises `TimeoutError` where it stalls."""
        self.readers += 1
        told: ConsoleState | None = None
        try:
            while not self._leaving.is_set():
                look = await self._look()
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

    async def _look(self) -> ConsoleState:
        """Return the newest look; the first reader that needs a newer one makes it, the others wait."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._newest is None or now >= self._look_at + EVERY_S:
                self._newest = await self._console.look()
                self._look_at = now
                self._messages = {}
            return self._newest

    def _message(self, told: ConsoleState | None, look: ConsoleState) -> bytes:
        """Return what a reader is told of the newest look; made once for all that know the same earlier look.

        To make the message of all that is shown takes some tens of milliseconds.
        """
        known = self._messages.get(id(told))
        if known is None:  # with the earlier look, so that its id is not used again
            message = messages.first(look) if told is None else messages.next_after(told, look)
            known = self._messages[id(told)] = told, message
        return known[1]

    async def _wait_for_next(self) -> None:
        wait_s = self._look_at + EVERY_S - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._leaving.wait()
        except TimeoutError:
            pass
