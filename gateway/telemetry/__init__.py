"""Traces and metrics: the only importer of opentelemetry.

`traces` makes the spans and is the interface for the rest of the gateway. `counters` and `distributions`
count, `metrics` exports all figures, `metric_definitions` is the list of metrics, and `exporters` reads the
standard `OTEL_*` variables. Phone numbers and attributes never reach any of them.
"""

from opentelemetry.sdk.trace import ReadableSpan

from gateway.telemetry.call_traces import BatchTrace
from gateway.telemetry.campaign_metrics import merged
from gateway.telemetry.directory_metrics import DirectoryFigures
from gateway.telemetry.exporters import TelemetryError, doubtful_timeouts
from gateway.telemetry.fleet_metrics import FleetFigures
from gateway.telemetry.guard_metrics import GuardFigures, ListFigures, TrailFigures
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observation import FileFigures, Observation, StreamFigures
from gateway.telemetry.prometheus_text import CONTENT_TYPE, OPENMETRICS, content_type_for
from gateway.telemetry.rpc_conventions import RpcStatus
from gateway.telemetry.setup import SpanMemory, telemetry_from, telemetry_with, trail_export_from
from gateway.telemetry.traces import RpcTrace, Telemetry

__all__ = [
    "CONTENT_TYPE",
    "OPENMETRICS",
    "BatchTrace",
    "DirectoryFigures",
    "FileFigures",
    "FleetFigures",
    "GuardFigures",
    "ListFigures",
    "Metrics",
    "Observation",
    "ReadableSpan",
    "RpcStatus",
    "RpcTrace",
    "SpanMemory",
    "StreamFigures",
    "Telemetry",
    "TelemetryError",
    "TrailFigures",
    "content_type_for",
    "doubtful_timeouts",
    "merged",
    "telemetry_from",
    "telemetry_with",
    "trail_export_from",
]
