"""Asks a gateway for its health, as a load balancer would: the health check of the image."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 3.0
SERVING, NOT_SERVING = 0, 1


def check(address: str) -> int:
    """Ask the gateway at HOST:PORT; return 0 if it serves, 1 if it does not or cannot be reached."""
    host, _, port = address.rpartition(":")
    if host in {"0.0.0.0", "[::]"}:  # noqa: S104 - where it listens everywhere, ask at home
        address = f"localhost:{port}"
    with grpc.insecure_channel(address) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(  # type: ignore[attr-defined] # the stubs leave it out
                health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S
            )
        except grpc.RpcError as error:
            sys.stderr.write(f"{address}: {error.code().name}\n")
            return NOT_SERVING
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    sys.stdout.write(f"{address}: {status}\n")
    return SERVING if answer.status == health_pb2.HealthCheckResponse.SERVING else NOT_SERVING
