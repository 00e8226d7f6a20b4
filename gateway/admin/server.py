"""The HTTP server of the admin port."""

import asyncio
import socket
from collections.abc import Collection
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.admin.commands import LONGEST_BODY
from gateway.admin.connections import IDLE_S, Connections
from gateway.admin.event_stream import EventStream
from gateway.admin.listener import Listener
from gateway.admin.port import Console, Monitoring
from gateway.admin.request_filter import add_headers, request_filter
from gateway.admin.routes import CHANGES, EVENTS, routes

LISTEN_SETTING = "DIAL_GATEWAY_ADMIN_LISTEN"
SHUTDOWN_S = 0.2
"""Seconds that open requests have to end when the server stops."""


class AdminServer:
    """Serves health, metrics and the console on `listen`, HOST:PORT. `hosts` are additional names of it."""

    def __init__(
        self,
        monitoring: Monitoring,
        console: Console,
        listen: str,
        hosts: Collection[str] = (),
        connections: Connections | None = None,
    ) -> None:
        self._listen = listen
        self._stopped = False
        self._events = EventStream(console)
        if connections is None:
            connections = Connections(lambda: asyncio.get_running_loop().time())
        self._connections = connections
        self._listeners: list[Listener] = []
        application = web.Application(
            middlewares=[_noting(self._connections), request_filter(listen, CHANGES, hosts)],
            client_max_size=LONGEST_BODY,
        )
        application.add_routes(routes(monitoring, console, self._events))
        application.on_response_prepare.append(add_headers)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=IDLE_S,
            handler_cancellation=True,  # stop at once when a page is closed
        )

    @property
    def closed(self) -> dict[str, int]:
        """How many connections this side closed, by reason."""
        return dict(self._connections.closed)

    async def start(self) -> int:
        """Listen and serve; return the port. Raises `OSError` if the address is not available."""
        await self._runner.setup()
        server = cast("web.Server", self._runner.server)  # there is one after the setup
        try:
            sockets = await _bound(self._listen)
        except OSError as error:
            await self._runner.cleanup()
            words = error.strerror if error.errno else str(error)
            raise OSError(f"{LISTEN_SETTING}: cannot listen on {self._listen}: {words}") from error
        self._listeners = [Listener(each, server, self._connections) for each in sockets]
        for listener in self._listeners:
            listener.start()
        return int(sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, and close all connections. Further calls do nothing."""
        if not self._stopped:
            self._stopped = True
            self._events.close()
            for listener in self._listeners:
                listener.close()
            await self._runner.cleanup()


def _noting(connections: Connections) -> Middleware:
    """Return the middleware that reports to `connections` when a request begins and ends."""

    @web.middleware
    async def noting(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connections.begin(request.transport, endless=request.path == EVENTS)
        try:
            return await handler(request)
        finally:
            if connection is not None:
                connections.end(connection)

    return noting


async def _bound(listen: str) -> list[socket.socket]:
    """Return bound sockets for all addresses of HOST:PORT. Raises `OSError`."""
    host, _, port = listen.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            sockets.append(socket.socket(family, socket.SOCK_STREAM))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sockets[-1].bind(address)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
