#!/usr/bin/env bash
# grpcio leaves a stream open whose reader is cancelled in the instant in which the initial metadata arrive.
#
# Versions: grpcio 1.85.1 from PyPI, its asyncio API; Python 3.11 or later.
# Expected: if the task that awaits `call.read()` is cancelled, the call is cancelled too, so that the server ends its work.
#   grpcio does so at every other moment: while it waits for the initial metadata, and later, while it waits for a message.
# Observed: if the metadata have arrived, and the reading task has not run since, the task is cancelled and the call goes on.
#   Neither side notices: `call.cancelled()` is false, and the server's handler runs until its own end, or the deadline.
# Who is affected: clients that give up a stream by cancelling the task that reads it, as `asyncio.timeout` and task groups do.
#   On a busy machine it happened in 1 of 1,800 cancellations soon after the first message was sent.
# What to do: call `call.cancel()` in a `finally` around all reads. It does nothing if the call has ended.
#
# Exits with 0 as long as it behaves so, and with 1 when the call is cancelled at both moments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install grpcio==1.85.1
cat > reads.py <<'PYTHON'
"""Cancels two reads, at different moments, and prints for each whether its call and the server's handler have ended."""
import asyncio
from contextlib import suppress
from importlib.metadata import version

import grpc
import grpc.aio

ended = []


async def handle(messages, context):
    """Send the initial metadata and no message."""
    context.add_done_callback(lambda _: ended.append(True))
    await context.send_initial_metadata(())
    await asyncio.Event().wait()
    yield b""


async def read_and_cancel(channel, wait_s):
    """Cancel a read this long after the initial metadata have arrived."""
    call = channel.stream_stream("/s/m")()

    async def cancel():
        await call.initial_metadata()
        if wait_s:
            await asyncio.sleep(wait_s)
        reading.cancel()

    cancelling = asyncio.create_task(cancel())
    await asyncio.sleep(0)
    reading = asyncio.create_task(call.read())
    await cancelling
    with suppress(asyncio.CancelledError):
        await reading
    before = len(ended)
    await asyncio.sleep(1)
    print(
        f"grpcio {version('grpcio')}, {wait_s} s after the metadata: read cancelled {reading.cancelled()}, "
        f"call cancelled {call.cancelled()}, handlers ended {len(ended) - before}"
    )
    call.cancel()
    await asyncio.sleep(0.5)


async def main():
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", {"m": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await read_and_cancel(channel, 0.2)
        await read_and_cancel(channel, 0)
    await server.stop(None)


asyncio.run(main())
PYTHON
venv/bin/python reads.py 2> errors | tee seen || { cat errors; exit 2; }
grep -q "0.2 s after the metadata: read cancelled True, call cancelled True, handlers ended 1" seen
grep -q " 0 s after the metadata: read cancelled True, call cancelled False, handlers ended 0" seen
