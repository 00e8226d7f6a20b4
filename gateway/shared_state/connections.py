"""The connections to one server, or to the present primary, for one purpose.

While the server is away, every operation fails at once instead of waiting for the time limit, and one task
tries to connect again.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.runtime.supervision import trace_of
from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.port import (
    HandshakeFailed,
    SharedStateError,
    SharedStateRefused,
    SharedStateUnavailable,
)
from gateway.shared_state.server import MOVED_ON
from gateway.shared_state.valkey_connection import Command, ServerError, ValkeyConnection

log = logging.getLogger(__name__)

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Pauses between attempts to connect again: they double, give or take a third."""
MAX_CONNECTIONS = 16
NO_FURTHER_S = 1.0
"""Seconds for which no further connection is opened after one whose certificates were not accepted."""
LATE_S = 0.01
"""Seconds by which the event loop may be late without a further wait for replies."""

Result = TypeVar("Result")
Open = Callable[[], Awaitable[ValkeyConnection]]


class Connections:
    """Open connections that are used again; `open_one` connects, within a time limit of its own.

    `returned` is called each time that the server is there again.
    """

    def __init__(
        self,
        open_one: Open,
        timeout_s: float,
        most: int = MAX_CONNECTIONS,
        returned: Callable[[], None] = lambda: None,
    ) -> None:
        self._open = open_one
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(most)
        self._idle: list[ValkeyConnection] = []
        self._busy: set[ValkeyConnection] = set()
        self._given_back = asyncio.Event()
        self._no_further_until = 0.0
        self._returned = returned
        self._problem: SharedStateError | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def problem(self) -> SharedStateError | None:
        """Why the server is away; None while it is not known to be away."""
        return self._problem

    def start(self) -> None:
        """Begin to connect."""
        if self._restoring is None and not self._closed:
            self._restoring = asyncio.create_task(self._restore(), name="shared state: connecting")

    async def run(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Run commands on one connection. Raises `SharedStateError` within the time limit.

        After `SharedStateUnavailable` the commands may have been run.
        """
        try:
            replies = await _within(self._timeout_s, self._run_in_turn(commands))
        except TimeoutError:
            failure = SharedStateUnavailable(f"no reply within {self._timeout_s:g} s")
            self.lost(failure)
            raise failure from None
        for reply in replies:
            if isinstance(reply, ServerError) and reply.code in MOVED_ON:
                self.lost(SharedStateUnavailable(f"the server replied {reply.code}"))
        return replies

    async def _run_in_turn(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        async with self._places:
            return await self._run(commands)

    async def _run(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        if self._problem is not None:
            self.start()
            raise type(self._problem)(str(self._problem))
        connection = None
        try:
            connection = await self._idle_or_new()
            self._busy.add(connection)
            return await connection.run(commands)
        except SharedStateError as failure:
            self.lost(failure)
            raise
        finally:
            if connection is not None:
                self._put_back(connection)

    async def _idle_or_new(self) -> ValkeyConnection:
        """Return a connection that is not in use.

        If certificates have become unacceptable, the connections that were opened before stay in use, and are
        waited for.
        """
        loop = asyncio.get_running_loop()
        while (connection := self._take()) is None:
            if not self._busy or loop.time() >= self._no_further_until:
                try:
                    return await self._open()
                except HandshakeFailed as refused:
                    if not self._busy and not self._idle:
                        raise
                    if loop.time() >= self._no_further_until:
                        log.error("no further connection to the shared state can be opened: %s", refused)
                    self._no_further_until = loop.time() + NO_FURTHER_S
                    continue
            self._given_back.clear()
            await self._given_back.wait()
        return connection

    def _take(self) -> ValkeyConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    def _put_back(self, connection: ValkeyConnection) -> None:
        was_busy = connection in self._busy
        self._busy.discard(connection)
        self._given_back.set()
        if connection.is_open and was_busy and not self._closed and self._problem is None:
            self._idle.append(connection)
        else:
            connection.close()

    def lost(self, problem: SharedStateError) -> None:
        """Close all connections, also those in use, and begin to connect again."""
        if self._problem is not None:
            return
        self._problem = problem
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()
        self.start()

    async def _restore(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while True:
            try:
                connection = await self._open()
            except SharedStateError as problem:
                if str(problem) != str(self._problem):
                    log.debug("no connection to the shared state: %s", problem)
                self._problem = problem
            except Exception as bug:  # noqa: BLE001 - no reply may end the attempts
                log.error("connecting to the shared state met a bug:\n%s", trace_of(bug))
            else:
                break
            longest_s = LONGEST_PAUSE_S * (5 if isinstance(self._problem, SharedStateRefused) else 1)
            await asyncio.sleep(pause_s * random.uniform(0.67, 1.33))
            pause_s = min(2 * pause_s, longest_s)
        self._restoring = None
        self._problem = None
        self._idle.append(connection)
        self._returned()

    def close(self) -> None:
        """Close all connections, and connect no more."""
        self._closed = True
        if self._restoring is not None:
            self._restoring.cancel()
        self.lost(SharedStateUnavailable("closed"))
        self._problem = SharedStateUnavailable("closed")
        for connection in self._idle:
            connection.close()


async def _within(seconds: float, work: Awaitable[Result]) -> Result:
    """Wait for work, or cancel it after some seconds and raise `TimeoutError`.

    If the event loop was late, because the gateway was busy, nothing could be sent or read in that time. Then
    the work gets as much time again, once.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds

    def expire() -> None:
        late_s = loop.time() - due
        limit.reschedule(loop.time() + (min(late_s, seconds) if late_s > LATE_S else 0.0))

    async with asyncio.timeout(None) as limit:  # one timer and no task: this runs with every beat and call
        alarm = loop.call_at(due, expire)
        try:
            return await work
        finally:
            alarm.cancel()
