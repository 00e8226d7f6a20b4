#!/usr/bin/env bash
# A gRPC server refuses calls at random whose metadata takes 8 to 16 KiB.
#
# Versions: grpcio 1.85.1 from PyPI (gRPC's C core: servers in Python, C++, Ruby, PHP); Python 3.11 or later.
# Expected: a limit on metadata accepts or refuses a given size, always in the same way.
# Observed: between `grpc.max_metadata_size` (8 KiB unless set) and `grpc.absolute_max_metadata_size` (16 KiB) a
#   call is refused with RESOURCE_EXHAUSTED with a probability that grows with its size, so the same call succeeds
#   and fails in turn. A comment at the two options says so in a sentence; the error does not.
# Who is affected: servers behind proxies that forward a client certificate in a header, which has 2 to 15 KiB.
# What to do: set both options, to the same value.
#
# Exits with 0 as long as it behaves so, and with 1 when calls of one size all go the same way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc

SIZES, CALLS = (4, 12, 20), 200


def refused(options: list[tuple[str, int]]) -> list[int]:
    """Return of how many calls of each size a server with these options refuses."""
    method = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server = grpc.server(ThreadPoolExecutor(2), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", {"m": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary("/s/m")
        counts = []
        for size in SIZES:
            calls = [ask.future(b"", metadata=(("m", "x" * size * 1024),)) for _ in range(CALLS)]
            counts.append(sum(call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED for call in calls))
    server.stop(0)
    return counts


usual = refused([])
equal = refused([("grpc.max_metadata_size", 16384), ("grpc.absolute_max_metadata_size", 16384)])
print("grpcio", version("grpcio"))
for size, first, second in zip(SIZES, usual, equal, strict=True):
    print(f"{size} KiB: of {CALLS} calls {first} refused; {second} where both limits are 16 KiB")
sys.exit(0 if 0 < usual[1] < CALLS and usual[::2] == [0, CALLS] and equal == [0, 0, CALLS] else 1)
PYTHON
