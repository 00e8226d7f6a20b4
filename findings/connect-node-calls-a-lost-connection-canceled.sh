#!/usr/bin/env bash
# connect-node reports a lost connection as a cancellation, and connects again without pauses.
#
# Versions: @connectrpc/connect and connect-node 2.1.2, @bufbuild/protobuf 2.13.0, @grpc/grpc-js 1.14.7 from npm;
#   Node.js 20 or later.
# Expected: gRPC's status for a call whose connection is lost is UNAVAILABLE, as grpc-js says. `canceled` is for a call
#   that its caller has cancelled. After a failed connection a channel pauses before the next attempt, by gRPC's connection
#   backoff (one second at first).
# Observed: when the server's process ends and closes its connections, an open stream of connect-node ends with
#   `canceled`, or with `aborted` if the connection is reset. While nothing listens, each call makes a connection attempt at once: hundreds in a second.
# Who is affected: clients that do not retry a `canceled` call, since it looks as if they had cancelled it themselves; and
#   servers that start again under such clients.
# What to do: retry `canceled` unless the own signal is aborted, with pauses of one's own; or use grpc-js.
#
# Exits with 0 as long as it behaves so, and with 1 when a lost connection is `unavailable` or attempts have pauses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type": "module"}' > package.json
npm install --silent --no-fund --no-audit --ignore-scripts \
    @connectrpc/connect@2.1.2 @connectrpc/connect-node@2.1.2 @bufbuild/protobuf@2.13.0 @grpc/grpc-js@1.14.7
cat > finding.mjs <<'JAVASCRIPT'
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";

import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EmptySchema, file_google_protobuf_empty, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";

const type = ".google.protobuf.Empty";
const method = { inputType: type, outputType: type };
const file = create(FileDescriptorProtoSchema, {
  name: "echo.proto",
  package: "finding",
  syntax: "proto3",
  dependency: ["google/protobuf/empty.proto"],
  service: [{ name: "Echo", method: [{ name: "Listen", ...method, serverStreaming: true }, { name: "Ask", ...method }] }],
});
const service = createFileRegistry(file, () => file_google_protobuf_empty).getService("finding.Echo");

/** Starts a server that leaves each call open; returns its port and what ends it like the end of its process. */
async function serve() {
  const sockets = new Set();
  const server = http2.createServer();
  server.on("connection", (socket) => sockets.add(socket));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.resume();
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const end = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return [server.address().port, end];
}

async function connectNode() {
  const [port, end] = await serve();
  const client = createClient(service, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
  setTimeout(end, 300);
  let ended = "ok";
  try {
    for await (const _ of client.listen({}));
  } catch (error) {
    ended = Code[error.code];
  }
  let attempts = 0;
  for (const until = Date.now() + 1000; Date.now() < until; attempts += 1) await client.ask({}).catch(() => sleep(1));
  return [ended, attempts];
}

async function grpcJs() {
  const [port, end] = await serve();
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  setTimeout(end, 300);
  const encode = (message) => Buffer.from(toBinary(EmptySchema, message));
  const decode = (bytes) => fromBinary(EmptySchema, bytes);
  const call = client.makeServerStreamRequest("/finding.Echo/Listen", encode, decode, create(EmptySchema));
  call.on("data", () => undefined);
  call.on("error", () => undefined);
  const status = await new Promise((resolve) => call.on("status", resolve));
  client.close();
  return grpc.status[status.code];
}

const [ended, attempts] = await connectNode();
console.log(`connect-node: the stream ended with ${ended}; ${attempts} calls found nothing listening in the next second`);
console.log(`grpc-js: the stream ended with ${await grpcJs()}`);
process.exit(ended !== "Unavailable" && attempts > 20 ? 0 : 1);
JAVASCRIPT
node finding.mjs
