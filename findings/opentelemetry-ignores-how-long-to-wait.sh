#!/usr/bin/env bash
# OpenTelemetry's gRPC exporter for Python ignores how long a collector asks it to wait.
#
# Versions: opentelemetry-sdk and opentelemetry-exporter-otlp-proto-grpc 1.45.2, grpcio 1.85.1 from PyPI; Python 3.11 or later.
# Expected: a collector that is overloaded answers UNAVAILABLE or RESOURCE_EXHAUSTED with a RetryInfo in the details of the
#   status (the trailer `grpc-status-details-bin`), and the exporter waits that long (OTLP's specification, "OTLP/gRPC
#   Throttling"). RESOURCE_EXHAUSTED without a RetryInfo is final. The exporter for Go does so.
# Observed: the exporter looks for the RetryInfo in a trailer of its own, `google.rpc.retryinfo-bin`, which no collector sends. So
#   it always comes back after its own pauses of about 1, 2 and 4 seconds, also after a final RESOURCE_EXHAUSTED.
# Who is affected: collectors and vendors' endpoints that limit their callers: the pause that they ask for has no effect, and
#   each batch arrives up to three times within the exporter's 10 seconds.
# What to do: do not rely on RetryInfo with exporters in Python; limit them by OTEL_BSP_SCHEDULE_DELAY and the size of their queues. A
#   collector of one's own may send the RetryInfo in both trailers.
#
# Exits with 0 as long as it behaves so, and with 1 when the pause in the details of the status is kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 grpcio==1.85.1
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider

logging.disable()
ASKED_S, TIMEOUT_S = 6.0, 10


class Overloaded(grpc.GenericRpcHandler):
    """A collector that refuses the first export of each run, and says in one trailer how long to wait."""

    def __init__(self):
        self.code, self.trailer, self.arrivals = None, "", []

    def service(self, _):
        def answer(request, context):
            self.arrivals.append(time.monotonic())
            if len(self.arrivals) == 1:
                context.set_trailing_metadata([(self.trailer, self.content())] if self.trailer else [])
                context.abort(self.code, "overloaded")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    def content(self):
        """Return the RetryInfo as the trailer has it: alone, or among the details of a status."""
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round(ASKED_S * 1000))
        if self.trailer != "grpc-status-details-bin":
            return info.SerializeToString()
        packed = any_pb2.Any()
        packed.Pack(info)
        return status_pb2.Status(code=self.code.value[0], message="overloaded", details=[packed]).SerializeToString()


collector, server = Overloaded(), grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((collector,))
endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()
span = TracerProvider().get_tracer("finding").start_span("call")


def came_back_after(code, trailer):
    """Export a span once; return the seconds between its first two arrivals, None if there was only one."""
    collector.code, collector.trailer, collector.arrivals = code, trailer, []
    OTLPSpanExporter(endpoint, insecure=True, timeout=TIMEOUT_S).export([span])
    first, *later = collector.arrivals
    return later[0] - first if later else None


print("opentelemetry-exporter-otlp-proto-grpc", version("opentelemetry-exporter-otlp-proto-grpc"))
found = []
for code, trailer in (
    (grpc.StatusCode.UNAVAILABLE, "grpc-status-details-bin"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
    (grpc.StatusCode.UNAVAILABLE, "google.rpc.retryinfo-bin"),
):
    found.append(came_back_after(code, trailer))
    asked = f"{ASKED_S:g} s in {trailer}" if trailer else "no retry"
    print(f"{code.name}, asked for {asked}:", "no retry" if found[-1] is None else f"came back after {found[-1]:.1f} s")
server.stop(0)
details, final, own = found
sys.exit(0 if details and details < ASKED_S / 2 and final and own and own > ASKED_S - 0.5 else 1)
PYTHON
