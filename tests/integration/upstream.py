"""Amazon Connect's side of a socket, controlled by a test: slow handshakes, odd replies, proxies."""

import asyncio
import json
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
Answer = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    """A request that was received completely."""

    head: str
    body: bytes
    at: float

    @property
    def tokens(self) -> list[str]:
        """The client tokens of its dial requests."""
        return [item["clientToken"] for item in json.loads(self.body).get("dialRequests", [])]


async def accept_all(request: Request, writer: asyncio.StreamWriter) -> None:
    """Accept every dial request."""
    items = [{"clientToken": token, "id": f"id-{token}"} for token in request.tokens]
    body = json.dumps({"successfulRequests": items, "failedRequests": []}).encode()
    writer.write(reply_head(len(body)) + body)


def reply_head(length: int, status: str = "200 OK", more: str = "") -> bytes:
    """Return the head of a JSON reply."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {length}"]
    return ("\r\n".join(lines) + f"\r\n{more}\r\n").encode()


@dataclass
class Upstream:
    """An HTTP/1.1 server that records each request and answers as the test says.

    While `gate` is closed it accepts connections and does not read from them: with TLS no handshake proceeds,
    without it no byte is read.
    """

    answer: Answer = accept_all
    requests: list[Request] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    broken: int = 0
    port: int = 0
    _tls: ssl.SSLContext | None = None
    _accepted: list[socket.socket] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def tokens(self) -> list[str]:
        """The tokens of all requests, with repetitions."""
        return [token for request in self.requests for token in request.tokens]

    async def connected(self, count: int = 1) -> None:
        """Wait until `count` connections were made."""
        async with asyncio.timeout(10):
            while self.connections < count:  # noqa: ASYNC110 - a connection need not tell
                await asyncio.sleep(0.005)

    async def serve(self, listening: socket.socket) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            accepted, _ = await loop.sock_accept(listening)
            self.connections += 1
            self._accepted.append(accepted)
            task = asyncio.create_task(self._connection(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Close all connections."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # lets the loop run the callbacks of the cut transports
        for accepted in self._accepted:
            accepted.close()

    async def _connection(self, accepted: socket.socket) -> None:
        try:
            await self.gate.wait()
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._speak(accepted)
        finally:
            accepted.close()

    async def _speak(self, accepted: socket.socket) -> None:
        try:
            reader, writer = await _streams(accepted, self._tls)
        except OSError:
            self.broken += 1
            raise
        try:
            while True:
                request = await self._request(reader)
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    async def _request(self, reader: asyncio.StreamReader) -> Request:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
        except (OSError, asyncio.IncompleteReadError) as error:
            self.broken += bool(getattr(error, "partial", b"half"))
            raise
        return Request(head.decode(), body, time.monotonic())


async def _streams(
    accepted: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@asynccontextmanager
async def upstream_of(
    answer: Answer = accept_all, *, tls: ssl.SSLContext | None = None, open_gate: bool = True, buffer: int = 0
) -> AsyncIterator[Upstream]:
    """Run an upstream on a free port; `buffer` is the size of its receive buffer in bytes."""
    with socket.socket() as listening:
        if buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.setblocking(False)
        upstream = Upstream(answer, port=listening.getsockname()[1], _tls=tls)
        if open_gate:
            upstream.gate.set()
        serving = asyncio.create_task(upstream.serve(listening))
        try:
            yield upstream
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await upstream.end()
