"""The HTTP server of the admin port."""

from collections.abc import Collection

from aiohttp import web

from gateway.admin.feed import Feed
from gateway.admin.guard import dress, guard
from gateway.admin.orders import LONGEST_BODY
from gateway.admin.port import Console, Overview
from gateway.admin.routes import CHANGES, routes

SHUTDOWN_S = 0.2
"""Seconds that requests under way have at the end."""


class AdminServer:
    """Serves health, metrics and the console on `listen`, HOST:PORT; `hosts` are further names of it."""

    def __init__(
        self, overview: Overview, console: Console, listen: str, hosts: Collection[str] = ()
    ) -> None:
        self._listen = listen
        self._stopped = False
        self._feed = Feed(console)
        application = web.Application(
            middlewares=[guard(listen, CHANGES, hosts)], client_max_size=LONGEST_BODY
        )
        application.add_routes(routes(overview, console, self._feed))
        application.on_response_prepare.append(dress)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_S,
            handler_cancellation=True,  # a page that is closed is told nothing more, at once
        )

    async def start(self) -> int:
        """Listen and serve; return the port. Raises `OSError` where the address cannot be had."""
        host, _, port = self._listen.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            await self._runner.cleanup()
            words = error.strerror if error.errno else str(error)
            raise OSError(f"cannot listen on {self._listen} (admin): {words}") from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening, and end what is open; once stopped it stays so."""
        if not self._stopped:
            self._stopped = True
            self._feed.leave()
            await self._runner.cleanup()
