/** Decides when a `dial()` connects again after a connection has ended, and when it gives up. */

import { CallFailed, GatewayUnavailable } from "./errors.js";
import type { Link } from "./link.js";
import { FINAL_STATUSES, pauseMs, RECONNECT_STATUSES, type RetryPolicy } from "./retry.js";

/**
 * After this many connections in a row that end with an unusual status, the error is raised. A message of the
 * client may be the cause, and would end the next connection too.
 */
export const UNUSUAL_ENDS = 5;

/** Counts the failures of one `dial()` and schedules its next connection. Times are in milliseconds. */
export class Reconnection {
  /** When the next connection may be opened. */
  connectAt = 0;
  /** How many connections in a row have ended without an answer. */
  failures = 0;
  readonly #policy: RetryPolicy;
  readonly #jitter: () => number;
  #unusualEnds = 0;
  #unreachableSince: number | undefined;
  #lastFailure: CallFailed | undefined;

  constructor(policy: RetryPolicy, jitter: () => number) {
    this.#policy = policy;
    this.#jitter = jitter;
  }

  /** Notes that until now no request has waited for the gateway. */
  nothingOutstanding(): void {
    this.#unreachableSince = undefined;
  }

  /** Notes that a connection is being opened. */
  connecting(now: number): void {
    this.#unreachableSince ??= now;
  }

  /** Notes that an answer has come over a connection. */
  answered(link: Link): void {
    link.heard = true;
    if (link.draining) return;
    this.failures = this.#unusualEnds = 0;
    this.#unreachableSince = undefined;
  }

  /** Notes that the current connection is draining: another one may be opened at once. */
  drained(link: Link, now: number): void {
    this.connectAt = now;
    if (!link.heard) this.#pause(now, 0); // it was new: the next replica may be draining too
  }

  /** Notes that a connection has failed. Returns false if no other one is to be opened. */
  failed(link: Link, failure: CallFailed, now: number): boolean {
    const lasted = link.readyAt !== undefined && now - link.readyAt > this.#policy.longestPauseMs;
    if (isUnusual(link, failure, lasted)) this.#unusualEnds += 1;
    if (!this.#policy.reconnect || FINAL_STATUSES.has(failure.code)) return false;
    if (this.#unusualEnds >= UNUSUAL_ENDS) return false;
    if (link.heard || lasted) {
      // It had worked: this is the first failure.
      this.failures = 0;
      this.#unreachableSince = now;
    }
    this.#lastFailure = failure;
    this.#pause(now, failure.retryAfterMs ?? 0);
    return true;
  }

  /** When to give up; undefined for never. */
  get giveUpAt(): number | undefined {
    if (this.#policy.giveUpAfterMs === undefined || this.#unreachableSince === undefined) return undefined;
    return this.#unreachableSince + this.#policy.giveUpAfterMs;
  }

  /** Returns the error for a gateway that was unreachable for too long, with the last status. */
  unreachableError(): GatewayUnavailable {
    const last = this.#lastFailure;
    if (last instanceof GatewayUnavailable) return last;
    if (last === undefined) {
      return new GatewayUnavailable("UNAVAILABLE: no connection in time", { code: "UNAVAILABLE" });
    }
    const text = `no connection in time; the last one ended: ${last.message}`;
    const { code, reason, retryAfterMs, cause } = last;
    return new GatewayUnavailable(text, { code, reason, retryAfterMs, cause });
  }

  #pause(now: number, askedMs: number): void {
    this.connectAt = now + askedMs + pauseMs(this.#policy, this.failures, this.#jitter());
    this.failures += 1;
  }
}

/**
 * Whether a message of the client may have ended a connection.
 *
 * A gateway that dies, or a proxy in front of it, ends a connection with one of `RECONNECT_STATUSES`. A message can
 * also cause INTERNAL and CANCELLED; then they come soon after it, and before any answer.
 */
function isUnusual(link: Link, failure: CallFailed, lasted: boolean): boolean {
  if (!RECONNECT_STATUSES.has(failure.code)) return true;
  if (failure.code === "UNAVAILABLE") return false;
  return link.count > 0 && !link.heard && !lasted;
}
