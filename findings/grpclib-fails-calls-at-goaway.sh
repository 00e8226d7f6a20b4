#!/usr/bin/env bash
# grpclib's client fails calls that are in flight when a server asks it to change the connection.
#
# Versions: grpclib 0.4.9 with h2 4.4.1, against the server of grpcio 1.85.1; protobuf 7.36.2 from PyPI; Python 3.11 or later.
# Expected: a server that limits the age of connections sends GOAWAY and then answers the calls in flight within its
#   grace time (RFC 9113, section 6.8). gRPC's own clients finish them, and open another connection for new calls. None fails.
# Observed: grpclib closes the connection when the GOAWAY arrives. All calls on it fail with StreamTerminatedError, although
#   the server has read their requests and goes on to answer them: the answers are lost.
# Who is affected: services that call with grpclib a server that limits the age of connections, as is usual behind load
#   balancers, or that shuts down gracefully. They cannot know what became of calls that are not idempotent.
# What to do: repeat calls that fail with StreamTerminatedError under an idempotency key, or use grpcio.
#
# Exits with 0 as long as it behaves so, and with 1 when grpclib finishes its calls.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    grpclib==0.4.9 h2==4.4.1 grpcio==1.85.1 protobuf==7.36.2
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import time
from collections import Counter
from importlib.metadata import version

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from grpclib.client import Channel, UnaryUnaryMethod

AGE_S, GRACE_S, CALL_S, RUN_S = 1.5, 20, 0.3, 6


class Service(grpc.GenericRpcHandler):
    def service(self, _):
        async def answer(request, context):
            await asyncio.sleep(CALL_S)
            return request

        return grpc.unary_unary_rpc_method_handler(answer, StringValue.FromString, StringValue.SerializeToString)


async def repeat(call):
    """Call one after the other for a while; return how often each result came."""
    results = Counter()
    end = time.monotonic() + RUN_S
    while time.monotonic() < end:
        try:
            await call(StringValue(value="x"))
            results["ok"] += 1
        except Exception as error:
            results[type(error).__name__] += 1
    return results


async def main():
    options = [("grpc.max_connection_age_ms", int(AGE_S * 1000)), ("grpc.max_connection_age_grace_ms", GRACE_S * 1000)]
    server = grpc.aio.server(handlers=[Service()], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    results = {}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/s/Call", StringValue.SerializeToString, StringValue.FromString)
        results["grpcio"] = sum(await asyncio.gather(*(repeat(call) for _ in range(5))), Counter())
    async with Channel("127.0.0.1", port) as channel:
        call = UnaryUnaryMethod(channel, "/s/Call", StringValue, StringValue)
        results["grpclib"] = sum(await asyncio.gather(*(repeat(call) for _ in range(5))), Counter())
    await server.stop(1)
    return results


results = asyncio.run(main())
for name, counted in results.items():
    print(f"{name} {version(name)}:", ", ".join(f"{count} {kind}" for kind, count in counted.items()))
sys.exit(0 if set(results["grpcio"]) == {"ok"} and results["grpclib"]["StreamTerminatedError"] >= 5 else 1)
PYTHON
