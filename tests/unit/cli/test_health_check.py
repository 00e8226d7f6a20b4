"""The health check of a gateway that serves, that drains, and that does not exist."""

import socket
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from gateway.cli import health_check

Status = health_pb2.HealthCheckResponse


@dataclass
class Server:
    """A gRPC server with nothing but the health service."""

    port: int
    servicer: HealthServicer


@pytest.fixture
def server() -> Iterator[Server]:
    running = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield Server(port, servicer)
    running.stop(None).wait()


def test_a_gateway_that_serves(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway that serves is healthy: 0, and one line that says so."""
    assert health_check.check(f"127.0.0.1:{server.port}") == health_check.SERVING == 0
    assert capsys.readouterr() == (f"127.0.0.1:{server.port}: SERVING\n", "")


def test_a_gateway_that_leaves(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A draining gateway answers, and is not healthy."""
    server.servicer.set("", Status.NOT_SERVING)
    assert health_check.check(f"127.0.0.1:{server.port}") == health_check.NOT_SERVING
    assert capsys.readouterr().out == f"127.0.0.1:{server.port}: NOT_SERVING\n"


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a listener the check fails with one line on stderr."""
    with socket.socket() as bound:  # bound without listening, so that no other process can listen there
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        assert health_check.check(address) == health_check.NOT_SERVING
    assert capsys.readouterr() == ("", f"{address}: UNAVAILABLE\n")


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that accepts the connection and does not answer within the time-out counts as not serving."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert health_check.check(address, timeout_s=0.05) == health_check.NOT_SERVING
    assert capsys.readouterr() == ("", f"{address}: DEADLINE_EXCEEDED\n")


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "[::]"])  # noqa: S104 - asked, not listened on
def test_a_gateway_that_listens_everywhere(server: Server, everywhere: str) -> None:
    """The health of a gateway that listens on every interface is checked on loopback."""
    assert health_check.check(f"{everywhere}:{server.port}") == health_check.SERVING
