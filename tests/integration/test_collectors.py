"""A collector of traces or metrics that is down, or hangs, delays nothing."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.admin import scrape
from tests.integration.process import NO_LIMIT, Served, serving
from tests.integration.world import PATIENCE_S, dials, until

PROTOCOLS = ["grpc", "http/protobuf"]
LOST = "dial_gateway_telemetry_lost_total"
EXIT_S = 15
"""Seconds within which an idle gateway exits without a collector: 1.4 on a quiet machine."""


@contextmanager
def absent() -> Iterator[str]:
    """Yield a reserved address without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def hanging() -> Iterator[tuple[str, list[bytes]]]:
    """Yield an address that accepts connections and never answers, and the first bytes of each connection."""
    begun: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                    begun.append(kept[-1].recv(100))
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", begun
        server.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


@contextmanager
def collecting(answer_after_s: float = 0.0) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of an HTTP collector, and the paths of the posts it has received."""
    paths: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(answer_after_s)
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        server.server_close()


def exporting(protocol: str, **more: str) -> dict[str, str]:
    """Return the variables that turn on OTLP export of both signals, with a long time limit."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "120",
        **{f"OTEL_{name}": value for name, value in more.items()},
    }


async def leaves(served: Served) -> float:
    """Send SIGTERM to a gateway; return the seconds until its end."""
    began = time.monotonic()
    served.terminate()
    assert await served.exit_code() == 0
    return time.monotonic() - began


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.timed
async def test_a_hanging_push_does_not_delay_scrapes(protocol: str) -> None:
    """A push that waits for its collector does not delay scrapes."""
    with hanging() as (address, begun):
        environment = exporting(protocol, EXPORTER_OTLP_ENDPOINT=address, METRIC_EXPORT_INTERVAL="200")
        async with serving(*NO_LIMIT, environment=environment) as served:
            await served.stream().ask(*dials(3))
            await until(lambda: begun)
            await asyncio.sleep(0.5)  # until a push hangs
            for _ in range(3):
                began = time.monotonic()
                await scrape(served.admin_port)
                assert time.monotonic() - began < 5
            assert await leaves(served) < EXIT_S


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.timed
async def test_an_idle_gateway_exits_without_its_collector(protocol: str) -> None:
    """Without a collector the gateway tries for a second to export the last spans and metrics, and reports
    both as lost.
    """
    with absent() as address:
        async with serving(
            *NO_LIMIT, environment=exporting(protocol, EXPORTER_OTLP_ENDPOINT=address)
        ) as served:
            await served.stream().ask(*dials(3))
            assert await leaves(served) < EXIT_S
        assert b"the last spans and metrics could not be exported" in served.said


@pytest.mark.timed
async def test_the_last_metrics_do_not_wait_behind_spans() -> None:
    """The last metrics are exported even if the collector of traces is down."""
    with absent() as nowhere, collecting() as (address, paths):
        environment = exporting(
            "http/protobuf",
            EXPORTER_OTLP_TRACES_ENDPOINT=f"{nowhere}/v1/traces",
            EXPORTER_OTLP_METRICS_ENDPOINT=f"{address}/v1/metrics",
        )
        async with serving(*NO_LIMIT, environment=environment) as served:
            await served.stream().ask(*dials(3))
            assert paths == []
            await leaves(served)
    assert paths == ["/v1/metrics"]
    assert b"the last spans could not be exported" in served.said


@pytest.mark.timed
async def test_a_collector_that_works_is_waited_for() -> None:
    """A collector that accepted earlier exports gets several seconds for the last ones."""
    with collecting(answer_after_s=1.5) as (address, paths):
        environment = exporting(
            "http/protobuf",
            EXPORTER_OTLP_ENDPOINT=address,
            METRIC_EXPORT_INTERVAL="200",
            BSP_SCHEDULE_DELAY="100",
        )
        async with serving(*NO_LIMIT, environment=environment) as served:
            await served.stream().ask(*dials(3))
            async with asyncio.timeout(PATIENCE_S):
                while {*paths} != {"/v1/traces", "/v1/metrics"}:  # noqa: ASYNC110 - in another thread
                    await asyncio.sleep(0.05)
            await served.stream().ask(*dials(3))
            await leaves(served)
    assert b"could not be exported" not in served.said


@pytest.mark.parametrize(("protocol", "why"), [("grpc", "UNAVAILABLE"), ("http/protobuf", "ConnectionError")])
@pytest.mark.timed
async def test_failed_exports_are_logged_with_the_reason(protocol: str, why: str) -> None:
    """The log states what is lost, how much, and the kind of failure, not the library's template."""
    with absent() as address:
        environment = exporting(
            protocol, EXPORTER_OTLP_ENDPOINT=address, METRIC_EXPORT_INTERVAL="200", EXPORTER_OTLP_TIMEOUT="3"
        ) | {"OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with serving(*NO_LIMIT, environment=environment) as served:
            await served.stream().ask(*dials(3))
            await until(lambda: b"spans could not" in served.said and b"metrics could not" in served.said)
            await asyncio.sleep(1)
            async with asyncio.timeout(PATIENCE_S):  # the spans may be exported in several parts
                while (seen := await scrape(served.admin_port)).value(LOST, what="spans") < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
    said = served.said.decode()
    for what in ("spans", "metrics"):
        (lost,) = re.findall(rf'"{what} could not be exported: {why}".*"lost": (\d+)', said)
        assert seen.value(LOST, what=what) >= int(lost) >= 1
    assert "%s" not in said
    assert "Transient" not in said


@pytest.mark.timed
async def test_a_recovered_collector_is_logged() -> None:
    """After failed exports the first success is logged."""
    with absent() as address:
        port = int(address.rpartition(":")[2])
    environment = exporting(
        "http/protobuf",
        EXPORTER_OTLP_ENDPOINT=address,
        METRIC_EXPORT_INTERVAL="200",
        EXPORTER_OTLP_TIMEOUT="1",
    )
    async with serving(*NO_LIMIT, environment=environment) as served:
        await until(lambda: b"metrics could not be exported" in served.said)
        collector = socket.create_server(("127.0.0.1", port))
        with collector:
            threading.Thread(target=_answer_all, args=(collector,), daemon=True).start()
            await until(lambda: b"metrics are exported again" in served.said)


def _answer_all(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(1 << 20)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
