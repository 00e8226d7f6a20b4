"""The admin port with connections that send no request, send it slowly, or do not read the answer."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.admin.connections import ANSWER_S, IDLE_S, LIMIT, REQUEST_S, Connections
from gateway.admin.server import AdminServer
from tests.integration.admin import get
from tests.integration.world import PATIENCE_S, dials, until, world_of

HALF = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
WHOLE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Clock:
    """The loop's clock, which a test can move forward."""

    ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return asyncio.get_running_loop().time() + self.ahead


@asynccontextmanager
async def admin_port(limit: int = LIMIT) -> AsyncIterator[tuple[int, Clock, Connections, AdminServer]]:
    """Run a gateway's admin port with a clock that a test moves, and a large page of metrics."""
    async with world_of() as world:
        await world.ask(*dials(3))
        clock = Clock()
        connections = Connections(clock, limit)
        admin = world.gateway.admin
        server = AdminServer(admin.monitoring, admin.console, "127.0.0.1:0", connections=connections)
        port = await server.start()
        try:
            yield port, clock, connections, server
        finally:
            await server.stop()


@asynccontextmanager
async def connected(port: int, count: int, first: bytes = b"") -> AsyncIterator[list[socket.socket]]:
    """Open connections and send `first` on each."""
    sockets: list[socket.socket] = []
    try:
        await asyncio.to_thread(_connect, port, count, first, sockets)
        yield sockets
    finally:
        for each in sockets:
            each.close()


def _connect(port: int, count: int, first: bytes, sockets: list[socket.socket]) -> None:
    for _ in range(count):
        sockets.append(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
        with suppress(ConnectionError):  # the port may have closed it already to make room for another
            sockets[-1].sendall(first)
        sockets[-1].setblocking(False)


def transports(connections: Connections) -> list[asyncio.Transport]:
    return [each.transport for each in connections._open.values()]


def ended(sock: socket.socket) -> bool:
    """Return whether the other side has closed a connection."""
    try:
        while part := sock.recv(65_536):
            assert part
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


async def test_silent_and_slow_connections_are_closed() -> None:
    """A connection without a request, with half a header, or idle after an answer is closed after its own
    time.
    """
    async with admin_port() as (port, clock, connections, _):
        async with (
            connected(port, 3) as silent,
            connected(port, 3, HALF) as slow,
            connected(port, 3, WHOLE) as idle,
        ):
            await until(lambda: len(connections) == 9)
            assert (await get(port, "/livez")).status == 200
            clock.ahead += REQUEST_S
            await until(lambda: all(map(ended, [*silent, *slow])))
            assert not any(map(ended, idle))
            clock.ahead += IDLE_S
            await until(lambda: all(map(ended, idle)))
        assert connections.closed["slow_request"] == 6
        assert connections.closed["idle"] == 3


async def test_an_unread_answer_is_cut_off() -> None:
    """Metrics that are requested again and again and never read do not stay in memory."""
    asking = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    async with admin_port() as (port, clock, connections, _):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(sock.connect, ("127.0.0.1", port))
        sock.setblocking(False)
        sock.send(asking)
        await until(
            lambda: any(each.transport.get_write_buffer_size() for each in connections._open.values())
        )
        await asyncio.sleep(0.2)
        clock.ahead += ANSWER_S + IDLE_S
        await until(lambda: len(connections) == 0)
        assert connections.closed["slow_answer"] == 1
        sock.close()


async def test_a_flood_of_connections_does_not_block_probes() -> None:
    """With more silent or half-open connections than the limit, probes and scrapes are answered at once."""
    limit = 32
    async with (
        admin_port(limit) as (port, _, connections, _),
        connected(port, 3 * limit),
        connected(port, 3 * limit, HALF),
    ):
        for path in ("/livez", "/readyz", "/metrics"):
            page = await asyncio.wait_for(get(port, path), 5)
            assert page.status == 200
        assert len(connections) <= limit
        assert connections.closed["full"] >= 5 * limit


@pytest.mark.timed
async def test_the_gateway_leaves_while_connections_are_open() -> None:
    """Idle connections do not delay the exit."""
    async with (
        admin_port() as (port, _, connections, server),
        connected(port, 5),
        connected(port, 5, HALF),
    ):
        await until(lambda: len(connections) == 10)
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 15
    assert len(connections) == 0
