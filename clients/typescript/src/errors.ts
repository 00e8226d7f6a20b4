/**
 * The errors of calls to the gateway.
 *
 * ```text
 * DialGatewayError
 * ├── ClientClosed             the client was closed before or during the call
 * └── CallFailed               the gateway or the connection ended the call
 *     ├── GatewayUnavailable   the gateway is unreachable or shutting down
 *     ├── GatewayOverloaded    the gateway has no room for this call, or a message was too large
 *     ├── DeadlineExceeded     no answer within the time of `put()`
 *     ├── AccessDenied         this caller may not call the gateway
 *     └── StreamBroken         the stream ended for another reason before every request was answered
 *         └── ProtocolError    an answer that belongs to no request, or missing answers
 * ```
 *
 * A dial request that is refused is not an error but a `DialResult`. No error contains a phone number or an
 * attribute.
 */

import type { RpcStatus, StatusCode } from "./transport.js";

/** Any failure of a call to the gateway. */
export class DialGatewayError extends Error {
  override readonly name: string = "DialGatewayError";
  /**
   * The tokens of the dial requests without an answer, oldest first. Send those requests again with the same
   * tokens; nobody is dialed twice by that.
   */
  unanswered: readonly string[] = [];
  /**
   * Those of `unanswered` that Amazon Connect may have, because they were sent: send them again with `inDoubt`.
   */
  inDoubt: readonly string[] = [];

  /** Returns name, message and the number of dial requests without an answer. */
  override toString(): string {
    const count = this.unanswered.length;
    return super.toString() + (count > 0 ? ` (unanswered dial requests: ${String(count)})` : "");
  }
}

/** The client was closed before or during the call. */
export class ClientClosed extends DialGatewayError {
  override readonly name: string = "ClientClosed";
}

/** What the gateway or the connection said at the end of a call. */
export interface CallFailure {
  /** The gRPC status. */
  readonly code: StatusCode;
  /** The gateway's reason, such as `STREAM_LIMIT`; undefined if it gave none. */
  readonly reason?: string | undefined;
  /** How long to wait before the next call, in milliseconds, if the gateway said so. */
  readonly retryAfterMs?: number | undefined;
  /** The error below this one. */
  readonly cause?: unknown;
}

/** The gateway or the connection ended the call. */
export class CallFailed extends DialGatewayError implements CallFailure {
  override readonly name: string = "CallFailed";
  /** The gRPC status, such as `UNAVAILABLE`. */
  readonly code: StatusCode;
  /**
   * Why the gateway ended the call, such as `STREAM_LIMIT`: a name of `ErrorReason` in error_reason.proto. Undefined if
   * gRPC, a proxy or a broken connection ended it.
   */
  readonly reason: string | undefined;
  /** How long to wait before the next call, in milliseconds, if the gateway said so. */
  readonly retryAfterMs: number | undefined;

  /**
   * @param message - What happened, without values of dial requests.
   * @param failure - The status of the call.
   */
  constructor(message: string, failure: CallFailure) {
    super(message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.code = failure.code;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

/** The gateway is shutting down, or was unreachable for longer than the retry policy allows. */
export class GatewayUnavailable extends CallFailed {
  override readonly name: string = "GatewayUnavailable";
}

/** The gateway has no room for this call, or a message was too large for it. */
export class GatewayOverloaded extends CallFailed {
  override readonly name: string = "GatewayOverloaded";
}

/** The time of `put()` ended. Amazon Connect may have the requests: send the same tokens again. */
export class DeadlineExceeded extends CallFailed {
  override readonly name: string = "DeadlineExceeded";
}

/** The gateway does not serve this caller. */
export class AccessDenied extends CallFailed {
  override readonly name: string = "AccessDenied";
}

/** The stream ended before every request was answered, for a reason that no other error names. */
export class StreamBroken extends CallFailed {
  override readonly name: string = "StreamBroken";
}

/** The gateway broke the contract: an answer belongs to no request, or answers are missing. */
export class ProtocolError extends StreamBroken {
  override readonly name: string = "ProtocolError";
}

type FailureClass = new (message: string, failure: CallFailure) => CallFailed;

const BY_CODE: Partial<Record<StatusCode, FailureClass>> = {
  UNAVAILABLE: GatewayUnavailable,
  RESOURCE_EXHAUSTED: GatewayOverloaded,
  DEADLINE_EXCEEDED: DeadlineExceeded,
  UNAUTHENTICATED: AccessDenied,
  PERMISSION_DENIED: AccessDenied,
};

// What errors of Node's TLS and HTTP/2 mean to a caller: a part of the text, and the words for it.
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long|EPROTO/i,
    "the gateway's port speaks without TLS, and this client with TLS",
  ],
  [/\balert\b/i, "the gateway refused this client's certificate, or expects one"],
  [
    /certificate|altnames|CERT_/i,
    "the gateway's certificate is not of the authority that this client trusts, or not for this name",
  ],
  [
    /Protocol error|ECONNRESET|socket hang up|Failed to connect|disconnected before secure/i,
    "the port may belong to another service, expect TLS, or expect a certificate of the client",
  ],
];

/** Returns the error for the status that ended a call. */
export function fromStatus(status: RpcStatus, otherwise: FailureClass = StreamBroken): CallFailed {
  const FailureOfCode = BY_CODE[status.code] ?? otherwise;
  const { code, reason } = status;
  const name = reason === undefined || reason === code ? code : `${code} (${reason})`;
  return new FailureOfCode(`${name}: ${explained(status.details)}`, status);
}

function explained(details: string): string {
  if (details === "") return "no details";
  const hint = HINTS.find(([pattern]) => pattern.test(details));
  return hint === undefined ? details : `${details} (${hint[1]})`;
}
