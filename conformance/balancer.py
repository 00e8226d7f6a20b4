"""A balancer of connections before several gateways, as a Service of Kubernetes is one.

A new connection goes to a gateway that is in service. An open one stays where it is until either side closes
it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle

CHUNK = 65_536


class Balancer:
    """Passes connections on to the ports that are in service, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self._ports = ports
        self._in_service = set(ports)
        self._turns = cycle(ports)
        self._count = len(ports)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def target(self) -> str:
        """The address for callers."""
        return f"127.0.0.1:{self.port}"

    async def mark(self, number: int, *, down: bool) -> None:
        """Take a gateway out of service, or into it again."""
        (self._in_service.discard if down else self._in_service.add)(self._ports[number])

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self._next())
        except OSError:  # also if no gateway is in service: nothing listens at port 0
            writer.close()
            return
        for source, sink in ((reader, there), (back, writer)):
            task = asyncio.create_task(_carry(source, sink), name="balancer")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _next(self) -> int:
        turns = (next(self._turns) for _ in range(self._count))
        return next((port for port in turns if port in self._in_service), 0)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while part := await source.read(CHUNK):
                sink.write(part)
                await sink.drain()
    finally:
        sink.close()


@asynccontextmanager
async def balancer_before(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """Run a balancer before these ports of this host."""
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.accept, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        server.close()
        await balancer.end()
