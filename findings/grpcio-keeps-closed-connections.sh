#!/usr/bin/env bash
# A closed channel of grpc.aio keeps its connection open for as long as a call of it, or its error, is referenced.
#
# Version: grpcio 1.85.1 from PyPI; Python 3.11 or later.
# Expected: `close()`, and the end of `async with`, closes the connections of a channel, as it does with the synchronous API.
# Observed: the connection stays open until the last call object of the channel is collected, also if the call was over before
#   `close()`. An `AioRpcError` is enough to keep it: the frames of its traceback refer to the call. The server sees a
#   client that is connected and idle, and may close it by `grpc.max_connection_idle_ms` only.
# Who is affected: programs that keep the results or errors of calls, such as the last failure for a status page, a list of
#   failed calls, or a task that has failed and was not dropped, and that make a new channel after a failure. Each
#   of these holds a connection and a file descriptor on both sides.
# What to do: keep what a call said (code, details, metadata), not the call or the error; or drop the traceback with
#   `error.with_traceback(None)`, also those of the errors in `__cause__` and `__context__`.
#
# Exits with 0 as long as it behaves so, and with 1 when no connection is left after `close()`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import gc
import os
import subprocess
import sys
import time
from importlib.metadata import version

import grpc
import grpc.aio

SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc

methods = {
    "answer": grpc.unary_unary_rpc_method_handler(lambda request, context: request),
    "refuse": grpc.unary_unary_rpc_method_handler(lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, "")),
}
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", methods),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""
CHANNELS = 10


def connections(port):
    """Return how many connections this process has to the port, by /proc."""
    gc.collect()
    time.sleep(1)
    inodes = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            inodes.add(os.readlink(f"/proc/self/fd/{name}").strip("socket:[]"))
        except FileNotFoundError:
            pass
    found = 0
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/self/net/{table}").readlines()[1:]:
            fields = line.split()
            found += int(fields[2].rpartition(":")[2], 16) == port and fields[9] in inodes
    return found


async def asynchronous(target, method):
    kept = []
    for number in range(CHANNELS):
        # An option of its own for each channel, since channels with equal options share a connection.
        async with grpc.aio.insecure_channel(target, options=[("example", number)]) as channel:
            call = channel.unary_unary(f"/s/{method}")(b"")
            try:
                await call
                kept.append(call)
            except grpc.aio.AioRpcError as error:
                kept.append(error)
    return kept


def synchronous(target, method):
    kept = []
    for number in range(CHANNELS):
        with grpc.insecure_channel(target, options=[("example", number)]) as channel:
            try:
                kept.append(channel.unary_unary(f"/s/{method}").with_call(b"")[1])
            except grpc.RpcError as error:
                kept.append(error)
    return kept


server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
port = int(server.stdout.readline())
target = f"127.0.0.1:{port}"
print("grpcio", version("grpcio"))
left = {}
for method in ("answer", "refuse"):
    what = {"answer": "calls", "refuse": "errors"}[method]
    kept = synchronous(target, method)
    left["sync", method] = connections(port)
    kept = asyncio.run(asynchronous(target, method))
    left["aio", method] = connections(port)
    kept.clear()
    left["dropped", method] = connections(port)
    print(f"{CHANNELS} channels are closed, their {what} are kept: {left['sync', method]} connections are open;", end=" ")
    print(f"with grpc.aio {left['aio', method]}, and {left['dropped', method]} once the {what} are dropped")
server.kill()
closed = all(number == 0 for (api, _), number in left.items() if api != "aio")
sys.exit(0 if closed and left["aio", "answer"] == left["aio", "refuse"] == CHANNELS else 1)
PYTHON
