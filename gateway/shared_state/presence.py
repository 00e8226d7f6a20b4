"""Shows the other replicas that this process lives, and finds out which of them have ended.

Each process keeps one idle connection, which only the end of the process closes. Its name has the process and
the address of its own side. If the server sees the same address, there is no proxy between, so the
connection ends when the process or its host ends. A replica that is cut off from the server keeps its
connection, and may still make calls.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from gateway.core.fleet.messages import Member
from gateway.runtime.supervision import trace_of
from gateway.shared_state.commands.script_call import Reply
from gateway.shared_state.port import SharedStateError
from gateway.shared_state.valkey_connection import Command, ServerError, ValkeyConnection

log = logging.getLogger(__name__)

PING_EVERY_S = 5.0
"""Seconds between two pings, so that a server does not close the connection as idle."""
OPEN_AGAIN_S = 1.0
NAMED_S = 5.0
"""Seconds in which a new connection must have its name."""
CHECK_EVERY_S, LOOK_FOR_LOST_EVERY_S = 2.0, 0.3
"""Seconds between two looks at the server's clients: for new members, and while a member is lost."""
CONCLUSIVE_S = 20.0
"""Seconds after its last sign in which the end of a member's connection shows that its process has ended.

Later the server may have closed it, because the network was cut (tcp-keepalive).
"""
LIST: Sequence[Command] = (("CLIENT", "LIST", "TYPE", "normal"), ("INFO", "server"))

Run = Callable[[Sequence[Command]], Awaitable[list[Reply | ServerError]]]


class Presence:
    """The connection of this process, and what it has seen of the others.

    `open_one` connects to the server that has the fleet's keys, `run` runs commands there. `name` is what the
    connections of all processes begin with, `member` this process.
    """

    def __init__(
        self,
        open_one: Callable[[], Awaitable[ValkeyConnection]],
        run: Run,
        name: str,
        member: str,
        ping_every_s: float = PING_EVERY_S,
    ) -> None:
        self._open = open_one
        self._run = run
        self._name = name
        self._member = member
        self._ping_every_s = ping_every_s
        self._move = asyncio.Event()
        self._seen: dict[str, str] = {}
        self._lost_since: dict[str, float] = {}
        self._looked_at = float("-inf")

    # --- this process -----------------------------------------------------------------------------

    async def keep(self) -> None:
        """Keep a connection open, until cancelled."""
        kept: ValkeyConnection | None = None
        pings: asyncio.Task[None] | None = None
        try:
            while True:
                self._move.clear()
                if (opened := await self._opened()) is None:
                    await asyncio.sleep(OPEN_AGAIN_S)
                    continue
                _end(pings, kept)  # only now: it has shown until here that this process lives
                kept, pings = opened, asyncio.create_task(self._ping(opened), name="shared state: presence")
                await self._move.wait()
        finally:
            _end(pings, kept)

    def move(self) -> None:
        """Connect again, since another server may be the primary now."""
        self._move.set()

    async def _opened(self) -> ValkeyConnection | None:
        try:
            opened = await self._open()
        except SharedStateError:
            return None
        name = f"{self._name}{self._member}@{opened.local}"
        with contextlib.suppress(SharedStateError):
            await opened.run_within(NAMED_S, [("CLIENT", "SETNAME", name)])
        return opened if opened.is_open else None

    async def _ping(self, connection: ValkeyConnection) -> None:
        """Ping without a time limit, which would close the connection of a process that lives."""
        try:
            while True:
                await asyncio.sleep(self._ping_every_s)
                await connection.run([("PING",)])
        except SharedStateError:
            pass
        except Exception as bug:  # noqa: BLE001 - a connection that is not pinged must be replaced
            log.error("a ping of the shared state met a bug:\n%s", trace_of(bug))
        self._move.set()

    # --- the others -------------------------------------------------------------------------------

    async def ended(self, members: Sequence[Member]) -> tuple[str, ...]:
        """Return the lost members whose processes have certainly ended.

        Asks the server only if a member is lost or new, and not too often; without the permission to list
        clients, none has ended. Raises nothing.
        """
        now = asyncio.get_running_loop().time()
        self._note_lost(now, members)
        if not self._is_due(now, members):
            return ()
        self._looked_at = now
        try:
            clients, server = await self._run(LIST)
        except SharedStateError:
            return ()
        if not isinstance(clients, bytes) or not isinstance(server, bytes):
            return ()
        return self._compared(now, members, dict(self._connected(clients)), _run_id(server))

    def _note_lost(self, now: float, members: Sequence[Member]) -> None:
        lost = {each.member for each in members if each.lost}
        self._lost_since = {member: self._lost_since.get(member, now) for member in lost}
        known = {each.member for each in members}
        self._seen = {member: server for member, server in self._seen.items() if member in known}

    def _is_due(self, now: float, members: Sequence[Member]) -> bool:
        if any(now < since + CONCLUSIVE_S for since in self._lost_since.values()):
            return now >= self._looked_at + LOOK_FOR_LOST_EVERY_S
        unseen = any(each.member not in self._seen and not each.lost for each in members)
        return unseen and now >= self._looked_at + CHECK_EVERY_S

    def _compared(
        self, now: float, members: Sequence[Member], connected: dict[str, bool], server: str
    ) -> tuple[str, ...]:
        ended = []
        for each in members:
            if connected.get(each.member) and not each.lost:
                self._seen[each.member] = server
            was_seen_here = self._seen.get(each.member) == server
            is_fresh = now < self._lost_since.get(each.member, now) + CONCLUSIVE_S
            if each.lost and was_seen_here and is_fresh and each.member not in connected:
                ended.append(each.member)
        return tuple(ended)

    def _connected(self, clients: bytes) -> Iterator[tuple[str, bool]]:
        """Yield each member with a connection, and whether the server sees the address of its own side."""
        for line in clients.decode("utf-8", "replace").splitlines():
            client = dict(part.partition("=")[::2] for part in line.split(" "))
            name = client.get("name", "")
            if name.startswith(self._name) and "@" in name:
                member, _, address = name.removeprefix(self._name).rpartition("@")
                yield member, address == client.get("addr")


def _run_id(server: bytes) -> str:
    lines = server.decode("utf-8", "replace").splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith("run_id:")), "")


def _end(pings: "asyncio.Task[None] | None", connection: ValkeyConnection | None) -> None:
    if pings is not None:
        pings.cancel()
    if connection is not None:
        connection.close()
