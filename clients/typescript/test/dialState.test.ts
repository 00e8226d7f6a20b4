/** Which requests of one `dial()` are read, sent, sent again and answered, with a manual clock. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ProtocolError, type DialResult } from "../src/index.js";
import { retryPolicy } from "../src/retry.js";
import { answer, ManualState, sentOnce } from "./manualState.js";

suite("window", () => {
  test("at most a window of requests is read", () => {
    const manual = new ManualState({ window: 3 });
    manual.take("a", "b", "c");
    assert.equal(manual.state.hasRoom, false);
    const link = manual.connect();
    assert.deepEqual(manual.send(link), ["a", "b", "c"]);
    manual.settle(link, answer("b", 1, "ACCEPTED"));
    assert.equal(manual.state.hasRoom, false, "an answer that nobody has taken is held as well");
    assert.deepEqual(manual.answers(), [["b", 1, "ACCEPTED"]]);
    assert.equal(manual.state.hasRoom, true);
    assert.deepEqual(manual.state.unanswered, ["a", "c"]);
  });

  test("a full chunk is sent before more is read", () => {
    const manual = new ManualState({ window: 100, chunk: 2 });
    manual.take("a", "b");
    assert.equal(manual.state.hasRoom, false);
    const link = manual.connect();
    assert.deepEqual(manual.send(link), ["a", "b"]);
    assert.equal(manual.state.hasRoom, true);
    assert.deepEqual(manual.send(link), []);
  });

  test("a stream is finished after the end of the source and the last answer", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.state.endSource();
    manual.settle(link, answer("a", 0, "REJECTED"));
    assert.equal(manual.state.finished, false);
    manual.answers();
    assert.equal(manual.state.finished, true);
  });

  test("equal tokens have their own answers", () => {
    const [manual, link] = sentOnce(["same", "same"]);
    manual.settle(link, answer("same", 1, "ACCEPTED"));
    assert.throws(() => {
      manual.settle(link, answer("same", 1, "ACCEPTED"));
    }, ProtocolError);
    manual.settle(link, answer("same", 0, "ACCEPTED"));
    assert.deepEqual(
      manual.answers().map(([, index]) => index),
      [1, 0],
    );
  });

  for (const [token, index] of [
    ["b", 0],
    ["a", 7],
  ] as const) {
    test(`an answer to no request is an error: ${token}, ${String(index)}`, () => {
      const [manual, link] = sentOnce(["a"]);
      assert.throws(() => {
        manual.settle(link, answer(token, index, "ACCEPTED"));
      }, ProtocolError);
    });
  }
});

suite("sending again", () => {
  for (const outcome of ["NOT_ACCEPTED", "UNKNOWN"] as const) {
    test(`a request is sent again if ${outcome} advises the same token`, () => {
      const [manual, link] = sentOnce(["a"]);
      manual.settle(link, answer("a", 0, outcome));
      assert.deepEqual(manual.answers(), []);
      assert.equal(manual.deadline(), 1000);
      manual.later(1000);
      assert.deepEqual(manual.send(link), ["a"]);
      manual.settle(link, answer("a", 1, "ACCEPTED"));
      assert.deepEqual(manual.answers(), [["a", 0, "ACCEPTED"]]);
    });
  }

  test("the pauses between attempts of a request grow up to a bound", () => {
    const [manual, link] = sentOnce(["a"]);
    for (const [index, pause] of [1000, 2000, 4000, 8000, 8000].entries()) {
      manual.settle(link, answer("a", index, "NOT_ACCEPTED"));
      assert.equal(manual.deadline(), manual.now + pause);
      manual.later(pause);
      assert.deepEqual(manual.send(link), ["a"]);
    }
  });

  test("the client waits as long as the gateway asks, and the jitter", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.settle(link, answer("a", 0, "NOT_ACCEPTED", "SAME_TOKEN", { retryAfterMs: 30_000 }));
    manual.later(0);
    assert.equal(manual.later(29_999), false);
    assert.deepEqual(manual.send(link), []);
    manual.later(1001);
    assert.deepEqual(manual.send(link), ["a"]);
  });

  test("a request is not sent again after its expiration", () => {
    const manual = new ManualState();
    manual.takeOne("a", { lifeMs: 1000 });
    const link = manual.connect();
    manual.send(link);
    manual.settle(link, answer("a", 0, "NOT_ACCEPTED"));
    assert.deepEqual(manual.answers(), [["a", 0, "NOT_ACCEPTED"]]);
  });

  const left: DialResult[] = [
    answer("a", 0, "REJECTED"),
    answer("a", 0, "EXPIRED"),
    answer("a", 0, "NOT_ACCEPTED", "NEW_TOKEN"),
    answer("a", 0, "NOT_ACCEPTED", "NEVER"),
    answer("a", 0, "UNKNOWN", "UNSPECIFIED"),
    answer("a", 0, "NOT_ACCEPTED", "SAME_TOKEN", { reason: "PURGED" }),
    answer("a", 0, "NOT_ACCEPTED", "SAME_TOKEN", { reason: "HELD" }),
    answer("a", 0, "UNKNOWN", "SAME_TOKEN", { reason: "CAMPAIGN_NOT_FOUND" }),
  ];
  for (const result of left) {
    test(`the caller gets ${result.outcome}, ${result.retryAdvice}, ${result.reason}`, () => {
      const [manual, link] = sentOnce(["a"]);
      manual.settle(link, result);
      assert.deepEqual(manual.state.takeAnswers(), [result]);
    });
  }

  test("it can be switched off", () => {
    const [manual, link] = sentOnce(["a"], { resubmit: [] });
    manual.settle(link, answer("a", 0, "NOT_ACCEPTED"));
    assert.deepEqual(manual.answers(), [["a", 0, "NOT_ACCEPTED"]]);
  });

  test("a request that is sent again after the half-close opens a new link", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.state.endSource();
    assert.ok(manual.state.halfClose(link));
    manual.settle(link, answer("a", 0, "NOT_ACCEPTED"));
    manual.state.lost(link, undefined, manual.now);
    assert.ok(manual.later(1000));
    const again = manual.connect();
    assert.deepEqual(manual.send(again), ["a"]);
    assert.ok(manual.state.halfClose(again));
  });
});

suite("policy", () => {
  const wrong = [
    { resubmit: ["REJECTED"] as never },
    { firstPauseMs: 20_000 },
    { firstPauseMs: -1 },
    { giveUpAfterMs: -1 },
    { giveUpAfterMs: NaN },
  ];
  for (const policy of wrong) {
    test(`a contradictory policy is refused: ${JSON.stringify(policy)}`, () => {
      assert.throws(() => retryPolicy(policy), RangeError);
    });
  }
});
