#!/usr/bin/env bash
# grpcio ends a call at once, with DEADLINE_EXCEEDED, if its timeout is infinite or longer than about 235 years.
#
# Version: grpcio 1.85.1 from PyPI; Python 3.11 or later.
# Expected: `timeout=math.inf` means that there is no time limit, as in asyncio, trio and grpc-js (`deadline: Infinity`). A
#   number that is too large raises an exception, or counts as infinite.
# Observed: grpcio adds the timeout to the present time and keeps the sum in nanoseconds, in 64 bits. A sum after April
#   2262 overflows, so the deadline is in the past and the call is never sent. This concerns `math.inf`,
#   `threading.TIMEOUT_MAX` (Python's longest timeout of a lock: 292 years), `sys.maxsize` and
#   `timedelta.max.total_seconds()`. The limit falls by a second each second.
# Who is affected: programs that pass a timeout of their own settings on to gRPC, where a large number stands for "no limit".
#   The status says that the server was too slow, so callers look for the cause there, or send the request again.
# What to do: pass None for no limit, or `min(timeout, 1e9)`.
#
# Exits with 0 as long as it behaves so, and with 1 when such a call has all the time it needs, or raises another error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.metadata import version

import grpc
import grpc.aio

TIMEOUTS = {
    "7e9 (221 years)": 7e9,
    "threading.TIMEOUT_MAX": threading.TIMEOUT_MAX,
    "timedelta.max": timedelta.max.total_seconds(),
    "sys.maxsize": float(sys.maxsize),
    "math.inf": math.inf,
}
received = []


def answer(request, context):
    received.append(request)
    return request


def blocking(target, timeout):
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary("/s/m")(b"", timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


async def asynchronous(target, timeout):
    async with grpc.aio.insecure_channel(target) as channel:
        try:
            await channel.unary_unary("/s/m")(b"", timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


server = grpc.server(ThreadPoolExecutor(2))
methods = {"m": grpc.unary_unary_rpc_method_handler(answer)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", methods),))
target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()
print("grpcio", version("grpcio"))
found = {}
for name, timeout in TIMEOUTS.items():
    found[name] = (blocking(target, timeout), asyncio.run(asynchronous(target, timeout)))
    print(f"timeout={name}: {found[name][0]}; grpc.aio: {found[name][1]}")
server.stop(0)
print(f"the server has received {len(received)} of {2 * len(TIMEOUTS)} calls")
first, *others = found.values()
sys.exit(0 if first == ("OK", "OK") and {*others} == {("DEADLINE_EXCEEDED",) * 2} else 1)
PYTHON
