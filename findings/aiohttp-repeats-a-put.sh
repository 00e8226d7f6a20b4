#!/usr/bin/env bash
# aiohttp's client sends a PUT twice for one call, if the server closes a kept connection after reading the first.
#
# Version: aiohttp 3.14.5 from PyPI; Python 3.11 or later.
# Expected: `session.put(...)` sends one request, or fails. A request that may have been carried out is the caller's to
#   repeat, as with requests and botocore.
# Observed: when the first request on a kept connection was read by the server, and the server closed the connection
#   without a reply, aiohttp opens another connection and sends the same PUT again. The caller sees one success.
#   It does so for all methods that HTTP calls idempotent; no documented option turns it off.
# Who is affected: clients of APIs whose PUT must not be counted twice: AWS uses PUT for calls with a rate limit and for
#   calls whose caller decides about a second attempt.
# What to do: count in `send` of a subclass of `aiohttp.ClientRequest` (the argument `request_class` of the session), and
#   raise there if the call has already sent a request.
#
# Exits with 0 as long as it behaves so, and with 1 when the server reads one request only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install aiohttp==3.14.5
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys

import aiohttp

read = []


async def serve(reader, writer):
    """Answer the first request of all; read the second and close; answer those on other connections."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            read.append(await reader.readexactly(length))
            if len(read) == 2:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with aiohttp.ClientSession() as session:
        for body in (b"first", b"second"):
            async with session.put(url, data=body) as response:
                print(f"the caller's {body.decode()} PUT: status {response.status}")
                await response.read()
    server.close()
    print(f"aiohttp {aiohttp.__version__}: the server read {[body.decode() for body in read]}")


asyncio.run(asyncio.wait_for(main(), 20))
sys.exit(0 if read.count(b"second") == 2 else 1)
PYTHON
