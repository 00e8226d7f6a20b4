"""A TCP relay between callers and the gateway that can stop forwarding, and counts connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass
class Relay:
    """Forwards bytes both ways until `fall_silent`."""

    target_port: int
    port: int = 0
    connections: int = 0
    ended: int = 0
    _carries: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def fall_silent(self) -> None:
        """Swallow all further bytes; the connections stay open."""
        self._carries.clear()

    async def begin(self) -> asyncio.Server:
        """Listen on a free port."""
        self._carries.set()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def end(self) -> None:
        """Close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the loop run the callbacks of the closed transports

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        back, there = await asyncio.open_connection("127.0.0.1", self.target_port)
        for source, sink in ((reader, there), (back, writer)):
            task = asyncio.create_task(self._carry(source, sink, from_gateway=source is back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_gateway: bool
    ) -> None:
        try:
            with suppress(ConnectionError):
                while part := await source.read(CHUNK):
                    if self._carries.is_set():
                        sink.write(part)
                        await sink.drain()
            self.ended += from_gateway
        finally:
            sink.close()


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    """Run a relay to a port of this host."""
    relay = Relay(port)
    server = await relay.begin()
    try:
        yield relay
    finally:
        server.close()
        await relay.end()
