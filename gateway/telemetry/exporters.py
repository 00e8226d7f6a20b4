"""Which exporters the standard `OTEL_*` variables ask for, of spans, metrics and log records."""

import math
from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, LogRecordExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_COMPRESSION,
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_LOGS_COMPRESSION,
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT,
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL,
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT,
    OTEL_EXPORTER_OTLP_METRICS_COMPRESSION,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TIMEOUT,
    OTEL_EXPORTER_OTLP_TRACES_COMPRESSION,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
    OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from gateway.telemetry.partial_success import over_grpc, over_http

OTEL_TRACES_EXPORTER = "OTEL_TRACES_EXPORTER"
OTEL_METRICS_EXPORTER = "OTEL_METRICS_EXPORTER"
OTEL_LOGS_EXPORTER = "OTEL_LOGS_EXPORTER"
LONGEST_TIMEOUT_S = 300.0
"""Seconds for an export above which a time-out was probably meant in milliseconds."""
_TIMEOUTS = (
    OTEL_EXPORTER_OTLP_TIMEOUT,
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT,
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT,
)
PUSH_EVERY_S = 60.0
"""Seconds between two pushes of metrics, where `OTEL_METRIC_EXPORT_INTERVAL` says nothing."""


class TelemetryError(ValueError):
    """A telemetry variable has a value that cannot be used; the text names it."""


def unset_empty(environment: MutableMapping[str, str]) -> None:
    """Remove the `OTEL_*` variables that are empty, which OpenTelemetry's specification takes for unset.

    Its SDK for Python refuses most of them, or ignores other settings because of them.
    """
    for name in [
        name for name, value in environment.items() if name.startswith("OTEL_") and not value.strip()
    ]:
        del environment[name]


def disabled(environment: Mapping[str, str]) -> bool:
    """Whether `OTEL_SDK_DISABLED` asks for no telemetry at all."""
    return environment.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def span_exporters(environment: Mapping[str, str]) -> list[SpanExporter]:
    """Return the exporters of spans; raises `TelemetryError`, or what the library raises."""
    names = exporter_names(environment, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
    return [_span_exporter(name, environment) for name in names]


def metric_exporters(environment: Mapping[str, str]) -> list[MetricExporter]:
    """Return the exporters for pushed metrics. Raises `TelemetryError`, or an error of the library.

    `prometheus` needs no exporter: `/metrics` on the admin port is always served.
    """
    names = exporter_names(environment, OTEL_METRICS_EXPORTER, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT)
    return [_metric_exporter(name, environment) for name in names if name != "prometheus"]


def event_exporters(environment: Mapping[str, str]) -> list[LogRecordExporter]:
    """Return the exporters of events as log records; raises `TelemetryError`, or what the library raises."""
    names = exporter_names(environment, OTEL_LOGS_EXPORTER, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT)
    return [_event_exporter(name, environment) for name in names]


def push_interval_s(environment: Mapping[str, str]) -> float:
    """Return the seconds between two pushes; raises `TelemetryError`."""
    text = environment.get(OTEL_METRIC_EXPORT_INTERVAL, "").strip()
    if not text:
        return PUSH_EVERY_S
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = math.nan
    if not (math.isfinite(milliseconds) and milliseconds > 0):
        raise TelemetryError(f"{OTEL_METRIC_EXPORT_INTERVAL}: must be milliseconds above 0; got {text!r}")
    return milliseconds / 1000


def doubtful_timeouts(environment: Mapping[str, str]) -> list[str]:
    """Return the variables with a very long time-out.

    OpenTelemetry's specification has it in milliseconds, and its exporters for Python in seconds.
    """
    return [name for name in _TIMEOUTS if _seconds(environment.get(name, "")) > LONGEST_TIMEOUT_S]


def _seconds(text: str) -> float:
    """Return a number; 0 for what is none, which the exporters themselves refuse."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def exporter_names(environment: Mapping[str, str], variable: str, endpoint: str) -> list[str]:
    """Return the exporters named by a variable; `otlp` if it is unset and an endpoint is set."""
    if disabled(environment):
        return []
    names = environment.get(variable, "").strip()
    if not names:
        endpoints = (endpoint, OTEL_EXPORTER_OTLP_ENDPOINT)
        names = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    return [name.strip() for name in names.split(",") if name.strip() != "none"]


def _span_exporter(name: str, environment: Mapping[str, str]) -> SpanExporter:
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise TelemetryError(f"{OTEL_TRACES_EXPORTER}: must be one of otlp, console, none; got {name!r}")
    if _over_grpc(environment, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return over_grpc(OverGrpc, **_compression(environment, OTEL_EXPORTER_OTLP_TRACES_COMPRESSION))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return over_http(OverHttp, environment)


def _event_exporter(name: str, environment: Mapping[str, str]) -> LogRecordExporter:
    if name == "console":
        return ConsoleLogRecordExporter()
    if name != "otlp":
        raise TelemetryError(f"{OTEL_LOGS_EXPORTER}: must be one of otlp, console, none; got {name!r}")
    if _over_grpc(environment, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL):
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as OverGrpc

        return over_grpc(OverGrpc, **_compression(environment, OTEL_EXPORTER_OTLP_LOGS_COMPRESSION))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as OverHttp

    return over_http(OverHttp, environment)


def _metric_exporter(name: str, environment: Mapping[str, str]) -> MetricExporter:
    if name == "console":
        return ConsoleMetricExporter()
    if name != "otlp":
        known = "otlp, prometheus, console, none"
        raise TelemetryError(f"{OTEL_METRICS_EXPORTER}: must be one of {known}; got {name!r}")
    if _over_grpc(environment, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL):
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as OverGrpc

        return over_grpc(OverGrpc, **_compression(environment, OTEL_EXPORTER_OTLP_METRICS_COMPRESSION))
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as OverHttp

    return over_http(OverHttp, environment)


def _over_grpc(environment: Mapping[str, str], variable: str) -> bool:
    """Whether OTLP uses gRPC instead of HTTP. Raises `TelemetryError` for any other protocol."""
    protocol = environment.get(variable) or environment.get(OTEL_EXPORTER_OTLP_PROTOCOL) or "grpc"
    if protocol not in {"grpc", "http/protobuf"}:
        raise TelemetryError(
            f"{OTEL_EXPORTER_OTLP_PROTOCOL}: must be grpc or http/protobuf; got {protocol!r}"
        )
    return protocol == "grpc"


def _compression(environment: Mapping[str, str], variable: str) -> dict[str, Any]:
    """Return the compression for an exporter over gRPC if it is `none`, a standard value that it refuses."""
    value = environment.get(variable) or environment.get(OTEL_EXPORTER_OTLP_COMPRESSION) or ""
    if value.strip().lower() != "none":
        return {}
    from opentelemetry.exporter.otlp.proto.grpc import exporter

    return {"compression": exporter.Compression.NoCompression}  # type: ignore[attr-defined]
