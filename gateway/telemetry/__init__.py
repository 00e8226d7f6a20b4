"""Traces and metrics: the only importer of opentelemetry.

`traces` makes the spans and is the interface for the rest of the gateway. `counters` counts, `metrics` has
the instruments and exports all figures, `metric_definitions` is the list of metrics, and `exporters` reads
the standard `OTEL_*` variables. Phone numbers and attributes never reach any of them.
"""

from opentelemetry.sdk.trace import ReadableSpan

from gateway.telemetry.campaign_metrics import merged
from gateway.telemetry.exporters import TelemetryError
from gateway.telemetry.fleet_metrics import FleetFigures
from gateway.telemetry.metrics import FileFigures, Metrics, Observation, StreamFigures
from gateway.telemetry.prometheus_text import CONTENT_TYPE
from gateway.telemetry.rpc_conventions import RpcStatus
from gateway.telemetry.setup import SpanMemory, telemetry_from, telemetry_with
from gateway.telemetry.traces import BatchTrace, RpcTrace, Telemetry

__all__ = [
    "CONTENT_TYPE",
    "BatchTrace",
    "FileFigures",
    "FleetFigures",
    "Metrics",
    "Observation",
    "ReadableSpan",
    "RpcStatus",
    "RpcTrace",
    "SpanMemory",
    "StreamFigures",
    "Telemetry",
    "TelemetryError",
    "merged",
    "telemetry_from",
    "telemetry_with",
]
