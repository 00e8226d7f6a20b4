/** The client gives the true answers of conformance/truth.json, which scripts/truth.py describes. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { DialResult, Outcome, Reason, RetryAdvice } from "../src/index.js";
import type { Link } from "../src/link.js";
import { retryPolicy } from "../src/retry.js";
import { answer, ManualState } from "./manualState.js";
import { request } from "./scripted.js";

interface Answer {
  readonly outcome: Outcome;
  readonly reason: Reason | "";
  readonly retry_advice: RetryAdvice | "";
}

type Attempt =
  | { readonly event: "broken"; readonly sent: boolean; readonly marked?: boolean; readonly reason?: string }
  | ({
      readonly event: "answered";
      readonly marked: boolean;
      readonly retry_after_s: number;
      readonly sent_again: boolean;
    } & Answer)
  | { readonly event: "expired" | "too_large" };

interface Case {
  readonly name: string;
  readonly in_doubt: boolean;
  readonly attempts: readonly Attempt[];
  readonly answer: Answer;
}

const LIFE_MS = 600_000;

/** The attempts of one request, carried out on the state of a `dial()` without pauses. */
class Attempts {
  readonly manual = new ManualState({ policy: retryPolicy(), jitter: 0 });
  #link: Link | undefined;

  constructor(each: Case) {
    if (each.attempts[0]?.event !== "too_large") {
      this.manual.takeOne("t", { lifeMs: LIFE_MS, inDoubt: each.in_doubt });
      return;
    }
    const attributes = { k: "v".repeat(300_000) };
    this.manual.state.take(request("t", { attributes, inDoubt: each.in_doubt }), 0, 0);
  }

  carryOut(attempt: Attempt): void {
    if (attempt.event === "broken") {
      if (attempt.sent) this.#send(attempt.marked);
      this.#lose(attempt.reason);
    } else if (attempt.event === "answered") {
      this.#send(attempt.marked);
      this.#settle(attempt);
    } else if (attempt.event === "expired") {
      if (this.#link !== undefined) this.#lose();
      this.manual.lose(this.manual.connect());
      this.manual.later(LIFE_MS + 1000);
    }
  }

  #connected(): Link {
    this.manual.later(0); // a request that pauses waits again
    this.#link ??= this.manual.connect();
    return this.#link;
  }

  #lose(reason = ""): void {
    this.manual.lose(this.#connected(), "UNAVAILABLE", reason);
    this.#link = undefined;
  }

  #send(marked: boolean | undefined): void {
    const sent = this.manual.state.nextChunk(this.#connected());
    assert.deepEqual(
      sent.map((each) => each.inDoubt),
      [marked],
    );
  }

  #settle(attempt: Attempt & { event: "answered" }): void {
    const link = this.#connected();
    const { outcome, reason, retry_advice: advice, retry_after_s: seconds } = attempt;
    const result: DialResult = answer("t", link.count - 1, outcome, advice === "" ? "UNSPECIFIED" : advice, {
      reason: reason === "" ? "UNSPECIFIED" : reason,
      retryAfterMs: seconds * 1000,
    });
    this.manual.settle(link, result);
    assert.equal(this.manual.state.hasAnswers, !attempt.sent_again);
  }
}

function unspecified(name: string): string {
  return name === "UNSPECIFIED" ? "" : name;
}

test("answers   are true for all attempts together", () => {
  const file = new URL("../../../../conformance/truth.json", import.meta.url);
  const cases = JSON.parse(readFileSync(file, "utf8")) as Case[];
  assert.ok(cases.length > 400);
  for (const each of cases) {
    const attempts = new Attempts(each);
    for (const attempt of each.attempts) attempts.carryOut(attempt);
    const told = attempts.manual.state.takeAnswers().map((result) => ({
      outcome: result.outcome,
      reason: unspecified(result.reason),
      retry_advice: unspecified(result.retryAdvice),
    }));
    assert.deepEqual(told, [each.answer], each.name);
  }
});
