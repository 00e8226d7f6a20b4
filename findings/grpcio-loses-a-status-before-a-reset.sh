#!/usr/bin/env bash
# grpcio reports CANCELLED, and drops the last messages, if a stream is reset after its status has arrived.
#
# Versions: grpcio 1.85.1 from PyPI, compared with @grpc/grpc-js 1.14.7 from npm, in calls to a server made of h2 4.3.0 (PyPI);
#   Python 3.11 or later, Node.js 20 or later.
# Expected: trailers end a response. If the server then resets the stream, since the client has not ended its own side,
#   the call has the status of the trailers, as with grpc-js and grpc-go, and every message before them is delivered. HTTP/2
#   allows such a reset (RFC 9113, 8.1); servers of gRPC send it with NO_ERROR, HAProxy 2.6 sends it with CANCEL.
# Observed: with CANCEL, calls of grpcio end with CANCELLED and the text "Stream removed", although the trailing metadata
#   are there. Messages that have arrived, and were not read yet, are dropped.
# Who is affected: clients on gRPC's C core (Python, C++, Ruby, PHP) behind HAProxy, in streams that the server ends before
#   the client: refusals, limits, shutdowns. A client that retries CANCELLED repeats a refused call again and again.
# What to do: end the client's side as soon as possible; put the status into `grpc-status-details-bin` as well, and read it
#   from there if a call is CANCELLED but not by the client itself.
#
# Exits with 0 as long as it behaves so, and with 1 when grpcio reports the status of the trailers.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install grpcio==1.85.1 h2==4.3.0
echo '{"type": "module"}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts @grpc/grpc-js@1.14.7
cat > server.py <<'PYTHON'
"""Answers each call with three empty messages and a status, and resets its stream, all in one write."""
import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events

MESSAGE = bytes(5)


async def serve(reader, writer):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                answer(connection, event.stream_id)
        writer.write(connection.data_to_send())
    writer.close()


def answer(connection, stream):
    connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream, 3 * MESSAGE)
    trailers = [("grpc-status", "14"), ("grpc-message", "leaving"), ("reason", "leaving")]
    connection.send_headers(stream, trailers, end_stream=True)
    connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(120)


asyncio.run(main())
PYTHON
cat > caller.py <<'PYTHON'
"""Prints how calls of grpcio end: status, messages received, and whether the trailing metadata are there."""
import sys
from collections import Counter
from importlib.metadata import version
from threading import Event

import grpc


def without_end():
    yield b"request"
    Event().wait(5)


ends = Counter()
for _ in range(40):
    with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
        call = channel.stream_stream("/s/m")(without_end(), timeout=5)
        received = 0
        try:
            for _ in call:
                received += 1
        except grpc.RpcError:
            pass
        reason = dict(call.trailing_metadata() or ()).get("reason", "none")
        ends[f"{call.code().name}, {received} of 3 messages, reason in the trailers: {reason}"] += 1
for end, count in ends.most_common():
    print(f"grpcio {version('grpcio')}: {count} x {end}")
PYTHON
cat > caller.mjs <<'JAVASCRIPT'
import * as grpc from "@grpc/grpc-js";

const ends = {};
for (let number = 0; number < 40; number += 1) {
  const client = new grpc.Client(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
  const same = (bytes) => bytes;
  const call = client.makeBidiStreamRequest("/s/m", same, same, { deadline: Date.now() + 5000 });
  let received = 0;
  call.on("data", () => (received += 1));
  call.on("error", () => undefined);
  call.write(Buffer.from("request"));
  const { code, metadata } = await new Promise((resolve) => call.on("status", resolve));
  client.close();
  const end = `${grpc.status[code]}, ${received} of 3 messages, reason in the trailers: ${metadata.get("reason")[0]}`;
  ends[end] = (ends[end] ?? 0) + 1;
}
for (const [end, count] of Object.entries(ends)) console.log(`grpc-js: ${count} x ${end}`);
JAVASCRIPT
venv/bin/python server.py > port &
server=$!
until [[ -s port ]]; do sleep 0.1; done
node caller.mjs "$(<port)" | tee js
venv/bin/python caller.py "$(<port)" | tee python
[[ $(<js) == "grpc-js: 40 x UNAVAILABLE, 3 of 3 messages, reason in the trailers: leaving" ]]
grep -q "CANCELLED, . of 3 messages, reason in the trailers: leaving" python
