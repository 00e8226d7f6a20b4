/** The retry policy: how long the client waits, what it sends again, and when it gives up. */

import type { StatusCode } from "./transport.js";
import type { DialResult, Outcome, Reason } from "./values.js";

// Reasons for which the client does not send a request again. The first two are an operator's decision, which
// that would undo. The last four are rules of the gateway: where they allow a request later, that is after its
// expiration. The others are refusals; they are UNKNOWN only because an earlier attempt is in doubt, and the
// same request would be refused again.
const LEFT_TO_THE_CALLER: ReadonlySet<Reason> = new Set<Reason>([
  "HELD",
  "PURGED",
  "INVALID_REQUEST",
  "INVALID_INPUT",
  "TOKEN_CONFLICT",
  "CAMPAIGN_NOT_FOUND",
  "CAMPAIGN_NOT_RUNNING",
  "OUTSIDE_CALLING_HOURS",
  "SUPPRESSED",
  "CONTACT_LIMIT",
  "NUMBER_NOT_ALLOWED",
]);

/**
 * The statuses with which a call ends when the gateway or a proxy in front of it dies: the client reconnects.
 *
 * HTTP/2 resets become INTERNAL or CANCELLED, depending on their error code. A lost connection, REFUSED_STREAM
 * and the HTTP statuses 429, 502, 503 and 504 become UNAVAILABLE (gRPC's http-grpc-status-mapping.md and
 * PROTOCOL-HTTP2.md). A call that the client itself has cancelled is handled elsewhere.
 */
export const RECONNECT_STATUSES: ReadonlySet<StatusCode> = new Set<StatusCode>([
  "UNAVAILABLE",
  "INTERNAL",
  "CANCELLED",
]);

/** Statuses that would be the same on another connection. */
export const FINAL_STATUSES: ReadonlySet<StatusCode> = new Set<StatusCode>([
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
]);

/**
 * The reasons of statuses with which the gateway says that it has not read the requests without an answer, so that they
 * are not in doubt: see `ErrorReason` in error_reason.proto.
 */
export const NOTHING_TAKEN: ReadonlySet<string | undefined> = new Set([
  "DRAINING",
  "STREAM_AGE",
  "STREAM_LIMIT",
  "LIST_TOO_LONG",
  "MESSAGE_TOO_LARGE",
  "OVERLOADED",
  "CALLER_WINDOW",
  "UNAUTHENTICATED",
  "UNKNOWN_CALLER",
  "DIALING_DENIED",
]);

/** An outcome after which the client may send a request again by itself. */
export type ResubmittedOutcome = Extract<Outcome, "NOT_ACCEPTED" | "UNKNOWN">;

/**
 * What the client does when a connection ends, and after answers that advise to send a request again.
 *
 * Each pause is random, between 0 and a bound ("full jitter"), so that the callers of a gateway that restarts
 * do not all reconnect at the same time.
 */
export interface RetryPolicy {
  /**
   * Whether a stream continues over a new connection, and `put()` is repeated after `UNAVAILABLE`, `INTERNAL`,
   * or a `CANCELLED` that is not the client's own. Default: true.
   */
  readonly reconnect: boolean;
  /**
   * After which answers the client sends the request again instead of giving the answer to the caller. The
   * gateway must advise `SAME_TOKEN`, and the request must not expire before. Requests that an operator has
   * held or purged, that rules of the gateway do not allow, or that would be refused again, are never sent again.
   * Default: both.
   */
  readonly resubmit: readonly ResubmittedOutcome[];
  /**
   * How long the gateway may be unreachable before the call fails with `GatewayUnavailable`, in milliseconds,
   * after at least one attempt. Undefined, the default: never; each request is answered `EXPIRED` or `UNKNOWN`
   * at its expiration.
   */
  readonly giveUpAfterMs: number | undefined;
  /** The bound of the first pause, in milliseconds. It doubles with each further attempt. Default: 200. */
  readonly firstPauseMs: number;
  /**
   * The largest bound of a pause, in milliseconds. The gateway may ask for a longer pause. Default: 10,000.
   */
  readonly longestPauseMs: number;
}

const DEFAULT_POLICY: RetryPolicy = {
  reconnect: true,
  resubmit: ["NOT_ACCEPTED", "UNKNOWN"],
  giveUpAfterMs: undefined,
  firstPauseMs: 200,
  longestPauseMs: 10_000,
};

/** No retries: the caller gets each answer, and an error when the connection ends. */
export const NO_RETRIES: Partial<RetryPolicy> = { reconnect: false, resubmit: [] };

/** Returns a complete policy. Throws RangeError if its values contradict each other. */
export function retryPolicy(changes: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy = { ...DEFAULT_POLICY, ...changes };
  if (!policy.resubmit.every((outcome) => DEFAULT_POLICY.resubmit.includes(outcome))) {
    throw new RangeError("retry.resubmit: only NOT_ACCEPTED and UNKNOWN may be sent again");
  }
  if (!(policy.firstPauseMs >= 0 && policy.firstPauseMs <= policy.longestPauseMs)) {
    throw new RangeError("retry.firstPauseMs must not be negative, nor longer than longestPauseMs");
  }
  if (policy.giveUpAfterMs !== undefined && !(policy.giveUpAfterMs >= 0)) {
    throw new RangeError("retry.giveUpAfterMs must not be negative");
  }
  return policy;
}

/** Returns the milliseconds to wait after `tries` earlier attempts; `jitter` is from 0 to 1. */
export function pauseMs(policy: RetryPolicy, tries: number, jitter: number): number {
  return jitter * Math.min(policy.firstPauseMs * 2 ** Math.min(tries, 32), policy.longestPauseMs);
}

/** Returns the milliseconds after which an answered request is sent again; undefined if it is not. */
export function resubmitAfterMs(
  policy: RetryPolicy,
  result: DialResult,
  tries: number,
  jitter: number,
): number | undefined {
  if (result.retryAdvice !== "SAME_TOKEN" || LEFT_TO_THE_CALLER.has(result.reason)) return undefined;
  if (!(policy.resubmit as readonly Outcome[]).includes(result.outcome)) return undefined;
  return Math.max(result.retryAfterMs ?? 0, 0) + pauseMs(policy, tries, jitter);
}
