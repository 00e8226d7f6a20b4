/**
 * Requests in doubt, and the answers that the client makes itself (decision 14 of the gateway).
 *
 * A request is in doubt if Amazon Connect may have it: it was sent on a connection that ended before its answer,
 * or it was answered UNKNOWN. Another replica does not know that, so the client sends such a request with
 * `in_doubt` set. A gateway that is older than this field answers for its own attempt only. Its REJECTED, EXPIRED
 * or NOT_ACCEPTED would say that nobody is dialed, although an earlier attempt may have succeeded.
 * `resultOfAllAttempts` replaces such an answer with UNKNOWN.
 */

import { ProtocolError } from "./errors.js";
import type { DialRequest, DialResult } from "./values.js";

// Tokens that a stream remembers beyond those of its outstanding requests; a few megabytes at most.
const REMEMBERED = 10_000;

/** The tokens of requests that Amazon Connect may have. When it is full, the oldest token is forgotten. */
export class InDoubtTokens {
  readonly #maxTokens: number;
  readonly #tokens = new Set<string>();

  /**
   * @param outstanding - How many requests may be without an answer; there is always room for five times as many.
   */
  constructor(outstanding: number) {
    this.#maxTokens = Math.max(REMEMBERED, 5 * outstanding);
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.#tokens.size;
  }

  /** Notes that Amazon Connect may have the request with this token. */
  add(clientToken: string): void {
    this.#tokens.delete(clientToken);
    this.#tokens.add(clientToken);
    if (this.#tokens.size <= this.#maxTokens) return;
    for (const oldest of this.#tokens) {
      this.#tokens.delete(oldest);
      return;
    }
  }

  /** Returns the request to send, with `inDoubt` set if it is in doubt. */
  marked(request: DialRequest): DialRequest {
    return this.#tokens.has(request.clientToken) ? request.markedInDoubt() : request;
  }

  /** Whether Amazon Connect may have the request from an earlier attempt. */
  includes(request: DialRequest): boolean {
    return request.inDoubt || this.#tokens.has(request.clientToken);
  }
}

/** Returns the answer that is true for all attempts of a request together. */
export function resultOfAllAttempts(result: DialResult, inDoubt: boolean): DialResult {
  if (!inDoubt || result.outcome === "ACCEPTED" || result.outcome === "UNKNOWN") return result;
  const detail = `now ${result.outcome}, but an earlier attempt ended without an answer`;
  return {
    ...result,
    outcome: "UNKNOWN",
    retryAdvice: "SAME_TOKEN",
    detail: result.detail === "" ? detail : `${detail}: ${result.detail}`,
  };
}

/** Returns the answer to a request that expired while the gateway could not be reached. */
export function expiredResult(request: DialRequest, index: number, inDoubt: boolean): DialResult {
  const result = own(request, index, {
    outcome: "EXPIRED",
    reason: "EXPIRATION_PASSED",
    detail: "its time passed while the gateway could not be reached",
    retryAdvice: "SAME_TOKEN",
  });
  return resultOfAllAttempts(result, inDoubt);
}

/** Returns the answer to a request that takes `size` bytes, of `largest` that a gateway reads. */
export function tooLargeResult(
  request: DialRequest,
  index: number,
  size: number,
  largest: number,
  inDoubt: boolean,
): DialResult {
  const limit = `a request must take at most ${grouped(largest)} bytes, this one takes ${grouped(size)}`;
  const result = own(request, index, {
    outcome: "REJECTED",
    reason: "INVALID_REQUEST",
    detail: `dial_requests: ${limit}`,
    retryAdvice: "NEVER",
  });
  return resultOfAllAttempts(result, inDoubt);
}

/** Returns the answer to a request that was sent, expired long ago and got no answer. */
export function overdueResult(request: DialRequest, index: number): DialResult {
  return own(request, index, {
    outcome: "UNKNOWN",
    reason: "CONNECT_UNREACHABLE",
    detail: "its time passed long ago, and no answer came over a connection that is open",
    retryAdvice: "SAME_TOKEN",
  });
}

/**
 * Returns the results of a unary call, corrected for requests in doubt. Throws ProtocolError unless they belong to
 * the requests, in the same order.
 */
export function matchResults(
  results: readonly DialResult[],
  requests: readonly DialRequest[],
  inDoubt: InDoubtTokens,
): DialResult[] {
  const matched = requests.map((request, place) => {
    const result = results[place];
    if (result?.clientToken !== request.clientToken) throw mismatch(requests);
    return resultOfAllAttempts(result, inDoubt.includes(request));
  });
  if (results.length !== requests.length) throw mismatch(requests);
  return matched;
}

/** Returns a number with commas, such as 262,144. */
export function grouped(number: number): string {
  return number.toLocaleString("en-US");
}

function mismatch(requests: readonly DialRequest[]): ProtocolError {
  const error = new ProtocolError("the results are not those of the requests", { code: "OK" });
  error.unanswered = requests.map((request) => request.clientToken);
  return error;
}

function own(
  request: DialRequest,
  index: number,
  decided: Pick<DialResult, "outcome" | "reason" | "detail" | "retryAdvice">,
): DialResult {
  return {
    clientToken: request.clientToken,
    index,
    outcome: decided.outcome,
    dialRequestId: "",
    reason: decided.reason,
    detail: decided.detail,
    retryAdvice: decided.retryAdvice,
    retryAfterMs: undefined,
    attempts: 0,
    replayed: false,
    traceId: "",
    unnamed: undefined,
  };
}
