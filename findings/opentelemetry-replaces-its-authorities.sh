#!/usr/bin/env bash
# OpenTelemetry's HTTP exporter for Python ignores its own file of authorities if REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is set.
#
# Versions: opentelemetry-exporter-otlp-proto-http 1.45.2 from PyPI, compared with 1.44.0; trustme 1.2.1 for
#   the certificates; Python 3.11 or later.
# Expected: OTEL_EXPORTER_OTLP_CERTIFICATE and the argument `certificate_file` name "the trusted certificate to use when verifying a server's
#   TLS credentials". They are meant for this collector, and a variable for all programs of the machine does not replace them.
# Observed: the exporter verifies the collector with the general variable's file instead. It cannot reach a collector with
#   a certificate of its own authority, and would trust one with a certificate of any general authority. Since 1.45 the
#   file is a setting of the `requests.Session`, which requests replaces by the variables; before, it was an argument
#   of each request, which requests does not replace.
# Who is affected: machines and images that set one of the variables, as is usual behind a company's proxy, and
#   that send telemetry to a collector with a private authority: it stops at an update of the exporter.
# What to do: put the authority of the collector into the general file as well, or pass a session whose
#   `merge_environment_settings` hands its own `verify` on.
#
# Exits with 0 as long as it behaves so, and with 1 when the exporter's own file is used.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/export.py" <<'PYTHON'
import logging
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import trustme
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider

logging.disable()
folder = sys.argv[1]
authority, other = trustme.CA(), trustme.CA()
authority.cert_pem.write_to_path(f"{folder}/collector.pem")
other.cert_pem.write_to_path(f"{folder}/company.pem")


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert("127.0.0.1").configure_cert(context)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
span = TracerProvider().get_tracer("finding").start_span("call")


def export(general):
    """Export a span with the collector's authority in its variable, and another one in the general variable."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    if general:
        os.environ[general] = f"{folder}/company.pem"
    os.environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = f"{folder}/collector.pem"
    exporter = OTLPSpanExporter(f"https://127.0.0.1:{server.server_port}/v1/traces", timeout=2)
    return exporter.export([span]).name


results = {general: export(general) for general in ("", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
name = "opentelemetry-exporter-otlp-proto-http"
print(f"{name} {version(name)}:", ", ".join(f"{key or 'neither'} set: {value}" for key, value in results.items()))
alone, *general = results.values()
sys.exit(3 if alone != "SUCCESS" else 0 if set(general) == {"SUCCESS"} else 2)
PYTHON

# Export with a version of the exporter; the exit code says whether its own file is always used (0) or not (2).
outcome() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" --quiet --disable-pip-version-check install \
        "opentelemetry-exporter-otlp-proto-http==$1" requests trustme==1.2.1
    "$folder/$1/bin/python" "$folder/export.py" "$folder" && return 0 || return $?
}

before=0 now=0
outcome 1.44.0 || before=$?
outcome 1.45.2 || now=$?
[[ $before -eq 0 && $now -eq 2 ]]
