#!/usr/bin/env bash
# When two OTLP exporters fail within 20 seconds, OpenTelemetry's gRPC exporter logs only the first failure.
#
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-grpc 1.45.2, grpcio 1.85.3 from PyPI; Python 3.11 or later.
# Expected: each exporter logs why its export failed: the one of spans, and the one of metrics.
# Observed: all exporters share one logger with a DuplicateFilter, which compares the template of a message and not its
#   arguments. "Failed to export %s to %s, error code: %s, error details: %s" stands for every signal, endpoint and
#   error code, so after the failure of the spans the failure of the metrics is not logged, although it has another
#   cause. The filter was added for loops in which the export of logs logs its own failure.
# Who is affected: whoever looks for the reason of missing metrics in the log, where spans are missing too.
# What to do: remove the filter from the logger `opentelemetry.exporter.otlp.proto.grpc.exporter` where logs are not
#   exported through OpenTelemetry; count failures by the results of `export`, not by lines.
#
# Exits with 0 as long as it behaves so, and with 1 when both failures are logged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 grpcio==1.85.3
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

LOGGER = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
CODES = {"TraceService": grpc.StatusCode.UNAUTHENTICATED, "MetricsService": grpc.StatusCode.INVALID_ARGUMENT}


class Refusing(grpc.GenericRpcHandler):
    """A collector that refuses spans for one reason and metrics for another."""

    def service(self, details):
        code = CODES[details.method.split("/")[1].rpartition(".")[2]]
        return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(code, "no"))


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def failures(endpoint):
    """Let one export of spans and one of metrics fail; return the results and the lines in the log."""
    lines = Lines()
    LOGGER.addHandler(lines)
    tracer = TracerProvider().get_tracer("finding")
    reader = InMemoryMetricReader()
    MeterProvider([reader]).get_meter("finding").create_counter("calls").add(1)
    results = [
        OTLPSpanExporter(endpoint, insecure=True, timeout=5).export([tracer.start_span("call")]).name,
        OTLPMetricExporter(endpoint, insecure=True, timeout=5).export(reader.get_metrics_data()).name,
    ]
    LOGGER.removeHandler(lines)
    return results, lines.messages


server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Refusing(),))
endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()
time.sleep(20.5 - time.time() % 20)  # the filter forgets at each full 20 seconds of the clock
print("opentelemetry-exporter-otlp-proto-grpc", version("opentelemetry-exporter-otlp-proto-grpc"))
results, logged = failures(endpoint)
LOGGER.filters.clear()
_, unfiltered = failures(endpoint)
server.stop(0)
print(f"exports of spans and metrics: {', '.join(results)}")
print(f"{len(logged)} logged:", *logged, sep="\n  ")
print(f"{len(unfiltered)} logged without the filter:", *unfiltered, sep="\n  ")
sys.exit(0 if results == ["FAILURE"] * 2 and (len(logged), len(unfiltered)) == (1, 2) else 1)
PYTHON
