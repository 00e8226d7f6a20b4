/** Which requests of one `dial()` are in doubt, and what their answers become, with a manual clock. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { GatewayUnavailable, ProtocolError } from "../src/index.js";
import { LOOK_EVERY_MS, OVERDUE_MS } from "../src/link.js";
import { answer, LIFE_MS, ManualState, sentOnce } from "./manualState.js";

suite("doubt", () => {
  for (const outcome of ["REJECTED", "EXPIRED"] as const) {
    test(`${outcome} after a broken connection becomes UNKNOWN`, () => {
      const [manual, link] = sentOnce(["a"]);
      manual.take("b");
      manual.lose(link);
      manual.later(1000);
      const again = manual.connect();
      manual.send(again);
      manual.settle(again, answer("a", 0, outcome, "NEVER"), answer("b", 1, outcome, "NEVER"));
      const [first, second] = manual.state.takeAnswers();
      assert.deepEqual([first?.outcome, first?.retryAdvice, first?.reason], ["UNKNOWN", "SAME_TOKEN", "CONNECT_ERROR"]);
      assert.match(first?.detail ?? "", new RegExp(`${outcome}.*why`));
      assert.deepEqual([second?.outcome, second?.retryAdvice], [outcome, "NEVER"], "b was sent once only");
    });
  }

  for (const outcome of ["NOT_ACCEPTED", "EXPIRED", "REJECTED"] as const) {
    test(`${outcome} after UNKNOWN becomes UNKNOWN`, () => {
      const [manual, link] = sentOnce(["a"]);
      manual.settle(link, answer("a", 0, "UNKNOWN"));
      manual.later(1000);
      assert.deepEqual(manual.send(link), ["a"]);
      manual.settle(link, answer("a", 1, outcome, "NEVER"));
      assert.deepEqual(manual.answers(), [["a", 0, "UNKNOWN"]]);
    });
  }

  test("ACCEPTED is true for a request in doubt", () => {
    const [manual, link] = sentOnce(["a"]);
    manual.lose(link);
    manual.later(1000);
    const again = manual.connect();
    const [sent] = manual.state.nextChunk(again);
    assert.equal(sent?.inDoubt, true);
    manual.settle(again, answer("a", 0, "ACCEPTED"));
    assert.deepEqual(manual.answers(), [["a", 0, "ACCEPTED"]]);
  });

  test("requests with the same token are in doubt together", () => {
    const [manual, link] = sentOnce(["same"]);
    manual.lose(link);
    manual.take("same");
    manual.later(1000);
    const again = manual.connect();
    manual.send(again);
    manual.settle(again, answer("same", 1, "REJECTED", "NEVER"));
    assert.deepEqual(manual.answers(), [["same", 1, "UNKNOWN"]]);
  });

  test("a request that the caller marks is in doubt", () => {
    const manual = new ManualState();
    manual.takeOne("a", { inDoubt: true });
    assert.deepEqual(manual.state.inDoubt, ["a"]);
    const link = manual.connect();
    manual.send(link);
    manual.settle(link, answer("a", 0, "EXPIRED"));
    assert.deepEqual(manual.answers(), [["a", 0, "UNKNOWN"]]);
  });

  test("a request that was not sent is not in doubt", () => {
    const manual = new ManualState();
    manual.take("a");
    assert.ok(manual.state.advance(0));
    manual.lose(manual.state.connect(0));
    manual.later(1000);
    const link = manual.connect();
    manual.send(link);
    manual.settle(link, answer("a", 0, "REJECTED", "NEVER"));
    assert.deepEqual(manual.answers(), [["a", 0, "REJECTED"]]);
  });

  test("a request that the gateway says it has not read is not in doubt", () => {
    for (const reason of ["DRAINING", "STREAM_AGE", "STREAM_LIMIT"]) {
      const [manual, link] = sentOnce(["a"]);
      manual.state.lost(link, new GatewayUnavailable("leaving", { code: "UNAVAILABLE", reason }), 0);
      manual.later(1000);
      const again = manual.connect();
      assert.deepEqual(
        manual.state.nextChunk(again).map((sent) => sent.inDoubt),
        [false],
      );
      manual.settle(again, answer("a", 0, "REJECTED", "NEVER"));
      assert.deepEqual(manual.answers(), [["a", 0, "REJECTED"]], reason);
    }
  });

  test("the number of remembered tokens is bounded", () => {
    const manual = new ManualState({ window: 1000, chunk: 1000 });
    for (let begin = 0; begin < 20_000; begin += 1000) {
      manual.take(...Array.from({ length: 1000 }, (_, number) => `t-${String(begin + number)}`));
      manual.later(8000);
      const link = manual.connect();
      const sent = manual.send(link);
      manual.lose(link);
      manual.later(8000);
      const again = manual.connect();
      assert.deepEqual(manual.send(again), sent);
      manual.settle(again, ...sent.map((token, index) => answer(token, index, "ACCEPTED")));
      manual.answers();
      manual.lose(again);
    }
    assert.equal(manual.state.remembered, 10_000);
  });
});

suite("overdue", () => {
  test("a request that is long overdue is answered UNKNOWN", () => {
    const manual = new ManualState();
    const link = manual.connectWith("a", "b");
    manual.later(LIFE_MS + OVERDUE_MS - 1000);
    assert.deepEqual(manual.answers(), []);
    manual.later(LOOK_EVERY_MS);
    assert.deepEqual(manual.answers(), [
      ["a", 0, "UNKNOWN"],
      ["b", 1, "UNKNOWN"],
    ]);
    manual.settle(link, answer("a", 0, "ACCEPTED")); // too late, and no fault of the gateway
    assert.deepEqual(manual.answers(), []);
    assert.throws(() => {
      manual.settle(link, answer("a", 0, "ACCEPTED"));
    }, ProtocolError);
  });

  test("overdue requests are looked for only while some are outstanding", () => {
    const manual = new ManualState();
    assert.equal(manual.state.deadline(), undefined);
    const link = manual.connectWith("a");
    manual.later(0);
    assert.equal(manual.state.deadline(), manual.now + LOOK_EVERY_MS);
    manual.settle(link, answer("a", 0, "ACCEPTED"));
    manual.answers();
    manual.later(LOOK_EVERY_MS);
    assert.equal(manual.state.deadline(), undefined);
  });
});
