"""The connections of the admin port: how many there may be, and how long each may take for what.

Whoever may connect must not be able to keep others out: a connection that sends no request, sends one slowly
or does not read its answer is closed, and where there are as many as may be, the one that has been without a
request for longest makes room for a new one. So probes and Prometheus come through.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

LIMIT = 256
"""Connections at once, at most."""
REQUEST_S = 10.0
"""Seconds from the first byte of a request, or from connecting, until its header is there."""
IDLE_S = 75.0
"""Seconds between two requests on one connection: Prometheus asks every minute at most, as a rule."""
ANSWER_S = 30.0
"""Seconds for the body of a request, its answer, and the caller's reading of that."""


class Closed(Enum):
    """Why a connection was closed by us; the value is the label of the metric."""

    SLOW = "slow_request"
    IDLE = "idle"
    UNREAD = "slow_answer"
    FULL = "full"


@dataclass(slots=True, eq=False)
class Connection:
    """One connection, the host it comes from, and since when it is as it is.

    It is `busy` from the header of a request to its answer, and `endless` while it is told events. `asking`
    is since when a next request has begun to come without its header being whole; None where none has.
    """

    transport: asyncio.Transport
    host: str
    since: float
    busy: bool = False
    endless: bool = False
    asking: float | None = None

    def overdue(self, now: float) -> Closed | None:
        """Return why it is to be closed by now; None where it is not."""
        if self.endless:
            return None
        if self.busy:
            return Closed.UNREAD if now >= self.since + ANSWER_S else None
        if self.asking is not None:
            return Closed.SLOW if now >= self.asking + REQUEST_S else None
        if self.transport.get_write_buffer_size():
            return Closed.UNREAD if now >= self.since + ANSWER_S else None
        return Closed.IDLE if now >= self.since + IDLE_S else None


class Connections:
    """All connections; decides which is closed. `now` gives seconds on the loop's clock."""

    def __init__(self, now: Callable[[], float], limit: int = LIMIT) -> None:
        self.closed: Counter[str] = Counter({each.value: 0 for each in Closed})
        self._now = now
        self._limit = limit
        self._open: dict[asyncio.BaseTransport, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def has_room(self) -> bool:
        """Return whether one more may come: there are fewer than may be, or one of them can make room."""
        return len(self._open) < self._limit or any(not each.busy for each in self._open.values())

    def add(self, transport: asyncio.Transport) -> Connection:
        """Add a connection, from which nothing has come yet, in the place of another if need be."""
        if len(self._open) >= self._limit:
            self._make_room()
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        now = self._now()
        connection = Connection(transport, host, now, asking=now)
        self._open[transport] = connection
        return connection

    def remove(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that has ended."""
        self._open.pop(transport, None)

    def received(self, connection: Connection) -> None:
        """Note that bytes have come."""
        if not connection.busy and connection.asking is None:
            connection.asking = self._now()

    def begin(self, transport: asyncio.BaseTransport | None, *, endless: bool = False) -> Connection | None:
        """Note that a request is answered from now on; return its connection, None where that is gone."""
        connection = None if transport is None else self._open.get(transport)
        if connection is not None:
            connection.busy, connection.endless = True, endless
            connection.since, connection.asking = self._now(), None
        return connection

    def end(self, connection: Connection) -> None:
        """Note that a request has its answer, which may still have to be read."""
        connection.busy = connection.endless = False
        connection.since = self._now()

    def sweep(self) -> None:
        """Close what takes too long."""
        for connection, why in list(self._overdue()):
            self._close(connection, why)

    def _make_room(self) -> None:
        """Close a connection without a request: that of the host with most of them, without for longest."""
        idle = [each for each in self._open.values() if not each.busy]
        hosts = Counter(each.host for each in idle)
        chosen = min(idle, key=lambda each: (-hosts[each.host], each.since), default=None)
        if chosen is not None:
            self._close(chosen, Closed.FULL)

    def _overdue(self) -> Iterator[tuple[Connection, Closed]]:
        now = self._now()
        for connection in self._open.values():
            why = connection.overdue(now)
            if why is not None:
                yield connection, why

    def _close(self, connection: Connection, why: Closed) -> None:
        self.closed[why.value] += 1
        self.remove(connection.transport)
        connection.transport.abort()  # what is buffered for it is not waited for
