/** `put()` and `connect()` against a scripted gateway with real sockets. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import * as pb from "../src/gen/dialgateway/v1/dial_request_service_pb.js";
import {
  AccessDenied,
  CallFailed,
  ClientClosed,
  DeadlineExceeded,
  DialGateway,
  GatewayUnavailable,
  ProtocolError,
  StreamBroken,
} from "../src/index.js";
import { Abort, PHONE, request, requests, result, ScriptedGateway, SECRET } from "./scripted.js";

function withGateway(run: (gateway: ScriptedGateway, client: DialGateway) => Promise<void>): () => Promise<void> {
  return async () => {
    const gateway = await ScriptedGateway.start();
    const client = new DialGateway(gateway.target, { random: () => 0, onConnectionLost: () => undefined });
    try {
      await run(gateway, client);
    } finally {
      await client.close();
      await gateway.stop();
    }
  };
}

const marks = (gateway: ScriptedGateway): boolean[][] =>
  gateway.puts.map((message) => message.dialRequests.map((each) => each.inDoubt));

suite("put", { timeout: 120_000 }, () => {
  test(
    "the results have the order of the requests",
    withGateway(async (gateway, client) => {
      const results = await client.put("c", requests(3), { priority: "BULK" });
      assert.deepEqual(
        results.map((each) => [each.index, each.clientToken, each.outcome]),
        [0, 1, 2].map((index) => [index, `t-${String(index)}`, "ACCEPTED"]),
      );
      assert.equal(gateway.puts[0]?.priority, pb.Priority.BULK);
      assert.equal(gateway.probes, 1);
    }),
  );

  for (const code of ["UNAVAILABLE", "INTERNAL", "CANCELLED"] as const) {
    test(
      `after ${code} the list is sent again in doubt, and a refusal is UNKNOWN`,
      withGateway(async (gateway, client) => {
        gateway.putScript = () => {
          if (gateway.puts.length === 1) return Promise.reject(new Abort(code));
          const refused = result(1, "t-1", { outcome: pb.Outcome.REJECTED, detail: "why" });
          return Promise.resolve([result(0, "t-0"), refused]);
        };
        const results = await client.put("c", requests(2));
        assert.deepEqual(
          results.map((each) => each.outcome),
          ["ACCEPTED", "UNKNOWN"],
        );
        assert.deepEqual(marks(gateway), [
          [false, false],
          [true, true],
        ]);
      }),
    );
  }

  for (const timeoutMs of [Infinity, Number.MAX_SAFE_INTEGER]) {
    test(
      `a timeout of ${String(timeoutMs)} ms does not end a call`,
      withGateway(async (_, client) => {
        const results = await client.put("c", requests(1), { timeoutMs });
        assert.deepEqual(
          results.map((each) => each.outcome),
          ["ACCEPTED"],
        );
      }),
    );
  }

  test(
    "failed probes leave no doubt",
    withGateway(async (gateway, client) => {
      gateway.probeScript = () =>
        gateway.probes < 3 ? Promise.reject(new Abort("UNAVAILABLE", "leaving")) : Promise.resolve();
      await client.put("c", requests(1));
      assert.deepEqual(marks(gateway), [[false]]);
      assert.equal(gateway.probes, 3);
    }),
  );

  test(
    "another status ends it at once, with every token",
    withGateway(async (gateway, client) => {
      gateway.putScript = () => Promise.reject(new Abort("DATA_LOSS"));
      await assert.rejects(client.put("c", requests(2)), (error: StreamBroken) => {
        assert.ok(error instanceof StreamBroken);
        assert.deepEqual(error.unanswered, ["t-0", "t-1"]);
        assert.deepEqual(error.inDoubt, ["t-0", "t-1"]);
        return true;
      });
    }),
  );

  test(
    "results of other requests are an error",
    withGateway(async (gateway, client) => {
      gateway.putScript = () => Promise.resolve([result(0, "other")]);
      await assert.rejects(client.put("c", requests(1)), ProtocolError);
    }),
  );

  test(
    "its time bounds all attempts",
    withGateway(async (gateway, client) => {
      gateway.putScript = () => new Promise(() => undefined);
      await assert.rejects(client.put("c", requests(1), { timeoutMs: 1500 }), (error: DeadlineExceeded) => {
        assert.ok(error instanceof DeadlineExceeded);
        assert.deepEqual(error.inDoubt, ["t-0"]);
        return true;
      });
    }),
  );

  test("a gateway that cannot be reached leaves no doubt", async () => {
    const gateway = await ScriptedGateway.start();
    await gateway.stop();
    const client = new DialGateway(gateway.target, { onConnectionLost: () => undefined });
    await assert.rejects(client.put("c", requests(2), { timeoutMs: 1500 }), (error: GatewayUnavailable) => {
      assert.ok(error instanceof GatewayUnavailable);
      assert.match(error.message, /ECONNREFUSED/);
      assert.deepEqual(error.unanswered, ["t-0", "t-1"]);
      assert.deepEqual(error.inDoubt, []);
      return true;
    });
    await client.close();
  });

  test(
    "a list that is too large is refused before anything is sent",
    withGateway(async (gateway, client) => {
      const large = Array.from({ length: 25 }, (_, number) =>
        request(`t-${String(number)}`, { attributes: { secret: SECRET.repeat(11_000) } }),
      );
      await assert.rejects(client.put("c", large), (error: RangeError) => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, /^requests: the list takes 4,.* at most 4,194,304 are read; send it by dial\(\)$/);
        return !error.message.includes(PHONE) && !error.message.includes(SECRET);
      });
      assert.equal(gateway.probes, 0);
    }),
  );

  test(
    "a signal ends it, with its reason",
    withGateway(async (gateway, client) => {
      const controller = new AbortController();
      gateway.putScript = () => {
        controller.abort(new Error("no longer wanted"));
        return new Promise(() => undefined);
      };
      await assert.rejects(client.put("c", requests(1), { signal: controller.signal }), /no longer wanted/);
    }),
  );

  test(
    "closing the client ends it, with the doubt",
    withGateway(async (gateway, client) => {
      gateway.putScript = () => {
        void client.close();
        return new Promise(() => undefined);
      };
      await assert.rejects(client.put("c", requests(1)), (error: ClientClosed) => {
        assert.ok(error instanceof ClientClosed);
        assert.deepEqual(error.inDoubt, ["t-0"]);
        return true;
      });
    }),
  );
});

suite("connect", { timeout: 120_000 }, () => {
  test(
    "a gateway that answers is connected once",
    withGateway(async (gateway, client) => {
      await client.connect();
      await client.put("c", requests(1));
      assert.equal(gateway.probes, 1);
    }),
  );

  for (const [code, kind] of [
    ["UNAVAILABLE", GatewayUnavailable],
    ["UNAUTHENTICATED", AccessDenied],
    ["UNIMPLEMENTED", StreamBroken],
  ] as const) {
    test(
      `${code} is reported`,
      withGateway(async (gateway, client) => {
        gateway.probeScript = () => Promise.reject(new Abort(code));
        await assert.rejects(client.connect(), (error: CallFailed) => error instanceof kind && error.code === code);
      }),
    );
  }
});
