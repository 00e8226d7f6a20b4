"""Accepts the connections of the admin port within a limit, and pauses when file descriptors run out.

asyncio's own server accepts without a limit. When no descriptor is left, it reports each failed accept up to
a hundred times a second, and does not report when accepting works again.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from gateway.admin.connections import Connection, Connections

log = logging.getLogger(__name__)

BACKLOG = 128
AT_ONCE = 32
"""Connections accepted in one turn of the event loop, at most."""
SWEEP_EVERY_S = 1.0
RETRY_S = 1.0
"""Seconds until the next attempt after a connection could not be accepted."""
_NO_RESOURCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Factory = Callable[[], asyncio.Protocol]


class Listener:
    """Listens on one socket, and serves each accepted connection with a protocol made by `factory`."""

    def __init__(self, sock: socket.socket, factory: Factory, connections: Connections) -> None:
        self._socket = sock
        self._factory = factory
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._out_of_resources = False
        self._retry: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    def start(self) -> None:
        """Begin to accept."""
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._loop.add_reader(self._socket, self._accept)
        self._sweep()

    def close(self) -> None:
        """Stop accepting; open connections stay open."""
        self._closed = True
        self._loop.remove_reader(self._socket)
        for handle in (self._retry, self._sweeping):
            if handle is not None:
                handle.cancel()
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            if not self._connections.has_room():
                return self._pause()
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return None
            except OSError as error:
                return self._cannot_accept(error)
            self._out_of_resources = False
            self._serve(accepted)
        return None

    def _serve(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        serving = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: WatchedProtocol(self._factory(), self._connections), accepted
            )
        )
        self._tasks.add(serving)
        serving.add_done_callback(self._served)

    def _served(self, serving: "asyncio.Task[object]") -> None:
        self._tasks.discard(serving)
        if not serving.cancelled() and serving.exception() is not None:
            log.warning("a connection of the admin port failed at its start")

    def _cannot_accept(self, error: OSError) -> None:
        if error.errno in _NO_RESOURCE and not self._out_of_resources:
            self._out_of_resources = True
            log.error(
                "the admin port accepts no connection for now: %s", errno.errorcode.get(error.errno or 0, "")
            )
        self._pause()

    def _pause(self) -> None:
        """Stop accepting for a while; new connections wait in the system's queue."""
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._accept)

    def _sweep(self) -> None:
        self._connections.sweep()
        self._sweeping = self._loop.call_later(SWEEP_EVERY_S, self._sweep)


class WatchedProtocol(asyncio.Protocol):
    """Wraps a protocol of the server, and reports its events to `connections`."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        if isinstance(transport, asyncio.Transport):
            self._connection = self._connections.add(transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note that bytes have come, and pass them on."""
        if self._connection is not None:
            self._connections.received(self._connection)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connections.remove(self._connection.transport)
            self._connection = None
        self._inner.connection_lost(error)
