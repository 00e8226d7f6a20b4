"""A relay between a caller and a gateway that a fault run controls.

It can swallow the bytes of open connections, counts HTTP/2 frames, and can hold an answer back until its
stream has ended, as a buffering proxy does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536
HEAD = 9
"""Bytes before each frame of HTTP/2: length, type, flags, stream."""
DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
END_STREAM = 1


class Frames:
    """Split a server's bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, part: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Add bytes; yield type, flags, stream and bytes of each frame that is now complete."""
        self._rest += part
        while len(self._rest) >= HEAD:
            size = HEAD + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                return
            frame, self._rest = self._rest[:size], self._rest[size:]
            yield frame[3], frame[4], int.from_bytes(frame[5:HEAD], "big"), frame


class AnswerBuffer:
    """Hold the frames of an answer back until its stream has ended."""

    def __init__(self) -> None:
        self._kept: dict[int, list[bytes]] = {}

    def pass_on(self, kind: int, flags: int, stream: int, frame: bytes) -> bytes:
        """Return the bytes to pass on after this frame."""
        if kind not in {DATA, HEADERS, RST_STREAM}:
            return frame
        kept = self._kept.setdefault(stream, [])
        kept.append(frame)
        if kind != RST_STREAM and not flags & END_STREAM:
            return b""
        return b"".join(self._kept.pop(stream))


@dataclass(eq=False)
class Path:
    """A relay to a port of this host. `frames` counts the server's frames by their type."""

    target_port: int
    buffers_answers: bool = False
    of_http2: bool = True
    port: int = 0
    connections: int = 0
    frames: Counter[int] = field(default_factory=Counter)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _silent: set[asyncio.StreamWriter] = field(default_factory=set)
    _wholly: bool = False
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def target(self) -> str:
        """The address for callers."""
        return f"127.0.0.1:{self.port}"

    def fall_silent(self, *, wholly: bool = False) -> None:
        """Swallow the bytes of the open connections, and of new ones if `wholly`."""
        self._silent |= self._writers
        self._wholly = wholly

    def serve_new_connections(self) -> None:
        """Serve new connections; silent ones stay silent."""
        self._wholly = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one more connection."""
        self.connections += 1
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, there}
        if self._wholly:
            self._silent |= {writer, there}
        for source, sink, said in (
            (reader, there, bytes),
            (back, writer, self._listener() if self.of_http2 else bytes),
        ):
            task = asyncio.create_task(self._carry(source, sink, said), name="path")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._silent:
            writer.close()
        await asyncio.sleep(0)  # lets the loop run the callbacks of the closed transports

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, said: Callable[[bytes], bytes]
    ) -> None:
        try:
            with suppress(OSError):
                while part := await source.read(CHUNK):
                    if sink not in self._silent:
                        sink.write(said(part))
                        await sink.drain()
        finally:
            if sink not in self._silent:  # a silent connection does not pass on its end
                self._writers.discard(sink)
                sink.close()

    def _listener(self) -> Callable[[bytes], bytes]:
        """Return a filter for a server's bytes: it counts frames, and returns what to pass on."""
        cutter, buffer = Frames(), AnswerBuffer()

        def said(part: bytes) -> bytes:
            going = []
            for kind, flags, stream, frame in cutter.cut(part):
                self.frames[kind] += 1
                going.append(buffer.pass_on(kind, flags, stream, frame) if self.buffers_answers else frame)
            return b"".join(going)

        return said


@asynccontextmanager
async def path_to(
    target: str, *, buffers_answers: bool = False, of_http2: bool = True
) -> AsyncIterator[Path]:
    """Relay to HOST:PORT on this host; set `of_http2` to False for any other protocol."""
    path = Path(int(target.rpartition(":")[2]), buffers_answers, of_http2)
    server = await asyncio.start_server(path.accept, "127.0.0.1", 0)
    path.port = server.sockets[0].getsockname()[1]
    try:
        yield path
    finally:
        server.close()
        await path.end()
