#!/usr/bin/env bash
# A server with grpc-js sees a cancelled client stream end like a complete one: `end` is emitted, and `cancelled` is false.
#
# Versions: @grpc/grpc-js 1.14.7 from npm; Node.js 20.9 or later.
# Expected: `end` means that the client has sent all its messages. If it cancels, passes its deadline or dies in the
#   middle, the stream has an error or says that it is cancelled, and does not end, as with the servers of other languages.
# Observed: the server emits `end` in all these cases, while `call.cancelled` is still false. `cancelled` comes
#   afterwards, and comes after calls that succeed too. A handler that stores on `end` what it has got, as gRPC's own
#   examples of client streams do, stores a part of the list as the whole.
# Who is affected: services that take uploads, batches or transactions as client streams, also through nice-grpc 2.1.18,
#   whose `for await` over the requests ends normally then.
# What to do: let the last message say that it is the last, or how many there are, and store nothing without it.
#
# Exits with 0 as long as it behaves so, and with 1 when a cancelled stream does not end like a complete one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-package-lock @grpc/grpc-js@1.14.7 >/dev/null
cat >upload.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";

const same = (value) => value;
const methods = {
  upload: {
    path: "/s.S/Upload",
    requestStream: true,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};
const MESSAGES = 2;

/** Sends two messages, and then ends the call in the given way. */
async function send(port, way) {
  const Client = grpc.makeGenericClientConstructor(methods, "S");
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const options = way === "passes its deadline" ? { deadline: Date.now() + 1000 } : {};
  const call = client.upload(new grpc.Metadata(), options, () => client.close());
  for (let number = 0; number < MESSAGES; number++) call.write(Buffer.from("row"));
  await sleep(500);
  if (way === "half-closes") call.end();
  if (way === "cancels") call.cancel();
  if (way === "dies") process.kill(process.pid, "SIGKILL");
}

if (process.argv[2] === "client") {
  await send(process.argv[3], process.argv[4]);
} else {
  let seen;
  const server = new grpc.Server();
  server.addService(methods, {
    upload(call, reply) {
      let count = 0;
      call.on("data", () => count++);
      call.on("end", () => {
        seen.push(`end after ${count} messages with cancelled ${call.cancelled}`);
        reply(null, Buffer.from("stored"));
      });
      call.on("cancelled", () => seen.push("cancelled"));
      call.on("error", (error) => seen.push(`error ${error.message}`));
    },
  });
  const bind = (made) => server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), made);
  const port = await new Promise((made, failed) => bind((error, at) => (error ? failed(error) : made(at))));
  const { version } = createRequire(import.meta.url)("@grpc/grpc-js/package.json");
  console.log(`@grpc/grpc-js ${version}, Node.js ${process.version}`);
  const found = [];
  for (const way of ["half-closes", "cancels", "passes its deadline", "dies"]) {
    seen = [];
    await once(spawn(process.execPath, [process.argv[1], "client", port, way]), "close");
    await sleep(300);
    console.log(`the client ${way}:`, seen.join(", "));
    found.push(seen[0] === `end after ${MESSAGES} messages with cancelled false`);
  }
  process.exit(found.every(Boolean) ? 0 : 1);
}
JS
node upload.mjs
