#!/usr/bin/env bash
# OpenTelemetry's HTTP exporter for Python reports success for exports that were answered with a redirect, and loses them.
#
# Versions: opentelemetry-exporter-otlp-proto-http 1.45.2 from PyPI, compared with 1.44.0; Python 3.11 or later.
# Expected: an exporter follows a redirect, or reports a failure. Until 1.44 it followed them: with 307 or 308 the address of the
#   redirect got the data.
# Observed: the exporter sends the data once, to the address that redirects, follows nothing, and returns SUCCESS for each
#   status from 300 to 399. Nothing is logged, and the SDK's own metrics count the spans as exported.
# Who is affected: users whose collector has moved, for example to HTTPS, or is behind a proxy that sends callers
#   without a session to a login page. After an update of the exporter all spans, metrics and logs are lost without a sign.
# What to do: name the final address in the endpoint; or pass a `requests.Session` with a hook for responses that raises an
#   exception (after `response.close()`), which the exporter reports as a failure.
#
# Exits with 0 as long as it behaves so, and with 1 when a redirect is followed or reported as a failure.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/export.py" <<'PYTHON'
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

posts = []


class Lines(logging.Handler):
    count = 0

    def emit(self, _):
        self.count += 1


class Collector(BaseHTTPRequestHandler):
    """A collector at /new/v1/traces; /v1/traces redirects to it."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        posts.append(self.path)
        moved = not self.path.startswith("/new")
        self.send_response(308 if moved else 200)
        if moved:
            self.send_header("Location", "/new" + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


lines = Lines()
logging.getLogger().addHandler(lines)
server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
exporter = OTLPSpanExporter(f"http://127.0.0.1:{server.server_port}/v1/traces")
result = exporter.export([TracerProvider().get_tracer("finding").start_span("call")])
name = "opentelemetry-exporter-otlp-proto-http"
print(f"{name} {version(name)}: {result.name}, {lines.count} log lines, posts to {', '.join(posts)}")
arrived = "/new/v1/traces" in posts
sys.exit(0 if arrived else 2 if result is SpanExportResult.SUCCESS and not lines.count else 3)
PYTHON

# Export a span with a version of the exporter; the exit code says whether it arrived (0) or was lost silently (2).
outcome() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" --quiet --disable-pip-version-check install "opentelemetry-exporter-otlp-proto-http==$1" requests
    "$folder/$1/bin/python" "$folder/export.py" && return 0 || return $?
}

before=0 now=0
outcome 1.44.0 || before=$?
outcome 1.45.2 || now=$?
[[ $before -eq 0 && $now -eq 2 ]]
