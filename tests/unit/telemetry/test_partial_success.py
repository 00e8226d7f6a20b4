"""What a real collector rejects of an export that it accepts otherwise is counted as lost, and logged."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from gateway.telemetry import trail_export_from
from gateway.telemetry.export_watch import ExportResults, MetricPusher, WatchedSpans
from gateway.telemetry.exporters import metric_exporters, span_exporters
from gateway.trail.export_sink import ExportSink
from gateway.trail.lines import Line

SAID = "it names +12065550123"
PROTOCOLS = ["grpc", "http/protobuf"]


def replies(rejected: int) -> Mapping[str, bytes]:
    """Return the replies about each signal, by a word of the method and of the path."""
    spans = ExportTracePartialSuccess(rejected_spans=rejected, error_message=SAID)
    points = ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=SAID)
    records = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=SAID)
    return {
        "trace": ExportTraceServiceResponse(partial_success=spans).SerializeToString(),
        "metrics": ExportMetricsServiceResponse(partial_success=points).SerializeToString(),
        "logs": ExportLogsServiceResponse(partial_success=records).SerializeToString(),
    }


class Collector(grpc.GenericRpcHandler):
    """A collector over gRPC and HTTP, which answers with `replies`; over gRPC after `failures` that fail."""

    def __init__(self) -> None:
        self.replies = replies(2)
        self.failures = self.exports = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                body = outer.reply(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self._workers = ThreadPoolExecutor(2)
        self._grpc = grpc.server(self._workers, handlers=[self])
        ports = {"grpc": self._grpc.add_insecure_port("127.0.0.1:0"), "http/protobuf": self._http.server_port}
        self.urls = {protocol: f"http://127.0.0.1:{port}" for protocol, port in ports.items()}
        self._grpc.start()

    def reply(self, about: str) -> bytes:
        """Return the reply to an export of the signal that a path or a method names."""
        self.exports += 1
        (found,) = [reply for signal, reply in self.replies.items() if signal in about.lower()]
        return found

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return what answers a call."""

        def answer(_: bytes, context: grpc.ServicerContext) -> bytes:
            if self.failures:
                self.failures -= 1
                soon = error_details_pb2.RetryInfo()
                soon.retry_delay.FromMilliseconds(1)
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", soon.SerializeToString()),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
            return self.reply(details.method)

        return grpc.unary_unary_rpc_method_handler(answer)

    def close(self) -> None:
        """Stop."""
        self._grpc.stop(0).wait()
        self._workers.shutdown()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name the collector in the variables of this process, where exporters look for it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", request.param)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.urls[request.param])
    return str(request.param)


def export_spans(count: int) -> ExportResults:
    """Export so many spans; return the results."""
    tracer: Any = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    results = ExportResults("spans")
    (exporter,) = span_exporters(os.environ)
    watched = WatchedSpans(exporter, results)
    watched.export([tracer.start_span(str(number)) for number in range(count)])
    watched.shutdown()
    return results


def push_metrics() -> ExportResults:
    """Push metrics once; return the results."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("test").create_counter("c").add(1)
    results = ExportResults("metrics")
    (exporter,) = metric_exporters(os.environ)
    MetricPusher(exporter, results).push(reader.get_metrics_data, 1.0)
    exporter.shutdown()
    provider.shutdown()
    return results


@pytest.mark.usefixtures("protocol")
def test_rejected_spans_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The collector is in order otherwise, and its own words are not logged."""
    results = export_spans(3)
    assert (results.lost, results.works) == (2, True)
    (record,) = caplog.records
    assert record.getMessage() == "spans could not be exported: the collector has rejected some"
    assert record.__dict__["lost"] == 2


@pytest.mark.usefixtures("protocol")
def test_a_push_of_which_points_were_rejected_is_lost() -> None:
    """The push counts as one, however many points were rejected."""
    assert push_metrics().lost == 1


@pytest.mark.parametrize("make", [lambda: export_spans(3), push_metrics])
@pytest.mark.usefixtures("protocol")
def test_remarks_of_a_collector_that_accepts_everything_are_no_loss(
    collector: Collector, make: Callable[[], ExportResults], caplog: pytest.LogCaptureFixture
) -> None:
    collector.replies = replies(0)
    results = make()
    assert (results.lost, results.works, caplog.records) == (0, True, [])


@pytest.mark.usefixtures("protocol")
def test_rejected_lines_of_the_trail_are_lost_and_not_exported_again(collector: Collector) -> None:
    """OTLP forbids to repeat them, and nothing says which they are."""
    export = trail_export_from(os.environ)
    assert export is not None
    sink = ExportSink(export.export, export.close, lambda: export.rejected)
    lines: list[Line] = [({"seq": seq, "time": "2026-11-30T12:00:00.250Z"}, b"") for seq in range(3)]
    sink.write(lines)
    assert (sink.lost, collector.exports) == (2, 1)
    collector.replies = replies(0)
    sink.write(lines)
    assert (sink.lost, collector.exports) == (2, 2)
    sink.close()


@pytest.mark.parametrize("protocol", ["grpc"], indirect=True)
@pytest.mark.usefixtures("protocol")
def test_replies_on_a_new_connection_are_read_too(collector: Collector) -> None:
    """The exporter connects again after a first attempt that finds the collector unavailable."""
    collector.failures = 1
    assert export_spans(3).lost == 2


@pytest.mark.parametrize("protocol", ["http/protobuf"], indirect=True)
@pytest.mark.usefixtures("protocol")
def test_a_reply_that_cannot_be_read_is_a_success(collector: Collector) -> None:
    """An unreadable reply counts as a success, as if it were not read."""
    collector.replies = {"trace": b"\xff"}
    results = export_spans(3)
    assert (results.lost, results.works) == (0, True)
