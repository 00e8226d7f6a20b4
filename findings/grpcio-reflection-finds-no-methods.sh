#!/usr/bin/env bash
# Server reflection of grpcio-reflection does not find methods, and does not serve its version 1.
#
# Versions: grpcio and grpcio-reflection 1.85.1, grpcio-health-checking 1.85.1, protobuf 7.36.2 from PyPI;
#   Python 3.11 or later.
# Expected: `file_containing_symbol` takes "<package>.<service>[.<method>] or <package>.<type>", as the comments of
#   reflection.proto say, and returns the file that declares a method. `grpc.reflection.v1`, which replaced
#   v1alpha in 2023, is served.
# Observed: NOT_FOUND for every method, since protobuf's DescriptorPool.FindFileContainingSymbol knows none, and
#   UNIMPLEMENTED for v1. A service by its own name is found.
# Who is affected: users of `grpcurl describe SERVICE.METHOD`, and of ghz, which looks its method up like that and
#   ends with "Symbol not found"; tools that speak v1 only.
# What to do: answer for methods from a table of one's own; the messages of v1 and v1alpha are the same on the wire.
#
# Exits with 0 as long as it behaves so, and with 1 when methods are found or v1 is served.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    grpcio==1.85.1 grpcio-reflection==1.85.1 grpcio-health-checking==1.85.1 protobuf==7.36.2
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha import reflection_pb2 as pb

server = grpc.server(ThreadPoolExecutor(2))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
reflection.enable_server_reflection([health.SERVICE_NAME, reflection.SERVICE_NAME], server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")


def found(package: str, symbol: str) -> str:
    """Return in a word what reflection says of a symbol."""
    ask = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )
    try:
        answer = next(ask(iter([pb.ServerReflectionRequest(file_containing_symbol=symbol)])))
    except grpc.RpcError as error:
        return error.code().name
    return "found" if answer.HasField("file_descriptor_response") else answer.error_response.error_message


said = {
    (package, symbol): found(package, symbol)
    for package in ("grpc.reflection.v1alpha", "grpc.reflection.v1")
    for symbol in ("grpc.health.v1.Health", "grpc.health.v1.Health.Check")
}
print("grpcio-reflection", version("grpcio-reflection"), "protobuf", version("protobuf"))
for (package, symbol), word in said.items():
    print(f"{package}: {symbol}: {word}")
server.stop(0)
expected = ["found", "not found", "UNIMPLEMENTED", "UNIMPLEMENTED"]
sys.exit(0 if list(said.values()) == expected else 1)
PYTHON
