/** The transport: its options have an effect, and it reads the details of a status. */

import assert from "node:assert/strict";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { suite, test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Metadata } from "@grpc/grpc-js";

import * as pb from "../src/gen/dialgateway/v1/dial_request_service_pb.js";
import { channelOptions } from "../src/grpcTransport.js";
import { DialGateway, GatewayOverloaded, NO_RETRIES } from "../src/index.js";
import { readStatusDetails } from "../src/statusDetails.js";
import { Abort, acceptAll, all, inTurn, requests, result, ScriptedGateway } from "./scripted.js";

/** Forwards bytes between a client and a gateway, late and together, until it falls silent. */
async function relayTo(
  target: string,
  holdMs = 0,
): Promise<{ target: string; connections: number; silent: boolean; close(): void }> {
  const sockets = new Set<Socket>();
  const relay = { target: "", connections: 0, silent: false, close };
  const muted = new Set<Socket>();
  const server = createServer((client) => {
    relay.connections += 1;
    relay.silent = false;
    const upstream = connect(Number(target.split(":")[1]), "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => {
        if (relay.silent) muted.add(to);
        if (muted.has(to)) return;
        if (to.writableCorked === 0) {
          to.cork();
          setTimeout(() => {
            to.uncork();
          }, holdMs);
        }
        to.write(bytes);
      });
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
  });
  function close(): void {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  relay.target = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return relay;
}

/** Serializes a google.rpc.Status with an ErrorInfo and a RetryInfo. */
function details(reason: string, domain: string, seconds: number): Uint8Array {
  const any = (type: string, value: Uint8Array): Uint8Array =>
    new BinaryWriter().uint32(10).string(`type.googleapis.com/google.rpc.${type}`).uint32(18).bytes(value).finish();
  const info = new BinaryWriter().uint32(10).string(reason).uint32(18).string(domain).finish();
  const delay = new BinaryWriter().uint32(8).int64(seconds).uint32(16).int32(500_000_000).finish();
  const retry = new BinaryWriter().uint32(10).bytes(delay).finish();
  return new BinaryWriter()
    .uint32(8)
    .int32(8)
    .uint32(18)
    .string("full")
    .uint32(26)
    .bytes(any("ErrorInfo", info))
    .uint32(26)
    .bytes(any("RetryInfo", retry))
    .finish();
}

suite("options of the channel", { timeout: 120_000 }, () => {
  const settings = { keepaliveMs: 30_000, httpProxy: false, serverName: "name" };

  test("grpc-js knows every name, since it ignores others silently", async () => {
    const known = (await import("@grpc/grpc-js/build/src/channel-options.js")) as unknown as {
      default: { recognizedOptions: Record<string, true> };
    };
    for (const name of Object.keys(channelOptions(settings))) assert.ok(name in known.default.recognizedOptions, name);
  });

  test("pings are no more frequent than a gateway allows", () => {
    assert.ok(Number(channelOptions(settings)["grpc.keepalive_time_ms"]) >= 10_000);
  });

  test("two clients do not share a connection", async () => {
    const gateway = await ScriptedGateway.start();
    const clients = [new DialGateway(gateway.target), new DialGateway(gateway.target)];
    for (const client of clients) await all(client.dial("c", requests(1)));
    const [one, other] = gateway.streams.map((stream) => stream.peer);
    assert.notEqual(one, other);
    await Promise.all(clients.map((client) => client.close()));
    await gateway.stop();
  });

  test("a proxy that the environment names is not used", async () => {
    const gateway = await ScriptedGateway.start();
    process.env["grpc_proxy"] = "http://127.0.0.1:9";
    try {
      const client = new DialGateway(gateway.target);
      assert.equal((await all(client.dial("c", requests(1)))).length, 1);
      await client.close();
      const proxied = new DialGateway(gateway.target, { httpProxy: true });
      await assert.rejects(proxied.connect());
      await proxied.close();
    } finally {
      delete process.env["grpc_proxy"];
      await gateway.stop();
    }
  });

  test("a connection that falls silent is noticed", async () => {
    const gateway = await ScriptedGateway.start();
    const relay = await relayTo(gateway.target);
    gateway.script = inTurn(async (stream) => {
      await stream.read(5);
      relay.silent = true;
      await stream.ended;
    }, acceptAll);
    const client = new DialGateway(relay.target, {
      keepaliveMs: 500,
      random: () => 0,
      onConnectionLost: () => undefined,
    });
    assert.equal((await all(client.dial("c", requests(5)))).length, 5);
    assert.ok(relay.connections >= 2);
    await client.close();
    relay.close();
    await gateway.stop();
  });
});

suite("details of a status", { timeout: 120_000 }, () => {
  test("reason and pause are read", () => {
    assert.deepEqual(readStatusDetails(details("STREAM_LIMIT", "dialgateway.v1", 2)), {
      reason: "STREAM_LIMIT",
      retryAfterMs: 2500,
    });
  });

  test("a reason of a proxy is not the gateway's", () => {
    assert.deepEqual(readStatusDetails(details("STREAM_LIMIT", "proxy.example", 2)), {});
  });

  test("bytes that cannot be read count as no details", () => {
    assert.deepEqual(readStatusDetails(new Uint8Array([255, 255, 255])), {});
    assert.deepEqual(readStatusDetails(new Uint8Array()), {});
  });

  test("an error of a call has them", async () => {
    const gateway = await ScriptedGateway.start();
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from(details("STREAM_LIMIT", "dialgateway.v1", 2)));
    gateway.script = () => Promise.reject(new Abort("RESOURCE_EXHAUSTED", "full", metadata));
    const client = new DialGateway(gateway.target, { retry: NO_RETRIES, onConnectionLost: () => undefined });
    await assert.rejects(all(client.dial("c", requests(1))), (error: GatewayOverloaded) => {
      assert.ok(error instanceof GatewayOverloaded);
      assert.deepEqual([error.reason, error.retryAfterMs], ["STREAM_LIMIT", 2500]);
      assert.equal(error.message, "RESOURCE_EXHAUSTED (STREAM_LIMIT): full");
      assert.deepEqual([error.unanswered, error.inDoubt], [["t-0"], []], "the gateway has taken nothing");
      return true;
    });
    await client.close();
    await gateway.stop();
  });
});

test("answers that arrive together with the end of a stream are not lost", { timeout: 120_000 }, async () => {
  const gateway = await ScriptedGateway.start();
  const relay = await relayTo(gateway.target, 50);
  gateway.script = inTurn(async (stream) => {
    await stream.read(50);
    for (let index = 0; index < 40; index += 1) stream.accept(index);
    throw new Abort("UNAVAILABLE", "draining");
  }, acceptAll);
  const client = new DialGateway(relay.target, { onConnectionLost: () => undefined });
  assert.equal((await all(client.dial("c", requests(50)))).length, 50);
  assert.equal(gateway.streams[1]?.tokens.length, 10);
  await client.close();
  relay.close();
  await gateway.stop();
});

test("answers in one frame with the end of a stream are not lost", { timeout: 120_000 }, async () => {
  const message = (index: number): Buffer => {
    const results = [result(index, `t-${String(index)}`)];
    const bytes = toBinary(
      pb.StreamDialRequestsResponseSchema,
      create(pb.StreamDialRequestsResponseSchema, { results }),
    );
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };
  const server = createHttp2Server();
  server.on("stream", (stream, headers) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    const isStream = headers[":path"]?.endsWith("/StreamDialRequests") ?? false;
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": isStream ? "14" : "0" });
    });
    const answers = isStream ? Array.from({ length: 100 }, (_, index) => message(index)) : [Buffer.alloc(5)];
    stream.once("data", () => stream.end(Buffer.concat(answers)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new DialGateway(`127.0.0.1:${String(port)}`, { retry: NO_RETRIES });
  assert.equal((await all(client.dial("c", requests(100)))).length, 100);
  await client.close();
  server.close();
});
