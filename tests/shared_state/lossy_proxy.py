"""A TCP proxy in front of a server of the shared state, which delays, swallows and loses what passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass
class LossyProxy:
    """Forwards bytes in both directions. Every fault applies to all connections, until it is switched off.

    `request_delay_s` and `reply_delay_s` delay each chunk; the order within a connection stays.
    `swallow_requests`: bytes for the server are dropped, the connection stays open. `lose_replies`: bytes
    from the server are dropped, so it has done what was asked. `refuse`: new connections are closed at once.
    `partitioned`: nothing passes in either direction and new connections are accepted without a server,
    as when a network drops packets. `silenced_by`: bytes of a request with which a connection becomes silent
    for good, although it stays open; `silenced` counts these. `connections` counts those made,
    `dropped_bytes` what was dropped.
    """

    target_port: int
    port: int = 0
    request_delay_s: float = 0.0
    reply_delay_s: float = 0.0
    swallow_requests: bool = False
    lose_replies: bool = False
    refuse: bool = False
    partitioned: bool = False
    silenced_by: bytes = b""
    silenced: int = 0
    connections: int = 0
    dropped_bytes: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Reset all present connections; what has not arrived is lost."""
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Switch all faults off. Connections from a partition stay unusable, as their bytes are missing."""
        self.request_delay_s = self.reply_delay_s = 0.0
        self.swallow_requests = self.lose_replies = self.refuse = self.partitioned = False

    async def begin(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def end(self) -> None:
        """Close all connections."""
        self.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the loop run the callbacks of the closed transports

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if not self.refuse:
                await self._connect(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.partitioned:
            while part := await self._read(reader):
                self.dropped_bytes += len(part)
            return
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            return
        self._writers.add(there)
        carrying = [
            asyncio.create_task(self._carry(reader, there, is_reply=False)),
            asyncio.create_task(self._carry(back, writer, is_reply=True)),
        ]
        for task in carrying:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.gather(*carrying)
        finally:
            self._writers.discard(there)
            there.close()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        is_silent = False
        while part := await self._read(source):
            if not is_reply and self.silenced_by and self.silenced_by in part and not is_silent:
                is_silent = True
                self.silenced += 1
            delay_s = self.reply_delay_s if is_reply else self.request_delay_s
            if delay_s:
                await asyncio.sleep(delay_s)
            if is_silent or self.partitioned or (self.lose_replies if is_reply else self.swallow_requests):
                self.dropped_bytes += len(part)
                continue
            with suppress(ConnectionError):
                sink.write(part)
                await sink.drain()
        sink.close()

    async def _read(self, source: asyncio.StreamReader) -> bytes:
        """Return the next bytes, none at the end of the connection."""
        with suppress(ConnectionError):
            return await source.read(CHUNK)
        return b""


@asynccontextmanager
async def lossy_proxy_to(port: int) -> AsyncIterator[LossyProxy]:
    """Run a proxy to a port of this host."""
    proxy = LossyProxy(port)
    server = await proxy.begin()
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
