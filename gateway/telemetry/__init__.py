"""Traces and metrics: the only importer of opentelemetry.

`traces` has the spans and is what the rest of the gateway tells what happens, `counters` counts,
`metrics` has the instruments and hands all figures out, `catalogue` is the list of them, and
`exporters` reads the standard `OTEL_*` variables. What phone numbers and attributes say reaches none.
"""

from opentelemetry.sdk.trace import ReadableSpan

from gateway.telemetry.campaign_metrics import merged
from gateway.telemetry.exporters import TelemetryError
from gateway.telemetry.metrics import FileFigures, Metrics, Observation, StreamFigures
from gateway.telemetry.prometheus_text import CONTENT_TYPE
from gateway.telemetry.rpc_conventions import RpcStatus
from gateway.telemetry.setup import SpanMemory, telemetry_from, telemetry_with
from gateway.telemetry.traces import BatchTrace, RpcTrace, Telemetry

__all__ = [
    "CONTENT_TYPE",
    "BatchTrace",
    "FileFigures",
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
