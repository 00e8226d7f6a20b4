"""Exports over HTTP fail if they are redirected, and trust the authorities of OpenTelemetry's variables."""

import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider

from gateway.telemetry import trail_export_from
from gateway.telemetry.export_watch import ExportResults, WatchedSpans
from gateway.telemetry.exporters import span_exporters
from gateway.telemetry.otlp_session import OtlpSession
from gateway.telemetry.setup import telemetry_from
from tests.pki import Authority

ENVIRONMENTS_OWN = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Collector(ThreadingHTTPServer):
    """A collector behind TLS that answers with a status and another address; `paths` were asked for."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        collector = self
        self.status = 200
        self.paths: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.paths.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(collector.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(ip="127.0.0.1").write(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector, and name it and its authority in the variables of this process."""
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "other.crt").write_bytes(Authority().pem)
    with Collector(authority, tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.crt"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
        for name in ENVIRONMENTS_OWN:
            monkeypatch.delenv(name, raising=False)
        yield server
        server.shutdown()
        thread.join()


def export_a_span() -> ExportResults:
    """Export a span with the exporter that the variables ask for; return the results."""
    telemetry_from({})  # takes what exporters log
    tracer: Any = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    results = ExportResults("spans")
    (exporter,) = span_exporters(os.environ)
    watched = WatchedSpans(exporter, results)
    watched.export([tracer.start_span("a")])
    watched.shutdown()
    return results


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_export_is_lost_and_the_log_says_why(
    collector: Collector, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """It is not sent again elsewhere: its headers may be secrets of this collector."""
    collector.status = status
    results = export_a_span()
    assert (results.lost, results.works, collector.paths) == (1, False, ["/v1/traces"])
    (record,) = [record for record in caplog.records if record.name.startswith("gateway.")]
    assert record.getMessage() == (
        f"spans could not be exported: HTTP {status}, a redirect, which is not followed"
    )


def test_a_redirected_line_of_the_trail_is_not_taken_for_exported(collector: Collector) -> None:
    collector.status = 308
    export = trail_export_from({"OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    assert export is not None
    assert not export.export([{"time": "2026-11-30T12:00:00.250Z"}])
    export.close()
    assert collector.paths == ["/v1/logs"]


@pytest.mark.parametrize("name", ENVIRONMENTS_OWN)
def test_the_variable_of_opentelemetry_names_the_authorities(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not the general variable of the machine."""
    monkeypatch.setenv(name, str(tmp_path / "other.crt"))
    results = export_a_span()
    assert (results.lost, results.works, collector.paths) == (0, True, ["/v1/traces"])


@pytest.mark.parametrize("name", ENVIRONMENTS_OWN)
def test_without_it_the_general_variable_names_them(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_CERTIFICATE")
    monkeypatch.setenv(name, str(tmp_path / "ca.crt"))
    assert export_a_span().works
    assert collector.paths == ["/v1/traces"]


@pytest.mark.parametrize("timeout_s", [0, 0.0, -0.5])
def test_an_attempt_without_time_left_times_out(collector: Collector, timeout_s: float) -> None:
    """The exporter begins its last attempt after its time is over, and logs what the session raises."""
    address = f"https://127.0.0.1:{collector.server_port}/v1/traces"
    with OtlpSession(lambda response: None) as session, pytest.raises(requests.ConnectTimeout):
        session.post(address, timeout=timeout_s)
    assert collector.paths == []
