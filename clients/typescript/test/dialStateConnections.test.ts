/** The connections of one `dial()`: pauses, replacement, and when it gives up, with a manual clock. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { GatewayUnavailable, NO_RETRIES } from "../src/index.js";
import { FINAL_STATUSES } from "../src/retry.js";
import { UNUSUAL_ENDS } from "../src/reconnection.js";
import { answer, failed, LIFE_MS, ManualState, sentOnce } from "./manualState.js";
import { GatewayOverloaded } from "../src/index.js";

suite("connections", () => {
  test("none is opened before there is a request", () => {
    const manual = new ManualState();
    assert.equal(manual.state.advance(0), false);
    manual.take("a");
    assert.equal(manual.state.advance(0), true);
  });

  test("unanswered requests are sent again in order after a break", () => {
    const [manual, link] = sentOnce(["a", "b", "c"]);
    manual.settle(link, answer("b", 1, "ACCEPTED"));
    manual.take("d");
    manual.lose(link);
    assert.equal(manual.later(900), false);
    assert.equal(manual.later(200), true);
    const again = manual.connect();
    assert.deepEqual(manual.send(again), ["a", "c", "d"]);
    manual.settle(again, ...["a", "c", "d"].map((token, place) => answer(token, place, "ACCEPTED")));
    assert.deepEqual(
      manual.answers().map(([token, index]) => [token, index]),
      [
        ["b", 1],
        ["a", 0],
        ["c", 2],
        ["d", 3],
      ],
    );
  });

  test("pauses double up to a bound and start again after an answer", () => {
    const [manual, first] = sentOnce(["a", "b"]);
    let link = first;
    const pauses = [1, 2, 3, 4, 5].map(() => {
      manual.lose(link);
      const deadline = manual.deadline();
      const pause = deadline - manual.now;
      manual.now = deadline;
      link = manual.connect();
      return pause;
    });
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 8000]);
    manual.send(link);
    manual.settle(link, answer("a", 0, "ACCEPTED"));
    manual.lose(link);
    assert.equal(manual.deadline(), manual.now + 1000);
  });

  test("a pause may be zero, since its jitter is full", () => {
    const manual = new ManualState({ jitter: 0 });
    manual.take("a");
    manual.lose(manual.connect());
    assert.ok(manual.state.advance(manual.now));
  });

  test("a pause is at least what the gateway asks for", () => {
    const [manual, link] = sentOnce(["a"]);
    const full = new GatewayOverloaded("full", {
      code: "RESOURCE_EXHAUSTED",
      reason: "STREAM_LIMIT",
      retryAfterMs: 5000,
    });
    manual.state.lost(link, full, manual.now);
    assert.equal(manual.deadline(), 6000);
  });

  test("a draining stream is replaced at once and read to its end", () => {
    const [manual, old] = sentOnce(["a", "b"]);
    manual.settle(old, answer("a", 0, "ACCEPTED"));
    manual.state.drain(old, manual.now);
    manual.take("c");
    assert.deepEqual(manual.send(old), []);
    const fresh = manual.connect();
    assert.deepEqual(manual.send(fresh), ["c"]);
    manual.settle(fresh, answer("c", 0, "ACCEPTED"));
    manual.state.endSource();
    assert.equal(manual.state.halfClose(fresh), false, "b may yet have to be sent here");
    manual.lose(old);
    assert.deepEqual(manual.send(fresh), ["b"]);
    assert.ok(manual.state.halfClose(fresh));
    manual.settle(fresh, answer("b", 1, "ACCEPTED"));
    assert.deepEqual(
      manual.answers().map(([, index]) => index),
      [0, 2, 1],
    );
  });

  test("streams that drain at once are replaced after growing pauses", () => {
    const manual = new ManualState();
    manual.take("a");
    const waits = [1, 2, 3].map(() => {
      manual.state.drain(manual.connect(), manual.now);
      const wait = manual.deadline() - manual.now;
      manual.now += wait;
      return wait;
    });
    assert.deepEqual(waits, [1000, 2000, 4000]);
  });

  test("a link is half-closed after the last request, and its end with OK ends the stream", () => {
    const [manual, link] = sentOnce(["a"]);
    assert.equal(manual.state.halfClose(link), false);
    manual.state.endSource();
    assert.ok(manual.state.halfClose(link));
    manual.settle(link, answer("a", 0, "ACCEPTED"));
    manual.state.lost(link, undefined, manual.now);
    manual.answers();
    assert.ok(manual.state.finished);
    assert.equal(manual.state.failure, undefined);
  });

  test("a half-closed link that breaks is replaced", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.state.endSource();
    assert.ok(manual.state.halfClose(link));
    manual.lose(link);
    assert.ok(manual.later(1000));
    assert.deepEqual(manual.send(manual.connect()), ["a"]);
  });

  for (const code of FINAL_STATUSES) {
    test(`${code} ends the dial at once`, () => {
      const [manual, link] = sentOnce(["a"]);
      manual.take("b");
      manual.lose(link, code);
      assert.equal(manual.state.failure?.code, code);
      assert.equal(manual.later(100_000), false);
      assert.deepEqual(manual.state.unanswered, ["a", "b"]);
      assert.deepEqual(manual.state.inDoubt, ["a"]);
    });
  }

  for (const code of ["INTERNAL", "CANCELLED"] as const) {
    test(`connections that end with ${code} right after a message are retried a few times`, () => {
      const manual = new ManualState();
      manual.take("a");
      for (let end = 0; end < UNUSUAL_ENDS; end += 1) {
        assert.equal(manual.state.failure, undefined);
        const link = manual.connect();
        manual.send(link);
        manual.lose(link, code);
        manual.later(8000);
      }
      assert.equal(manual.state.failure?.code, code);
    });

    for (const sent of [false, true]) {
      test(`the client reconnects after ${code} that its messages did not cause, sent: ${String(sent)}`, () => {
        const manual = new ManualState({ policy: { longestPauseMs: 2000 } });
        manual.take("a");
        for (let end = 0; end < 3 * UNUSUAL_ENDS; end += 1) {
          const link = manual.connect();
          if (sent) {
            manual.send(link);
            manual.now += 3000;
          }
          manual.lose(link, code);
          manual.later(2000);
        }
        assert.equal(manual.state.failure, undefined);
      });
    }
  }

  test("unusual statuses are retried a few times", () => {
    const manual = new ManualState();
    manual.take("a");
    for (let end = 0; end < UNUSUAL_ENDS; end += 1) {
      assert.equal(manual.state.failure, undefined);
      manual.lose(manual.connect(), "UNKNOWN");
      manual.later(8000);
    }
    assert.equal(manual.state.failure?.code, "UNKNOWN");
  });

  test("a stream that ends with OK too early is replaced", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.state.lost(link, undefined, manual.now);
    assert.ok(manual.later(1000));
  });

  test("without retries the first failure ends the dial, and DRAINING is ignored", () => {
    const [manual, link] = sentOnce(["a"], NO_RETRIES);
    manual.state.drain(link, manual.now);
    manual.take("b");
    assert.deepEqual(manual.send(link), ["b"]);
    manual.lose(link);
    assert.ok(manual.state.failure);
  });
});

suite("unreachable", () => {
  test("a request that was not sent expires", () => {
    const manual = new ManualState();
    manual.takeOne("a", { lifeMs: 5000 });
    manual.takeOne("b", { lifeMs: 50_000 });
    manual.lose(manual.connect());
    manual.later(5000);
    const [result, ...others] = manual.state.takeAnswers();
    assert.deepEqual(others, []);
    assert.equal(result?.outcome, "EXPIRED");
    assert.equal(result.reason, "EXPIRATION_PASSED");
    assert.deepEqual(manual.state.unanswered, ["b"]);
  });

  test("a request that was sent is unknown when it expires", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.lose(link);
    manual.later(LIFE_MS);
    assert.deepEqual(manual.answers(), [["a", 0, "UNKNOWN"]]);
  });

  test("a reachable gateway decides whether a request has expired", () => {
    const manual = new ManualState();
    manual.takeOne("a", { lifeMs: -3_600_000 });
    assert.deepEqual(manual.send(manual.connect()), ["a"]);
    assert.deepEqual(manual.answers(), []);
  });

  test("the client gives up after the time of the policy, and at least one attempt", () => {
    const manual = new ManualState({ policy: { giveUpAfterMs: 60_000 } });
    manual.take("a");
    while (manual.state.failure === undefined) {
      if (manual.later(0)) manual.state.lost(manual.state.connect(manual.now), failed(), manual.now);
      const deadline = manual.state.deadline();
      assert.ok(deadline === undefined || deadline >= manual.now);
      manual.now = deadline ?? manual.now;
    }
    assert.equal(manual.now, 60_000);
    assert.ok(manual.state.failure instanceof GatewayUnavailable);
    assert.deepEqual(manual.state.unanswered, ["a"]);
    assert.deepEqual(manual.state.inDoubt, []);
  });

  test("the error of giving up has the status of the last connection", () => {
    const manual = new ManualState({ policy: { giveUpAfterMs: 5000 } });
    manual.take("a");
    manual.lose(manual.connect(), "INTERNAL");
    manual.later(6000);
    const { failure } = manual.state;
    assert.ok(failure instanceof GatewayUnavailable);
    assert.equal(failure.code, "INTERNAL");
  });

  test("the time to give up starts when the connection fails", () => {
    const [manual, link] = sentOnce(["a"], { giveUpAfterMs: 60_000 });
    manual.now = 200_000;
    manual.lose(link);
    assert.ok(manual.later(10_000));
    assert.equal(manual.state.failure, undefined);
  });

  test("idle time does not count", () => {
    const [manual, link] = sentOnce(["a"], { giveUpAfterMs: 60_000 });
    manual.settle(link, answer("a", 0, "ACCEPTED"));
    manual.lose(link);
    manual.later(1000);
    manual.take("b");
    manual.lose(manual.connect());
    manual.later(LIFE_MS);
    manual.answers();
    manual.now = 3_600_000;
    manual.take("c");
    manual.later(0);
    assert.equal(manual.state.failure, undefined);
  });
});
