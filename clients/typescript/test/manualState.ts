/** The state of one `dial()`, driven by a test with a manual clock and without sockets. */

import assert from "node:assert/strict";

import { DialState } from "../src/dialState.js";
import { fromStatus, type CallFailed } from "../src/errors.js";
import type { DialResult, Outcome, RetryAdvice, RetryPolicy } from "../src/index.js";
import type { Link } from "../src/link.js";
import { retryPolicy } from "../src/retry.js";
import type { StatusCode } from "../src/transport.js";
import { DIAL_REQUEST_BYTES } from "../src/wire.js";
import { request } from "./scripted.js";

const NOON = Date.UTC(2030, 0, 1, 12);
export const LIFE_MS = 300_000;
const PAUSES = { firstPauseMs: 1000, longestPauseMs: 8000 };

export function failed(code: StatusCode = "UNAVAILABLE", reason = ""): CallFailed {
  return fromStatus({ code, details: "gone", reason: reason === "" ? undefined : reason });
}

export function answer(
  clientToken: string,
  index: number,
  outcome: Outcome,
  retryAdvice: RetryAdvice = "SAME_TOKEN",
  more: Partial<DialResult> = {},
): DialResult {
  return {
    clientToken,
    index,
    outcome,
    dialRequestId: "",
    reason: "CONNECT_ERROR",
    detail: "why",
    retryAdvice,
    retryAfterMs: undefined,
    attempts: 1,
    replayed: false,
    traceId: "",
    unnamed: undefined,
    ...more,
  };
}

/** A state driven by a test. Its clock starts at 0, which is noon. */
export class ManualState {
  readonly state: DialState;
  now = 0;

  constructor(options: { window?: number; chunk?: number; policy?: Partial<RetryPolicy>; jitter?: number } = {}) {
    const { window = 10, chunk = 10, policy = {}, jitter = 1 } = options;
    this.state = new DialState({
      window,
      chunk,
      policy: retryPolicy({ ...PAUSES, ...policy }),
      jitter: () => jitter,
      largest: DIAL_REQUEST_BYTES,
    });
  }

  take(...tokens: string[]): void {
    for (const token of tokens) this.takeOne(token);
  }

  takeOne(token: string, options: { lifeMs?: number; inDoubt?: boolean } = {}): void {
    const { lifeMs = LIFE_MS, inDoubt = false } = options;
    const wall = NOON + this.now;
    this.state.take(request(token, { expiresAt: new Date(wall + lifeMs), inDoubt }), this.now, wall);
  }

  connect(): Link {
    assert.ok(this.state.advance(this.now), "no connection is needed");
    const link = this.state.connect(this.now);
    this.state.ready(link, this.now);
    return link;
  }

  send(link: Link): string[] {
    return this.state.nextChunk(link).map((each) => each.clientToken);
  }

  connectWith(...tokens: string[]): Link {
    this.take(...tokens);
    const link = this.connect();
    assert.deepEqual(this.send(link), tokens);
    return link;
  }

  settle(link: Link, ...results: DialResult[]): void {
    this.state.settle(link, results, this.now);
  }

  lose(link: Link, code: StatusCode = "UNAVAILABLE", reason = ""): void {
    this.state.lost(link, failed(code, reason), this.now);
  }

  later(ms: number): boolean {
    this.now += ms;
    return this.state.advance(this.now);
  }

  deadline(): number {
    const deadline = this.state.deadline();
    assert.ok(deadline !== undefined, "there is no deadline");
    return deadline;
  }

  answers(): [string, number, Outcome][] {
    return this.state.takeAnswers().map((each) => [each.clientToken, each.index, each.outcome]);
  }
}

/** A state whose requests are outstanding on its first connection. */
export function sentOnce(tokens: string[], policy: Partial<RetryPolicy> = {}): [ManualState, Link] {
  const manual = new ManualState({ policy });
  return [manual, manual.connectWith(...tokens)];
}
