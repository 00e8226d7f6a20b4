"""Which exporters the standard variables ask for, and how telemetry ends."""

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as MetricsOverGrpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as MetricsOverHttp
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.core.errors import ConnectFailed
from gateway.core.model import Batch, FlushReason
from gateway.telemetry import RpcStatus, Telemetry, TelemetryError, telemetry_from, telemetry_with
from gateway.telemetry.exporters import metric_exporters, push_interval_s, span_exporters

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
ENDPOINT = "http://127.0.0.1:9"


SPANS = "OTEL_TRACES_EXPORTER"
METRICS = "OTEL_METRICS_EXPORTER"
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "spans", "metrics"),
    [
        ({}, [], []),
        ({SPANS: "none", METRICS: "none"}, [], []),
        ({SPANS: " console ", METRICS: "prometheus"}, [ConsoleSpanExporter], []),
        ({SPANS: "otlp,console"}, [OverGrpc, ConsoleSpanExporter], []),
        ({METRICS: "otlp, console"}, [], [MetricsOverGrpc, ConsoleMetricExporter]),
        ({OTLP: ENDPOINT}, [OverGrpc], [MetricsOverGrpc]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ENDPOINT}, [OverGrpc], []),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": ENDPOINT}, [], [MetricsOverGrpc]),
        ({OTLP: ENDPOINT, SPANS: "none"}, [], [MetricsOverGrpc]),
        ({OTLP: ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, [], []),
        ({OTLP: ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, [OverGrpc], [MetricsOverGrpc]),
        ({OTLP: ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, [OverHttp], [MetricsOverHttp]),
        (
            {OTLP: ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            [OverHttp],
            [MetricsOverGrpc],
        ),
        (
            {OTLP: ENDPOINT, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"},
            [OverGrpc],
            [MetricsOverHttp],
        ),
    ],
)
def test_the_variables_choose_the_exporters(
    environment: dict[str, str], spans: list[type], metrics: list[type]
) -> None:
    """The variables name exporters and protocol of each signal; an endpoint alone asks for OTLP."""
    made: list[SpanExporter | MetricExporter] = [*span_exporters(environment)]
    made += metric_exporters(environment)
    assert [type(exporter) for exporter in made] == [*spans, *metrics]
    for exporter in made:
        exporter.shutdown()


@pytest.mark.parametrize(("text", "seconds"), [(None, 60.0), ("", 60.0), ("1500", 1.5)])
def test_the_interval_of_pushes(text: str | None, seconds: float) -> None:
    """Metrics are pushed every minute, or at the interval of the standard variable, in milliseconds."""
    environment = {} if text is None else {"OTEL_METRIC_EXPORT_INTERVAL": text}
    assert push_interval_s(environment) == seconds


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_TRACES_EXPORTER": "console,,"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "statsd"}, "OTEL_METRICS_EXPORTER"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "-1"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "PROTOCOL"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "PROTOCOL"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], named: str) -> None:
    """A value that cannot be used is an error that names its variable."""
    with pytest.raises(TelemetryError, match=named):
        telemetry_from(environment)


def test_without_an_exporter_nothing_is_recorded() -> None:
    """Without an exporter spans record nothing, and have real ids in the caller's trace."""
    telemetry = telemetry_from({})
    alone = telemetry.rpc_started("Put", ())
    called = telemetry.rpc_started("Put", [("traceparent", SAMPLED), ("binary-bin", b"\xff")])
    assert not alone.span.is_recording()
    assert not called.span.is_recording()
    assert called.trace_id == TRACE
    assert int(alone.trace_id, 16)
    assert telemetry.request(called, "", "c", "t") == (TRACE, None)
    telemetry.shutdown(1.0)


@pytest.mark.parametrize(("variable", "name"), [(None, "dial-gateway"), ("my-gateway", "my-gateway")])
def test_the_service_name(monkeypatch: pytest.MonkeyPatch, variable: str | None, name: str) -> None:
    """The standard variable names the service. The default is dial-gateway."""
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    if variable:
        monkeypatch.setenv("OTEL_SERVICE_NAME", variable)
    exporter = InMemorySpanExporter()
    telemetry = telemetry_with(SimpleSpanProcessor(exporter))
    telemetry.rpc_started("Put", ()).ended(taken=0, answered=0)
    (span,) = exporter.get_finished_spans()
    assert span.resource.attributes["service.name"] == name


def test_the_resource_attributes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes of the standard variable are on the resource, a service name among them wins."""
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=dialing")
    exporter = InMemorySpanExporter()
    telemetry_with(SimpleSpanProcessor(exporter)).rpc_started("Put", ()).ended(taken=0, answered=0)
    attributes = exporter.get_finished_spans()[0].resource.attributes
    assert (attributes["service.name"], attributes["team"]) == ("other", "dialing")


class Hanging(SpanExporter):
    """An exporter whose collector does not answer until it is released."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait."""
        self.let_go.wait(10)
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def test_an_exporter_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """Shutdown waits for an exporter until its time limit and no longer, and reports it."""
    exporter = Hanging()
    telemetry = telemetry_with(BatchSpanProcessor(exporter))
    telemetry.rpc_started("Put", ()).ended(taken=0, answered=0)
    telemetry.shutdown(0.01)
    assert "could not be exported" in caplog.text
    assert exporter.spans == []
    exporter.let_go.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "shutdown" in thread.name:
            thread.join(5)


def test_an_end_exports_what_is_left() -> None:
    """Spans that ended just before the end are exported."""
    exporter = Hanging()
    exporter.let_go.set()
    telemetry = telemetry_with(BatchSpanProcessor(exporter))
    telemetry.rpc_started("Put", ()).ended(taken=3, answered=2, status=RpcStatus("INTERNAL", 13))
    telemetry.shutdown(10.0)
    (span,) = exporter.spans
    attributes = dict(span.attributes or {})
    assert (attributes["dialgateway.requests"], attributes["dialgateway.answers"]) == (3, 2)
    assert (attributes["rpc.response.status_code"], attributes["rpc.grpc.status_code"]) == ("INTERNAL", 13)
    assert (span.status.description, attributes["error.type"]) == ("INTERNAL", "INTERNAL")


def test_long_names_are_cut() -> None:
    """Names that callers choose are cut to the length that is legal, so that no span grows by them."""
    exporter = InMemorySpanExporter()
    telemetry = telemetry_with(SimpleSpanProcessor(exporter))
    _, span = telemetry.request(telemetry.rpc_started("Put", ()), "", "c" * 5000, "t" * 5000)
    telemetry.dropped(span)
    attributes = exporter.get_finished_spans()[0].attributes or {}
    lengths = [len(str(attributes[f"dialgateway.{name}"])) for name in ("campaign_id", "client_token")]
    assert lengths == [256, 200]


def test_an_attempt_that_fails_unexpectedly_ends_its_span() -> None:
    """The span of an attempt ends whatever is raised in it, and names the kind of a known failure."""
    exporter = InMemorySpanExporter()
    telemetry = telemetry_with(SimpleSpanProcessor(exporter))
    trace = telemetry.batch(Batch(1, "c", [], FlushReason.FULL, 0.0, 0.0, 1))

    def fail() -> None:
        with trace.attempt(1, 0.0) as attempt:
            attempt.failed(ConnectFailed())
            raise KeyError("secret")

    with pytest.raises(KeyError):
        fail()
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "ConnectFailed"
    assert "secret" not in span.to_json()


def test_calls_have_a_trace_id_without_any_span() -> None:
    """If nothing records spans, each call still has a trace id, the same for all its attempts."""
    telemetry = Telemetry(TracerProvider(shutdown_on_exit=False), recording=False)
    ids = set()
    for number in range(2):
        trace = telemetry.batch(Batch(number, "c", [], FlushReason.FULL, 0.0, 0.0, 1))
        for attempt in (1, 2):
            with trace.attempt(attempt, 0.0) as span:
                span.replied("request-id", 1, ())
            assert len(trace.trace_id) == 32
            ids.add(trace.trace_id)
    assert len(ids) == 2
