/** The values of dial requests: what a service sends, and what it gets back. */

import { randomUUID } from "node:crypto";
import { inspect } from "node:util";

import { checkRingTimeout, textsOf, type Channel } from "./contactChannels.js";
import { activeTraceparent } from "./tracing.js";

/** How urgent dial requests are compared with others at the same gateway. */
export type Priority = "NORMAL" | "HIGH" | "BULK";

/**
 * The outcome of a dial request. Only with `ACCEPTED` and `UNKNOWN` may Amazon Connect dial.
 *
 * | outcome | means |
 * |---|---|
 * | `ACCEPTED` | Amazon Connect has the request, as `dialRequestId` |
 * | `REJECTED` | permanently refused; do not send it unchanged |
 * | `EXPIRED` | it expired first; Amazon Connect does not have it |
 * | `NOT_ACCEPTED` | Amazon Connect does not have it; the same token may be sent again |
 * | `UNKNOWN` | Amazon Connect may have it; send the same token again to find out |
 *
 * An outcome that only a newer gateway knows is read as `UNKNOWN`.
 */
export type Outcome = "ACCEPTED" | "REJECTED" | "EXPIRED" | "NOT_ACCEPTED" | "UNKNOWN";

/** Why a dial request was not accepted. `UNSPECIFIED`: accepted, or a reason of a newer gateway. */
export type Reason =
  | "UNSPECIFIED"
  | "INVALID_REQUEST"
  | "INVALID_INPUT"
  | "TOKEN_CONFLICT"
  | "CAMPAIGN_NOT_FOUND"
  | "CAMPAIGN_NOT_RUNNING"
  | "ACCESS_DENIED"
  | "EXPIRATION_PASSED"
  | "WOULD_EXPIRE"
  | "THROTTLED"
  | "CONNECT_ERROR"
  | "CONNECT_UNREACHABLE"
  | "DRAINING"
  | "HELD"
  | "PURGED"
  | "OVERLOADED"
  | "DEADLINE"
  | "OUTSIDE_CALLING_HOURS"
  | "SUPPRESSED"
  | "CONTACT_LIMIT"
  | "NUMBER_NOT_ALLOWED";

/** Whether and how to send a dial again. `UNSPECIFIED`: not necessary, or an advice of a newer gateway. */
export type RetryAdvice = "UNSPECIFIED" | "SAME_TOKEN" | "NEW_TOKEN" | "NEVER";

/** The subject of a notice. Ignore `UNSPECIFIED`: it is a kind that only a newer gateway knows. */
export type NoticeKind =
  "UNSPECIFIED" | "DRAINING" | "CAMPAIGN_COOLING" | "CAMPAIGN_PARKED" | "CAMPAIGN_HELD" | "CAMPAIGN_RESUMED";

/**
 * Returns a token for a new dial.
 *
 * Call this once, when you decide to dial somebody, and store the token with your record before you send the
 * request. The token prevents that a retry dials somebody twice. Keep it when you send the same dial again
 * after an error, a restart or a broken stream.
 */
export function newClientToken(): string {
  return randomUUID();
}

/** One person to dial, or to send a message to, as a plain object. */
export interface DialRequestInit {
  /** Your id of this dial, unique in its campaign; see {@link newClientToken}. */
  readonly clientToken: string;
  /** The number in E.164: `+`, country code and number, without spaces or dashes. Empty for an e-mail. */
  readonly phoneNumber: string;
  /** When this dial expires. Choose some minutes from now; Connect may refuse more than 15 minutes. */
  readonly expiresAt: Date;
  /** Contact attributes for the contact flow, or the parameters of a message's template. They are copied. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** W3C trace context of this request, if it differs from that of the whole call. Empty: it does not. */
  readonly traceparent?: string | undefined;
  /**
   * Set this if you may have sent this token before and have no final answer, for example after a crash.
   * Amazon Connect may have the request then, so the answer is `ACCEPTED` or `UNKNOWN`, never a refusal.
   * Within one `dial()` or `put()` the client sets it itself for requests that it sends again.
   */
  readonly inDoubt?: boolean | undefined;
  /**
   * How to contact the person, for campaigns of Amazon Connect's API V2. By default a telephone call with the
   * settings of its campaign.
   */
  readonly channel?: Channel | undefined;
}

// Upper bounds for the bytes of a message besides its texts: field tags, lengths, time and flags; for an
// attribute: its tags and lengths.
const REQUEST_OVERHEAD_BYTES = 64;
const ATTRIBUTE_OVERHEAD_BYTES = 24;
const CHANNEL_OVERHEAD_BYTES = 64;

/**
 * One person to dial.
 *
 * `dial()` and `put()` also take plain objects ({@link DialRequestInit}). This class has two advantages: its
 * text, its JSON and what `console.log` shows of it contain neither the phone number nor the attributes, and it
 * keeps the OpenTelemetry span that is active when it is made.
 *
 * The gateway checks the values, and answers `REJECTED` if one is invalid. Only what cannot be sent is refused
 * here: an `expiresAt` that is not a valid `Date`, values of other types, and text that is not valid Unicode.
 * The errors do not contain the value.
 */
export class DialRequest implements DialRequestInit {
  /** Your id of this dial, unique in its campaign. */
  readonly clientToken: string;
  /** When this dial expires. */
  readonly expiresAt: Date;
  /** W3C trace context of this request; undefined if it is that of the whole call. */
  readonly traceparent: string | undefined;
  /** Whether Amazon Connect may have this request from an earlier attempt. */
  readonly inDoubt: boolean;
  readonly #phoneNumber: string;
  readonly #attributes: Readonly<Record<string, string>>;
  readonly #channel: Channel | undefined;
  readonly #mostBytes: number;

  /**
   * @param init - The values; `traceparent` is by default that of the active OpenTelemetry span.
   * @throws TypeError if a value has the wrong type, and RangeError for an invalid date or invalid Unicode.
   */
  constructor(init: DialRequestInit) {
    const { clientToken, phoneNumber, expiresAt, attributes = {}, inDoubt = false, channel } = init;
    const given = init.traceparent ?? activeTraceparent();
    const traceparent = given === "" ? undefined : given;
    let bytes = textBytes("clientToken", clientToken) + textBytes("phoneNumber", phoneNumber);
    if (!(expiresAt instanceof Date)) {
      throw new TypeError(`expiresAt must be a Date, not ${typeName(expiresAt)}`);
    }
    if (Number.isNaN(expiresAt.getTime())) throw new RangeError("expiresAt is not a valid date");
    if (traceparent !== undefined) bytes += textBytes("traceparent", traceparent);
    const copied = Object.entries(attributes);
    for (const [key, value] of copied) {
      bytes += textBytes("a key of attributes", key) + textBytes("a value of attributes", value);
    }
    bytes += channelBytes(channel);
    this.clientToken = clientToken;
    this.expiresAt = new Date(expiresAt);
    this.traceparent = traceparent;
    this.inDoubt = inDoubt;
    this.#phoneNumber = phoneNumber;
    this.#attributes = Object.fromEntries(copied);
    this.#channel = structuredClone(channel);
    this.#mostBytes = bytes + REQUEST_OVERHEAD_BYTES + ATTRIBUTE_OVERHEAD_BYTES * copied.length;
  }

  /** The number in E.164. */
  get phoneNumber(): string {
    return this.#phoneNumber;
  }

  /** Contact attributes for the contact flow. */
  get attributes(): Readonly<Record<string, string>> {
    return this.#attributes;
  }

  /** How to contact the person; undefined: a telephone call with the settings of its campaign. */
  get channel(): Channel | undefined {
    return this.#channel;
  }

  /** An upper bound for the bytes of this request in a message. */
  get mostBytes(): number {
    return this.#mostBytes;
  }

  /** Returns this request with `inDoubt` set. */
  markedInDoubt(): DialRequest {
    return this.inDoubt ? this : new DialRequest({ ...initOf(this), inDoubt: true });
  }

  /** Returns the values that may be shown: neither the phone number nor the attributes. */
  toJSON(): { clientToken: string; expiresAt: string; inDoubt: boolean } {
    return { clientToken: this.clientToken, expiresAt: this.expiresAt.toISOString(), inDoubt: this.inDoubt };
  }

  /** Returns a short text without the phone number and the attributes. */
  toString(): string {
    return `DialRequest(${this.clientToken}, expires ${this.expiresAt.toISOString()})`;
  }

  /** What `console.log` and `util.inspect` show: neither the phone number nor the attributes. */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** Returns the request as an instance of {@link DialRequest}. Throws what its constructor throws. */
export function asDialRequest(request: DialRequestInit): DialRequest {
  if (request instanceof DialRequest) return request;
  if (typeof request !== "object" || (request as unknown) === null) {
    throw new TypeError(`the source must give dial requests, not ${typeName(request)}`);
  }
  // The span that is active now is that of the reader, whose context the whole call has.
  return new DialRequest({ ...request, traceparent: request.traceparent ?? "" });
}

/** The answer to one dial request. */
export interface DialResult {
  /** The token of the request. */
  readonly clientToken: string;
  /** Zero-based position of the request in this `dial()` or `put()`. It distinguishes equal tokens. */
  readonly index: number;
  /** The outcome. */
  readonly outcome: Outcome;
  /** Amazon Connect's id of the dial request, if it was accepted; else empty. */
  readonly dialRequestId: string;
  /** Why it was not accepted. */
  readonly reason: Reason;
  /** The reason as text for a person, not for parsing. It contains no phone number and no attribute. */
  readonly detail: string;
  /** Whether and how to send this dial again. */
  readonly retryAdvice: RetryAdvice;
  /** How long to wait before sending it again, in milliseconds, if the gateway knows. */
  readonly retryAfterMs: number | undefined;
  /** How many calls to Amazon Connect have contained the request. */
  readonly attempts: number;
  /** Whether this repeats the answer to an earlier request with the same token, which was accepted. */
  readonly replayed: boolean;
  /** The id of the trace of this request, 32 hexadecimal digits. */
  readonly traceId: string;
  /**
   * Enum numbers that only a newer gateway knows, such as `{ outcome: 7 }`; undefined if there is none. Such an
   * outcome is read as `UNKNOWN`, such a reason or advice as `UNSPECIFIED`.
   */
  readonly unnamed: Readonly<Partial<Record<"outcome" | "reason" | "retryAdvice", number>>> | undefined;
}

/** A message of the gateway besides results. It may be ignored. */
export interface Notice {
  /** Its subject. */
  readonly kind: NoticeKind;
  /** The campaign concerned; empty if it concerns the whole gateway. */
  readonly campaignId: string;
  /** How long the condition may last, in milliseconds, if the gateway knows. */
  readonly retryAfterMs: number | undefined;
  /** The notice as text for a person, not for parsing. */
  readonly detail: string;
}

function initOf(request: DialRequest): DialRequestInit {
  const { clientToken, phoneNumber, expiresAt, attributes, traceparent = "", channel } = request;
  return { clientToken, phoneNumber, expiresAt, attributes, traceparent, channel };
}

/** Returns an upper bound for the bytes of a channel. Throws what the constructor of a request throws. */
function channelBytes(channel: Channel | undefined): number {
  if (channel === undefined) return 0;
  let bytes = CHANNEL_OVERHEAD_BYTES;
  for (const [name, text] of textsOf(channel)) bytes += textBytes(name, text);
  if (channel.kind === "telephony") checkRingTimeout(channel.ringTimeoutMs);
  return bytes;
}

/** Returns the UTF-8 length of a text. */
function textBytes(name: string, value: unknown): number {
  if (typeof value !== "string") throw new TypeError(`${name} must be a string, not ${typeName(value)}`);
  if (!value.isWellFormed()) throw new RangeError(`${name} is not valid Unicode text`);
  return Buffer.byteLength(value);
}

function typeName(value: unknown): string {
  return value === null ? "null" : typeof value;
}
