"""The connections of the admin port, their number limit and their time limits.

No client can block others. A connection that sends no request, sends one slowly or does not read its answer
is closed. At the limit, a new connection replaces the one without a request for the longest time. So probes
and Prometheus always get through.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

LIMIT = 256
"""Connections at once, at most."""
REQUEST_S = 10.0
"""Seconds from the first byte of a request, or from connecting, until its header is complete."""
IDLE_S = 75.0
"""Seconds between two requests on one connection: Prometheus asks every minute at most, as a rule."""
ANSWER_S = 30.0
"""Seconds in which the request body must arrive and the caller must read the answer."""


class CloseReason(Enum):
    """Why this side closed a connection. The value is the label of the metric."""

    SLOW = "slow_request"
    IDLE = "idle"
    UNREAD = "slow_answer"
    FULL = "full"


@dataclass(slots=True, eq=False)
class Connection:
    """One connection, its remote host, and the time since when it has been in its present state.

    It is `busy` from the header of a request to its answer, and `endless` while it receives events. `asking`
    is when the first byte of an incomplete request header arrived; None if no header is incomplete.
    """

    transport: asyncio.Transport
    host: str
    since: float
    busy: bool = False
    endless: bool = False
    asking: float | None = None

    def overdue(self, now: float) -> CloseReason | None:
        """Return why the connection must be closed now, None if it may stay open."""
        if self.endless:
            return None
        if self.busy:
            return CloseReason.UNREAD if now >= self.since + ANSWER_S else None
        if self.asking is not None:
            return CloseReason.SLOW if now >= self.asking + REQUEST_S else None
        if self.transport.get_write_buffer_size():
            return CloseReason.UNREAD if now >= self.since + ANSWER_S else None
        return CloseReason.IDLE if now >= self.since + IDLE_S else None


class Connections:
    """All connections; decides which one to close. `now` gives seconds on the loop's clock."""

    def __init__(self, now: Callable[[], float], limit: int = LIMIT) -> None:
        self.closed: Counter[str] = Counter({each.value: 0 for each in CloseReason})
        self._now = now
        self._limit = limit
        self._open: dict[asyncio.BaseTransport, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def has_room(self) -> bool:
        """Return whether one more is allowed: the limit is not reached, or an idle one can be replaced."""
        return len(self._open) < self._limit or any(not each.busy for each in self._open.values())

    def add(self, transport: asyncio.Transport) -> Connection:
        """Add a new connection, and close another one if the limit is reached."""
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
        """Note that bytes have arrived."""
        if not connection.busy and connection.asking is None:
            connection.asking = self._now()

    def begin(self, transport: asyncio.BaseTransport | None, *, endless: bool = False) -> Connection | None:
        """Note that a request is being answered; return its connection, None if that has ended."""
        connection = None if transport is None else self._open.get(transport)
        if connection is not None:
            connection.busy, connection.endless = True, endless
            connection.since, connection.asking = self._now(), None
        return connection

    def end(self, connection: Connection) -> None:
        """Note that a request was answered. The caller may not have read the answer yet."""
        connection.busy = connection.endless = False
        connection.since = self._now()

    def sweep(self) -> None:
        """Close the connections that exceed a time limit."""
        for connection, why in list(self._overdue()):
            self._close(connection, why)

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest, of the host with the most connections."""
        idle = [each for each in self._open.values() if not each.busy]
        hosts = Counter(each.host for each in idle)
        chosen = min(idle, key=lambda each: (-hosts[each.host], each.since), default=None)
        if chosen is not None:
            self._close(chosen, CloseReason.FULL)

    def _overdue(self) -> Iterator[tuple[Connection, CloseReason]]:
        now = self._now()
        for connection in self._open.values():
            why = connection.overdue(now)
            if why is not None:
                yield connection, why

    def _close(self, connection: Connection, why: CloseReason) -> None:
        self.closed[why.value] += 1
        self.remove(connection.transport)
        connection.transport.abort()  # drops the buffered output
