#!/usr/bin/env bash
# OpenTelemetry's gRPC exporter ignores its client certificate unless a file of authorities is configured as well.
#
# Versions: opentelemetry-sdk, opentelemetry-exporter-otlp-proto-grpc and -http 1.45.2, grpcio 1.85.1 and trustme 1.2.1
#   from PyPI; Python 3.11 or later.
# Expected: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY name the certificate that the exporter
#   shows to the collector. OTEL_EXPORTER_OTLP_CERTIFICATE is another setting: whom the exporter trusts. Without it the
#   default authorities are trusted. The HTTP exporter behaves so.
# Observed: without OTEL_EXPORTER_OTLP_CERTIFICATE the gRPC exporter does not read the two other files, and connects
#   without a client certificate. It logs nothing about that, not even if the files do not exist.
# Who is affected: whoever exports over mutual TLS to a collector whose own certificate is from a public authority.
#   A collector that requires certificates closes each connection, so the exporter reports UNAVAILABLE; one that only
#   asks for them does not know who exports.
# What to do: set OTEL_EXPORTER_OTLP_CERTIFICATE too, to a file of the public authorities (that of the package certifi,
#   or /etc/ssl/certs/ca-certificates.crt).
#
# Exits with 0 as long as it behaves so, and with 1 when the gRPC exporter shows its certificate.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install \
    opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2 \
    opentelemetry-exporter-otlp-proto-http==1.45.2 grpcio==1.85.1 trustme==1.2.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import trustme

authority = trustme.CA()
collector, client = authority.issue_cert("localhost"), authority.issue_cert("exporter.example")
authority.cert_pem.write_to_path("authorities.pem")
client.cert_chain_pems[0].write_to_path("client.pem")
client.private_key_pem.write_to_path("client.key")
collector.private_key_and_cert_chain_pem.write_to_path("collector.pem")
# The authorities that gRPC and requests trust by default, as if this one were public.
os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = os.environ["REQUESTS_CA_BUNDLE"] = "authorities.pem"
os.environ["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = "client.pem"
os.environ["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = "client.key"

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp
from opentelemetry.sdk.trace import TracerProvider


class GrpcCollector(grpc.GenericRpcHandler):
    """Accepts all spans."""

    def service(self, _):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


class HttpCollector(BaseHTTPRequestHandler):
    """The same over HTTP."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def grpc_port():
    """Start a collector that requires certificates of the authority; return its port."""
    pair = (collector.private_key_pem.bytes(), b"".join(pem.bytes() for pem in collector.cert_chain_pems))
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((GrpcCollector(),))
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), True)
    )
    server.start()
    servers.append(server)
    return port


def http_port():
    """The same over HTTP."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="authorities.pem")
    context.load_cert_chain("collector.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), HttpCollector)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


servers = []
span = TracerProvider().get_tracer("finding").start_span("call")
over_grpc, over_http = f"https://localhost:{grpc_port()}", f"https://localhost:{http_port()}/v1/traces"
print("opentelemetry-exporter-otlp-proto-grpc and -http", version("opentelemetry-exporter-otlp-proto-grpc"))
found = [OverHttp(over_http, timeout=5).export([span]).name, OverGrpc(over_grpc, timeout=3).export([span]).name]
os.environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = "authorities.pem"
found.append(OverGrpc(over_grpc, timeout=3).export([span]).name)
print(f"client certificate and key are set; HTTP exporter: {found[0]}, gRPC exporter: {found[1]}")
print(f"OTEL_EXPORTER_OTLP_CERTIFICATE is set as well; gRPC exporter: {found[2]}")
servers[0].stop(0)
sys.exit(0 if found == ["SUCCESS", "FAILURE", "SUCCESS"] else 1)
PYTHON
