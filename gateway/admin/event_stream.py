"""Live updates for the console's pages, from one state a second that all pages share.

Nothing is queued. A page that reads slowly gets the difference to the newest state once it has read the last
message. So a page costs only the part of one message that its transport has not sent.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.admin import messages
from gateway.admin.port import Console, ConsoleState

EVERY_S = 1.0
"""Seconds between two states."""
READERS = 32
"""Pages that receive updates at the same time, at most."""
STALL_S = 20.0
"""Seconds after which a page that reads nothing is disconnected."""

Write = Callable[[bytes], Awaitable[None]]


class EventStream:
    """Sends every reader the state of the gateway and its changes. `readers` is their number.

    `every_s` is the time between two states, `stall_s` the time after which a reader that reads nothing is
    dropped, and `limit` how many readers there may be.
    """

    def __init__(
        self, console: Console, *, every_s: float = EVERY_S, stall_s: float = STALL_S, limit: int = READERS
    ) -> None:
        self._console = console
        self._every_s, self._stall_s, self._most = every_s, stall_s, limit
        self._closing = asyncio.Event()
        self.readers = 0
        self._made_at = float("-inf")
        self._newest: ConsoleState | None = None
        self._making = asyncio.Lock()
        self._messages: dict[int, tuple[ConsoleState | None, bytes]] = {}

    @property
    def full(self) -> bool:
        """Whether the limit of readers is reached."""
        return self.readers >= self._most

    async def serve(self, write: Write) -> None:
        """Serve one reader until the server stops. Raises `TimeoutError` if the reader stalls."""
        self.readers += 1
        sent: ConsoleState | None = None
        try:
            while not self._closing.is_set():
                state = await self._state()
                if state is not sent:
                    async with asyncio.timeout(self._stall_s):
                        await write(self._message(sent, state))
                    sent = state
                await self._wait_for_next()
        finally:
            self.readers -= 1

    def close(self) -> None:
        """End all streams of events."""
        self._closing.set()

    async def _state(self) -> ConsoleState:
        """Return the newest state. The first reader that needs a newer one makes it, and the others wait."""
        async with self._making:
            now = asyncio.get_running_loop().time()
            if self._newest is None or now >= self._made_at + self._every_s:
                self._newest = await self._console.state()
                self._made_at = now
                self._messages = {}
            return self._newest

    def _message(self, sent: ConsoleState | None, state: ConsoleState) -> bytes:
        """Return the message that leads from the state a reader has to the newest one.

        Readers with the same state share one message: to make a full one takes tens of milliseconds.
        """
        made = self._messages.get(id(sent))
        if made is None:
            message = messages.first(state) if sent is None else messages.next_after(sent, state)
            # The entry keeps the earlier state alive, so that its id cannot be used again.
            made = self._messages[id(sent)] = sent, message
        return made[1]

    async def _wait_for_next(self) -> None:
        wait_s = self._made_at + self._every_s - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._closing.wait()
        except TimeoutError:
            pass
