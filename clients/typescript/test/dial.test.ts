/** `dial()` against a scripted gateway with real sockets. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { inspect } from "node:util";

import {
  AccessDenied,
  ClientClosed,
  DialGateway,
  GatewayUnavailable,
  NO_RETRIES,
  ProtocolError,
  StreamBroken,
  type CallFailed,
  type DialGatewayOptions,
  type DialRequest,
  type Notice,
} from "../src/index.js";
import * as pb from "../src/gen/dialgateway/v1/dial_request_service_pb.js";
import { RECONNECT_STATUSES } from "../src/retry.js";
import { deferred } from "../src/wakeup.js";
import {
  Abort,
  acceptAll,
  all,
  breaks,
  inTurn,
  PHONE,
  request,
  requests,
  result,
  ScriptedGateway,
  SECRET,
  withhold,
} from "./scripted.js";

const TIMEOUT = { timeout: 120_000 };

/** A client without pauses, whose lost connections are collected. */
function clientOf(target: string, options: DialGatewayOptions = {}): DialGateway & { lost: CallFailed[] } {
  const lost: CallFailed[] = [];
  const onConnectionLost = (error: CallFailed): void => {
    lost.push(error);
  };
  return Object.assign(new DialGateway(target, { random: () => 0, onConnectionLost, ...options }), { lost });
}

/** Runs a test with a gateway and a client. */
function withGateway(
  run: (gateway: ScriptedGateway, client: ReturnType<typeof clientOf>) => Promise<void>,
  options: DialGatewayOptions = {},
): () => Promise<void> {
  return async () => {
    const gateway = await ScriptedGateway.start();
    const client = clientOf(gateway.target, options);
    try {
      await run(gateway, client);
    } finally {
      await client.close();
      await gateway.stop();
    }
  };
}

/** Starts a gateway on a port that something else may use for a moment. */
async function startAt(address: string): Promise<ScriptedGateway> {
  for (;;) {
    try {
      return await ScriptedGateway.start({ address });
    } catch {
      await sleep(100);
    }
  }
}

function onceEach(results: readonly { index: number; clientToken: string }[], count: number): void {
  assert.deepEqual(
    results.map((each) => [each.index, each.clientToken]).sort(([one], [other]) => Number(one) - Number(other)),
    Array.from({ length: count }, (_, index) => [index, `t-${String(index)}`]),
  );
}

suite("answers", TIMEOUT, () => {
  test(
    "each request gets its answer",
    withGateway(async (gateway, client) => {
      const results = await all(client.dial("c", requests(2500)));
      onceEach(results, 2500);
      assert.deepEqual(results[0], {
        clientToken: "t-0",
        index: 0,
        outcome: "ACCEPTED",
        dialRequestId: "id-0",
        reason: "UNSPECIFIED",
        detail: "",
        retryAdvice: "UNSPECIFIED",
        retryAfterMs: undefined,
        attempts: 1,
        replayed: false,
        traceId: "ab".repeat(16),
        unnamed: undefined,
      });
      assert.equal(gateway.streams.length, 1);
      assert.ok(Math.max(...(gateway.streams[0]?.sizes ?? [])) <= 100);
      assert.ok((gateway.streams[0]?.sizes.length ?? 0) < 60, "chunks are as full as the source allows");
    }),
  );

  test(
    "plain objects, arrays and async generators are sources",
    withGateway(async (gateway, client) => {
      const plain = { clientToken: "t-0", phoneNumber: PHONE, expiresAt: new Date(Date.now() + 60_500) };
      assert.equal((await all(client.dial("c", [plain]))).length, 1);
      async function* slowly(): AsyncGenerator<DialRequest> {
        for (const each of requests(30)) {
          await sleep(1);
          yield each;
        }
      }
      onceEach(await all(client.dial("c", slowly(), { priority: "HIGH" })), 30);
      const [first, second] = gateway.streams.map((stream) => stream.messages[0]);
      assert.equal(first?.campaignId, "c");
      assert.equal(first.priority, pb.Priority.NORMAL);
      assert.equal(second?.priority, pb.Priority.HIGH);
      const sent = first.dialRequests[0];
      assert.equal(sent?.phoneNumber, PHONE);
      assert.equal(
        Number(sent.expirationTime?.seconds) * 1000 + (sent.expirationTime?.nanos ?? 0) / 1e6,
        plain.expiresAt.getTime(),
      );
    }),
  );

  test(
    "a request is sent although the source goes on waiting",
    withGateway(async (_, client) => {
      const answered = deferred<undefined>();
      async function* source(): AsyncGenerator<DialRequest> {
        yield request("t-0");
        await answered.promise;
      }
      for await (const each of client.dial("c", source())) {
        assert.equal(each.clientToken, "t-0");
        answered.resolve(undefined);
      }
    }),
  );

  test(
    "no more than a window is read from the source",
    withGateway(
      async (gateway, client) => {
        gateway.script = withhold;
        let read = 0;
        function* counted(): Generator<DialRequest> {
          for (const each of requests(1000)) {
            read += 1;
            yield each;
          }
        }
        const results = client.dial("c", counted());
        const waiting = results.next();
        await (await gateway.opened).read(50);
        await sleep(50);
        assert.equal(read, 50);
        assert.equal(results.unanswered.length, 50);
        await results.return();
        await assert.rejects(waiting);
      },
      { window: 50, chunk: 20 },
    ),
  );

  test(
    "the same token twice gets two answers",
    withGateway(async (_, client) => {
      const results = await all(client.dial("c", [request("same"), request("same")]));
      assert.deepEqual(results.map((each) => each.index).sort(), [0, 1]);
    }),
  );

  test(
    "an empty source ends at once, without a connection",
    withGateway(async (gateway, client) => {
      assert.deepEqual(await all(client.dial("c", [])), []);
      assert.equal(gateway.probes, 0);
    }),
  );

  test(
    "notices reach the caller",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        await stream.read(1);
        const notice = { kind: pb.NoticeKind.CAMPAIGN_PARKED, retryAfter: { seconds: 3n }, detail: "not running" };
        stream.send({ campaignId: "c", notice });
        await acceptAll(stream);
        stream.accept(0);
      };
      const notices: Notice[] = [];
      await all(client.dial("c", requests(1), { onNotice: (notice) => notices.push(notice) }));
      assert.deepEqual(notices, [
        { kind: "CAMPAIGN_PARKED", campaignId: "c", retryAfterMs: 3000, detail: "not running" },
      ]);
    }),
  );

  test(
    "the metadata of the client is sent",
    withGateway(
      async (gateway, client) => {
        await all(client.dial("c", requests(1)));
        assert.equal(gateway.streams[0]?.metadata["authorization"], "Bearer x");
      },
      { metadata: { authorization: "Bearer x" } },
    ),
  );

  test(
    "a stream that waits for answers sends empty messages",
    withGateway(
      async (gateway, client) => {
        gateway.script = async (stream) => {
          while (stream.messages.length < 4) await sleep(5);
          stream.accept(0);
        };
        const answered = deferred<undefined>();
        async function* source(): AsyncGenerator<DialRequest> {
          yield request("t-0");
          await answered.promise;
        }
        for await (const _ of client.dial("c", source())) answered.resolve(undefined);
        assert.deepEqual(gateway.streams[0]?.sizes, [1, 0, 0, 0]);
      },
      { keepaliveMs: 500 },
    ),
  );
});

suite("a newer gateway", TIMEOUT, () => {
  test(
    "unknown outcomes are UNKNOWN, unknown reasons and advice UNSPECIFIED",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        await stream.read(1);
        const numbers = { outcome: 42 as pb.Outcome, reason: 43 as pb.Reason, retryAdvice: 44 as pb.RetryAdvice };
        stream.send({ results: [result(0, "t-0", numbers)] });
      };
      const [only] = await all(client.dial("c", requests(1)));
      assert.deepEqual([only?.outcome, only?.reason, only?.retryAdvice], ["UNKNOWN", "UNSPECIFIED", "UNSPECIFIED"]);
      assert.deepEqual(only?.unnamed, { outcome: 42, reason: 43, retryAdvice: 44 });
    }),
  );

  test(
    "unknown notices and fields are ignored",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        await stream.read(1);
        const unknown = { no: 99, wireType: 2, data: new Uint8Array([2, 104, 105]) };
        stream.send({ notice: { kind: 77 as pb.NoticeKind, detail: "new" }, $unknown: [unknown] });
        stream.send({ results: [{ ...result(0, "t-0"), $unknown: [unknown] }] });
      };
      const notices: Notice[] = [];
      const results = await all(client.dial("c", requests(1), { onNotice: (notice) => notices.push(notice) }));
      assert.equal(results[0]?.outcome, "ACCEPTED");
      assert.deepEqual(
        notices.map((notice) => notice.kind),
        ["UNSPECIFIED"],
      );
    }),
  );
});

suite("connections that end", TIMEOUT, () => {
  for (const code of ["UNAVAILABLE", "INTERNAL", "CANCELLED", "UNKNOWN", "RESOURCE_EXHAUSTED"] as const) {
    test(
      `a stream continues after ${code}`,
      withGateway(async (gateway, client) => {
        gateway.script = inTurn(breaks(code, 300, 120), acceptAll);
        const results = await all(client.dial("c", requests(500)));
        onceEach(results, 500);
        assert.ok(results.every((each) => each.outcome === "ACCEPTED"));
        const [, again] = gateway.streams;
        assert.deepEqual(
          again?.tokens.slice(0, 180),
          Array.from({ length: 180 }, (_, index) => `t-${String(120 + index)}`),
        );
        assert.ok(again.marks.slice(0, 180).every(Boolean), "they are in doubt");
        assert.deepEqual(
          client.lost.map((error) => error.code),
          [code],
        );
      }),
    );
  }

  test(
    "many breaks lose and duplicate no answer",
    withGateway(async (gateway, client) => {
      const breaking = breaks("UNAVAILABLE", 50, 17);
      gateway.script = inTurn(breaking, ...Array.from({ length: 14 }, () => breaking), acceptAll);
      onceEach(await all(client.dial("c", requests(600))), 600);
      assert.equal(gateway.streams.length, 16);
    }),
  );

  test(
    "a draining stream is read to its end while new requests go to another connection",
    withGateway(async (gateway, client) => {
      const moved = deferred<undefined>();
      const noticed = deferred<undefined>();
      gateway.script = inTurn(
        async (stream) => {
          await stream.read(10);
          stream.send({ notice: { kind: pb.NoticeKind.DRAINING } });
          await moved.promise;
          stream.accept(0, 1, 2, 3, 4);
          throw new Abort("UNAVAILABLE", "draining");
        },
        async (stream) => {
          for await (const pairs of stream.pairs()) {
            stream.accept(...pairs.map(([index]) => index));
            moved.resolve(undefined);
          }
        },
      );
      async function* source(): AsyncGenerator<DialRequest> {
        yield* requests(10);
        await noticed.promise;
        yield* requests(10, 10);
      }
      const onNotice = (): void => {
        noticed.resolve(undefined);
      };
      onceEach(await all(client.dial("c", source(), { onNotice })), 20);
      const [first, second] = gateway.streams;
      assert.equal(first?.tokens.length, 10);
      assert.deepEqual(
        second?.tokens.slice(0, 10),
        Array.from({ length: 10 }, (_, index) => `t-${String(10 + index)}`),
      );
      assert.notEqual(first.peer, second.peer, "another connection, which may reach another replica");
      assert.deepEqual(client.lost, [], "the end of a draining stream is expected");
    }),
  );

  test(
    "a refused probe leaves no request in doubt",
    withGateway(
      async (gateway, client) => {
        gateway.probeScript = () => Promise.reject(new Abort("UNAVAILABLE", "leaving"));
        const results = await all(client.dial("c", [request("t-0", { expiresAt: new Date(Date.now() + 300) })]));
        assert.deepEqual(
          results.map((each) => each.outcome),
          ["EXPIRED"],
        );
        assert.ok(gateway.probes >= 1);
        assert.equal(gateway.streams.length, 0);
      },
      { random: () => 0.5, retry: { longestPauseMs: 200 } },
    ),
  );

  test("the client finds a gateway that starts again on its port", async () => {
    const first = await ScriptedGateway.start();
    first.script = withhold;
    const client = clientOf(first.target, { random: () => 1, retry: { longestPauseMs: 200 } });
    const dialing = all(client.dial("c", requests(5)));
    await (await first.opened).read(5);
    await first.stop();
    await sleep(50);
    const second = await startAt(first.target);
    onceEach(await dialing, 5);
    assert.ok(
      client.lost.every((error) => RECONNECT_STATUSES.has(error.code)),
      client.lost.join(),
    );
    await client.close();
    await second.stop();
  });

  test(
    "an end with OK before the last answer is a broken connection",
    withGateway(
      async (gateway, client) => {
        gateway.script = async (stream) => {
          await stream.read(3);
          stream.accept(0);
        };
        await assert.rejects(all(client.dial("c", requests(3))), (error: StreamBroken) => {
          assert.ok(error instanceof StreamBroken);
          assert.deepEqual(error.unanswered, ["t-1", "t-2"]);
          return true;
        });
      },
      { retry: NO_RETRIES },
    ),
  );

  for (const [index, token] of [
    [7, "t-0"],
    [0, "t-1"],
  ] as const) {
    test(
      `an answer to no request ends the dial: ${String(index)}, ${token}`,
      withGateway(async (gateway, client) => {
        gateway.script = async (stream) => {
          await stream.read(1);
          stream.send({ results: [result(index, token)] });
          await stream.ended;
        };
        await assert.rejects(all(client.dial("c", requests(1))), ProtocolError);
        await (
          await gateway.opened
        ).ended;
      }),
    );
  }

  test(
    "the error has the status, and the tokens without an answer",
    withGateway(async (gateway, client) => {
      gateway.script = breaks("PERMISSION_DENIED", 3, 1);
      const heard: number[] = [];
      await assert.rejects(
        async () => {
          for await (const each of client.dial("c", requests(3))) heard.push(each.index);
        },
        (error: AccessDenied) => {
          assert.ok(error instanceof AccessDenied);
          assert.equal(error.code, "PERMISSION_DENIED");
          assert.deepEqual(error.unanswered, ["t-1", "t-2"]);
          assert.deepEqual(error.inDoubt, ["t-1", "t-2"]);
          assert.equal(error.toString(), "AccessDenied: PERMISSION_DENIED: broken (unanswered dial requests: 2)");
          const shown = inspect(error, { depth: Infinity });
          assert.ok(!shown.includes(PHONE) && !shown.includes(SECRET));
          return true;
        },
      );
      assert.deepEqual(heard, [0]);
      assert.equal(gateway.streams.length, 1);
    }),
  );

  test("the client gives up after the time of the policy, and says why", async () => {
    const gateway = await ScriptedGateway.start();
    await gateway.stop();
    const client = clientOf(gateway.target, { retry: { giveUpAfterMs: 100 } });
    await assert.rejects(all(client.dial("c", requests(2))), (error: GatewayUnavailable) => {
      assert.ok(error instanceof GatewayUnavailable);
      assert.match(error.message, /ECONNREFUSED/);
      assert.deepEqual(error.unanswered, ["t-0", "t-1"]);
      assert.deepEqual(error.inDoubt, []);
      return true;
    });
    assert.ok(client.lost.length > 0);
    await client.close();
  });
});

suite("leaving", TIMEOUT, () => {
  test(
    "break cancels the stream and closes the source",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        for await (const pairs of stream.pairs()) stream.accept(...pairs.map(([index]) => index));
        await stream.ended;
      };
      const closed: string[] = [];
      async function* endless(): AsyncGenerator<DialRequest> {
        try {
          for (let number = 0; ; number += 1) {
            yield request(`t-${String(number)}`);
            await sleep(1);
          }
        } finally {
          await sleep(1);
          closed.push("source");
        }
      }
      for await (const _ of client.dial("c", endless())) break;
      await (
        await gateway.opened
      ).ended;
      while (closed.length === 0) await sleep(1);
    }),
  );

  test(
    "a plain generator is closed before the loop goes on",
    withGateway(async (gateway, client) => {
      const source = requests(10_000);
      for await (const _ of client.dial("c", source)) break;
      assert.equal(source.next().done, true);
      await (
        await gateway.opened
      ).ended;
    }),
  );

  test(
    "an error of the reader arrives unchanged",
    withGateway(async (gateway, client) => {
      class Own extends Error {}
      await assert.rejects(async () => {
        for await (const _ of client.dial("c", requests(10_000))) throw new Own("mine");
      }, Own);
      await (
        await gateway.opened
      ).ended;
    }),
  );

  test(
    "an error of onNotice ends the dial",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        stream.send({ notice: { kind: pb.NoticeKind.CAMPAIGN_HELD } });
        await stream.ended;
      };
      const onNotice = (): void => {
        throw new Error("mine");
      };
      await assert.rejects(all(client.dial("c", requests(1), { onNotice })), /mine/);
    }),
  );

  test(
    "an error of the source arrives after the stream is cancelled",
    withGateway(async (gateway, client) => {
      gateway.script = withhold;
      async function* failing(): AsyncGenerator<DialRequest> {
        yield* requests(150);
        await (await gateway.opened).read(150);
        throw new Error("no more leads");
      }
      await assert.rejects(all(client.dial("c", failing())), /no more leads/);
      await (
        await gateway.opened
      ).ended;
    }),
  );

  test(
    "an item that is no dial request closes its source, and is not shown",
    withGateway(async (_, client) => {
      let closed = false;
      function* wrong(): Generator<never> {
        try {
          yield PHONE as never;
        } finally {
          closed = true;
        }
      }
      await assert.rejects(all(client.dial("c", wrong())), (error: Error) => {
        assert.ok(error instanceof TypeError && !error.message.includes(PHONE));
        return true;
      });
      assert.ok(closed);
    }),
  );

  test(
    "a signal ends a dial that waits, with its reason",
    withGateway(async (gateway, client) => {
      gateway.script = withhold;
      const controller = new AbortController();
      const results = client.dial("c", requests(3), { signal: controller.signal });
      const waiting = all(results);
      const stream = await gateway.opened;
      await stream.read(3);
      controller.abort(new Error("shutting down"));
      await assert.rejects(waiting, /shutting down/);
      await stream.ended;
      assert.deepEqual(results.unanswered, ["t-0", "t-1", "t-2"]);
      assert.deepEqual(results.inDoubt, ["t-0", "t-1", "t-2"]);
    }),
  );

  test(
    "a signal that is aborted already lets nothing be read",
    withGateway(async (gateway, client) => {
      const source = requests(1);
      await assert.rejects(all(client.dial("c", source, { signal: AbortSignal.abort(new Error("late")) })), /late/);
      assert.equal(source.next().done, false);
      assert.equal(gateway.probes, 0);
    }),
  );

  test("a signal ends a dial while the gateway is unreachable", async () => {
    const gateway = await ScriptedGateway.start();
    await gateway.stop();
    const client = clientOf(gateway.target, { random: () => 1 });
    const signal = AbortSignal.timeout(50);
    await assert.rejects(all(client.dial("c", requests(1), { signal })), { name: "TimeoutError" });
    await client.close();
  });

  test(
    "closing the client ends its dials, and later ones",
    withGateway(async (gateway, client) => {
      gateway.script = withhold;
      const waiting = all(client.dial("c", requests(2)));
      await (await gateway.opened).read(2);
      await Promise.all([
        client.close(),
        assert.rejects(waiting, (error: ClientClosed) => {
          assert.ok(error instanceof ClientClosed);
          assert.deepEqual(error.unanswered, ["t-0", "t-1"]);
          return true;
        }),
      ]);
      await assert.rejects(all(client.dial("c", requests(1))), ClientClosed);
      await assert.rejects(client.put("c", requests(1)), ClientClosed);
      await assert.rejects(client.campaigns.list(), ClientClosed);
    }),
  );

  test(
    "a client and a dial are disposed of",
    withGateway(async (gateway, client) => {
      gateway.script = withhold;
      const results = client.dial("c", requests(2));
      const waiting = results.next();
      await (await gateway.opened).read(2);
      await results[Symbol.asyncDispose]();
      await assert.rejects(waiting);
      assert.equal((await results.next()).done, true);
      await client[Symbol.asyncDispose]();
      await assert.rejects(client.connect(), ClientClosed);
    }),
  );

  test(
    "a stream that the gateway does not end after the last answer is cancelled",
    withGateway(async (gateway, client) => {
      gateway.script = async (stream) => {
        await acceptAll(stream);
        await stream.ended;
      };
      assert.equal((await all(client.dial("c", requests(3)))).length, 3);
      await (
        await gateway.opened
      ).ended;
    }),
  );
});

suite("sizes", TIMEOUT, () => {
  const sized = (token: string, bytes: number, inDoubt = false): DialRequest =>
    request(token, { attributes: Object.fromEntries(texts(bytes)), inDoubt });

  function* texts(bytes: number): Generator<[string, string]> {
    for (let left = bytes, key = 0; left > 0; left -= 20_000, key += 1) {
      yield [`k${String(key)}`, "x".repeat(Math.min(left, 20_000))];
    }
  }

  test(
    "only the request that is too large is refused, without being sent",
    withGateway(async (gateway, client) => {
      const dials = [...requests(100), sized("large", 5 << 20), sized("doubt", 300_000, true), ...requests(100, 102)];
      const results = await all(client.dial("c", dials));
      assert.equal(results.length, 202);
      const [large, doubt] = ["large", "doubt"].map((token) => results.find((each) => each.clientToken === token));
      assert.deepEqual(
        [large?.outcome, large?.reason, large?.retryAdvice, large?.index],
        ["REJECTED", "INVALID_REQUEST", "NEVER", 100],
      );
      assert.match(large?.detail ?? "", /^dial_requests: a request must take at most 262,144 bytes, this one takes 5,/);
      assert.equal(doubt?.outcome, "UNKNOWN");
      assert.equal(results.filter((each) => each.outcome === "ACCEPTED").length, 200);
      assert.equal(gateway.streams.length, 1);
    }),
  );

  test(
    "large requests are sent in small messages",
    withGateway(async (gateway, client) => {
      await all(
        client.dial(
          "c",
          Array.from({ length: 30 }, (_, number) => sized(`t-${String(number)}`, 240_000)),
        ),
      );
      assert.ok(Math.max(...(gateway.streams[0]?.sizes ?? [])) <= 4);
      assert.ok((gateway.streams[0]?.sizes.length ?? 0) >= 7);
    }),
  );
});

suite("options", () => {
  test("a window or chunk below 1 is refused", () => {
    assert.throws(() => new DialGateway("127.0.0.1:1", { window: 0 }), RangeError);
    assert.throws(() => new DialGateway("127.0.0.1:1", { chunk: 0 }), RangeError);
    assert.throws(() => new DialGateway("127.0.0.1:1", { keepaliveMs: 0 }), RangeError);
  });

  test("a priority that does not exist is refused", async () => {
    const client = new DialGateway("127.0.0.1:1");
    assert.throws(() => client.dial("c", [], { priority: "URGENT" as never }), RangeError);
    await client.close();
  });
});
