"""The HTTP shell around the simulated Connect: sockets, clocks and delivery; it decides nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from email.utils import formatdate
from types import TracebackType
from typing import Self

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from gateway.simulator.connect import Reply, SimulatedConnect
from gateway.simulator.control import PREFIX, control
from gateway.simulator.journal import Delivery
from gateway.simulator.journal_file import JournalFile
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.signing import HttpRequest

# Requests that are open when the simulator closes belong to clients that hang on purpose.
_SHUTDOWN_S = 0.05


_ACCEPT_TURNS = 3
"""Turns of the event loop after which aiohttp knows every connection that was accepted."""


class Simulator:
    """A local Amazon Connect that real AWS clients talk to.

    It is bound between `start` and `close`, or within `async with`. With a `journal_file` it continues from
    the calls in the file; the owner of the file closes it.

    Attributes:
        connect: the account behind it: faults, states, journal, statistics.
        url: the endpoint, for AWS_ENDPOINT_URL_CONNECTCAMPAIGNS and _CONNECTCAMPAIGNSV2; known once started.

    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        clock: Callable[[], float] = time.time,
        journal_file: JournalFile | None = None,
    ) -> None:
        self.connect = SimulatedConnect(settings, None if journal_file is None else journal_file.add)
        if journal_file is not None:
            self.connect.remember(journal_file.records())
        self.url = ""
        self._settings = settings
        self._clock = clock
        self._runner: web.ServerRunner | None = None
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            OSError: the address is in use, or not one of this machine.
            RuntimeError: it was started before.

        """
        if self._runner is not None:
            raise RuntimeError("the simulator is already started")
        # With cancellation the request of a client that gives up ends here too, whatever the fault.
        server = web.Server(
            self._handle, request_factory=self._make_request, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            loop = asyncio.get_running_loop()
            listening = await loop.create_server(server, self._settings.host, self._settings.port)
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self._listening = runner, listening
        self.url = _url(self._settings.host, listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop serving and drop every connection, also those of clients that wait for an answer."""
        runner, self._runner = self._runner, None
        if runner is not None and self._listening is not None:
            await _stop_listening(self._listening)
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        # aiohttp's own limit of 1 MiB is less than a legal call with long attributes.
        loop, limit = asyncio.get_running_loop(), self._settings.max_body_bytes
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=limit)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        target = request.raw_path
        if target.startswith(PREFIX):
            status, document = control(self.connect, request.method, target, body, self._clock())
            return web.json_response(document, status=status)
        received = HttpRequest(request.method, target, request.headers, body)
        # The work is done as the request arrives; only its answer may be late, lost or never come.
        reply = self.connect.answer(received, self._clock())
        if reply.latency_s > 0:
            await asyncio.sleep(reply.latency_s)
        if reply.delivery is Delivery.RESET:
            _reset(request.transport)
        if reply.delivery is not Delivery.SENT:
            # Wait until the connection ends, which cancels this: by the reset, the client or `close`.
            await asyncio.get_running_loop().create_future()
        return _response(reply, self._clock())


def _response(reply: Reply, now: float) -> web.Response:
    headers = {
        "x-amzn-RequestId": reply.request_id,
        "Content-Type": "application/json",
        "Date": formatdate(now, usegmt=True),
    }
    if reply.error_code is not None:
        headers["x-amzn-ErrorType"] = reply.error_code
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _reset(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    # No linger turns the close into a TCP reset, as a crashed peer or a load balancer sends it.
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _stop_listening(server: asyncio.Server) -> None:
    """Accept nothing more, and close. A server of asyncio would forget a connection just accepted, open."""
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        loop.remove_reader(each.fileno())
    for _ in range(_ACCEPT_TURNS):
        await asyncio.sleep(0)
    server.close()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
