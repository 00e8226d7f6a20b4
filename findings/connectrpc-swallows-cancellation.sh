#!/usr/bin/env bash
# connectrpc's asyncio client turns the cancellation of a task into an ordinary error, so a loop that retries outlives it.
#
# Versions: connectrpc 0.13.0 with pyqwest 0.12.0 and protobuf 7.36.2 from PyPI; Python 3.11 or later.
# Expected: a task that is cancelled while it waits for a call gets `CancelledError`, which only code that handles cancellation
#   catches; so it is with grpcio, aiohttp and asyncio itself. `async with asyncio.timeout(...)` raises `TimeoutError`.
# Observed: the client catches the `CancelledError` and raises a `ConnectError` with the code CANCELED, as for a call that the server
#   has cancelled. `except ConnectError` in a loop that retries catches it, and the task goes on and calls again after
#   `task.cancel()`. `asyncio.timeout` has cancelled the call but raises `ConnectError` instead of `TimeoutError`.
# Who is affected: services whose tasks call in a loop: a shutdown that cancels them and waits for them, such as the end
#   of `asyncio.run` or of a `TaskGroup`, hangs, and calls are made that nobody wants any more.
# What to do: in each handler of ConnectError, raise it if `asyncio.current_task().cancelling()` is not 0; limit the time by
#   `timeout_ms` of the call.
#
# Exits with 0 as long as it behaves so, and with 1 when the task ends with its cancellation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install connectrpc==0.13.0 pyqwest==0.12.0 protobuf==7.36.2
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

from connectrpc.client import ConnectClient
from connectrpc.compat import google_protobuf_binary_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.wrappers_pb2 import StringValue

METHOD = MethodInfo(
    name="Call",
    service_name="s.S",
    input=StringValue,
    output=StringValue,
    idempotency_level=IdempotencyLevel.UNKNOWN,
    stream_type=StreamType.UNARY,
)
requests = 0


async def never_answer(reader, writer):
    """Read a request, and wait until the client closes the connection."""
    global requests
    await reader.readuntil(b"\r\n\r\n")
    requests += 1
    await reader.read()
    writer.close()


async def call_until_answered(client):
    while True:
        try:
            return await client.execute_unary(request=StringValue(value="x"), method=METHOD)
        except ConnectError as error:
            print(f"the task retries after {error.code.name}: {error}")
            await asyncio.sleep(0.1)


async def main():
    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(f"connectrpc {version('connectrpc')}, pyqwest {version('pyqwest')}")
    async with ConnectClient(address, codec=google_protobuf_binary_codec(), send_compression=None) as client:
        try:
            async with asyncio.timeout(0.5):
                await client.execute_unary(request=StringValue(value="x"), method=METHOD)
        except Exception as error:
            limited = type(error).__name__
        print(f"asyncio.timeout(0.5) around a call: {limited}")
        task = asyncio.create_task(call_until_answered(client))
        await asyncio.sleep(0.5)
        before = requests
        task.cancel()
        await asyncio.wait([task], timeout=2)
        ended, after = task.done(), requests - before
        print(f"2 s after task.cancel(): the task {'has ended' if ended else 'goes on'}, {after} more requests")
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.01)
    return limited == "ConnectError" and not ended and after > 0


sys.exit(0 if asyncio.run(asyncio.wait_for(main(), 20)) else 1)
PYTHON
