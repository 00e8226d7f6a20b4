"""Asks a gateway for its health, as a load balancer would: the health check of the image."""

import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 3.0
SERVING, NOT_SERVING = 0, 1


def check(address: str, timeout_s: float = TIMEOUT_S) -> int:
    """Ask the gateway at HOST:PORT; return 0 if it serves, 1 if it does not or cannot be reached."""
    address = _local_address(address)
    with grpc.insecure_channel(address) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(  # type: ignore[attr-defined] # the stubs leave it out
                health_pb2.HealthCheckRequest(), timeout=timeout_s
            )
        except grpc.RpcError as error:
            sys.stderr.write(f"{address}: {error.code().name}\n")
            return NOT_SERVING
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    sys.stdout.write(f"{address}: {status}\n")
    return SERVING if answer.status == health_pb2.HealthCheckResponse.SERVING else NOT_SERVING


def check_admin(address: str) -> int:
    """Ask the admin port at HOST:PORT whether the gateway is ready: gRPC may ask for a certificate."""
    url = f"http://{_local_address(address)}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):
            sys.stdout.write(f"{url}: ready\n")
            return SERVING
    except urllib.error.HTTPError as error:
        with error:
            sys.stderr.write(f"{url}: not ready ({error.code})\n")
    except OSError:
        sys.stderr.write(f"{url}: cannot be reached\n")
    return NOT_SERVING


def _local_address(address: str) -> str:
    """Return the address to ask: localhost for a gateway that listens on all addresses."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in {"0.0.0.0", "[::]"} else address  # noqa: S104 - to compare with
