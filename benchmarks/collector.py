"""An OTLP collector over HTTP that accepts everything, for benchmarks that export spans and metrics."""

import asyncio
import re
import sys

_length = re.compile(rb"content-length: (\d+)", re.IGNORECASE).search


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _length(head)
            await reader.readexactly(int(length[1]) if length else 0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.sleep(600)  # ends after this time if the benchmark did not stop it


if __name__ == "__main__":
    asyncio.run(_serve())
