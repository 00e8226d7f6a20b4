/** Converts between the messages of DialRequestService and the values of this package. */

import { toBinary } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

import { channelMessage } from "./contactChannels.js";
import * as pb from "./gen/dialgateway/v1/dial_request_service_pb.js";
import { grouped } from "./inDoubt.js";
import type { DialRequest, DialResult, Notice, NoticeKind, Outcome, Priority, Reason, RetryAdvice } from "./values.js";

/** The largest message that a gateway reads, in bytes. A larger one ends the stream. */
export const MESSAGE_BYTES = 4 << 20;
/** The largest dial request that a gateway accepts, in bytes; a larger one is REJECTED. */
export const DIAL_REQUEST_BYTES = 256 << 10;
/** The largest message with several requests, in bytes. Proxies often have limits above that. */
export const USUAL_MESSAGE_BYTES = 1 << 20;
// The bytes of a message besides the request and the campaign id: field tags, lengths, priority.
const FRAME_BYTES = 32;
// The bytes of the field `in_doubt`.
const MARK_BYTES = 2;

const OUTCOMES: Readonly<Record<number, Outcome>> = {
  [pb.Outcome.ACCEPTED]: "ACCEPTED",
  [pb.Outcome.REJECTED]: "REJECTED",
  [pb.Outcome.EXPIRED]: "EXPIRED",
  [pb.Outcome.NOT_ACCEPTED]: "NOT_ACCEPTED",
  [pb.Outcome.UNKNOWN]: "UNKNOWN",
};

const REASONS: Readonly<Record<number, Reason>> = {
  [pb.Reason.UNSPECIFIED]: "UNSPECIFIED",
  [pb.Reason.INVALID_REQUEST]: "INVALID_REQUEST",
  [pb.Reason.INVALID_INPUT]: "INVALID_INPUT",
  [pb.Reason.TOKEN_CONFLICT]: "TOKEN_CONFLICT",
  [pb.Reason.CAMPAIGN_NOT_FOUND]: "CAMPAIGN_NOT_FOUND",
  [pb.Reason.CAMPAIGN_NOT_RUNNING]: "CAMPAIGN_NOT_RUNNING",
  [pb.Reason.ACCESS_DENIED]: "ACCESS_DENIED",
  [pb.Reason.EXPIRATION_PASSED]: "EXPIRATION_PASSED",
  [pb.Reason.WOULD_EXPIRE]: "WOULD_EXPIRE",
  [pb.Reason.THROTTLED]: "THROTTLED",
  [pb.Reason.CONNECT_ERROR]: "CONNECT_ERROR",
  [pb.Reason.CONNECT_UNREACHABLE]: "CONNECT_UNREACHABLE",
  [pb.Reason.DRAINING]: "DRAINING",
  [pb.Reason.HELD]: "HELD",
  [pb.Reason.PURGED]: "PURGED",
  [pb.Reason.OVERLOADED]: "OVERLOADED",
  [pb.Reason.DEADLINE]: "DEADLINE",
  [pb.Reason.OUTSIDE_CALLING_HOURS]: "OUTSIDE_CALLING_HOURS",
  [pb.Reason.SUPPRESSED]: "SUPPRESSED",
  [pb.Reason.CONTACT_LIMIT]: "CONTACT_LIMIT",
  [pb.Reason.NUMBER_NOT_ALLOWED]: "NUMBER_NOT_ALLOWED",
};

const ADVICE: Readonly<Record<number, RetryAdvice>> = {
  [pb.RetryAdvice.UNSPECIFIED]: "UNSPECIFIED",
  [pb.RetryAdvice.SAME_TOKEN]: "SAME_TOKEN",
  [pb.RetryAdvice.NEW_TOKEN]: "NEW_TOKEN",
  [pb.RetryAdvice.NEVER]: "NEVER",
};

const KINDS: Readonly<Record<number, NoticeKind>> = {
  [pb.NoticeKind.DRAINING]: "DRAINING",
  [pb.NoticeKind.CAMPAIGN_COOLING]: "CAMPAIGN_COOLING",
  [pb.NoticeKind.CAMPAIGN_PARKED]: "CAMPAIGN_PARKED",
  [pb.NoticeKind.CAMPAIGN_HELD]: "CAMPAIGN_HELD",
  [pb.NoticeKind.CAMPAIGN_RESUMED]: "CAMPAIGN_RESUMED",
};

const PRIORITIES: Readonly<Record<Priority, pb.Priority>> = {
  NORMAL: pb.Priority.NORMAL,
  HIGH: pb.Priority.HIGH,
  BULK: pb.Priority.BULK,
};

/** Returns the reason for its number; UNSPECIFIED for one of a newer gateway. */
export function reasonOf(number: number): Reason {
  return REASONS[number] ?? "UNSPECIFIED";
}

/** Returns how many bytes one request of a campaign may take. */
export function largestRequest(campaignId: string): number {
  return Math.min(MESSAGE_BYTES - FRAME_BYTES - Buffer.byteLength(campaignId), DIAL_REQUEST_BYTES);
}

/** Returns how many bytes a request takes in a message, with `in_doubt`, which may be set later. */
export function sizeOf(request: DialRequest): number {
  return toBinary(pb.DialRequestSchema, dialRequest(request)).length + (request.inDoubt ? 0 : MARK_BYTES);
}

/** Throws RangeError for a list that is larger than the messages that a gateway reads. */
export function checkSize(message: pb.PutDialRequestsRequest): void {
  const size = toBinary(pb.PutDialRequestsRequestSchema, message).length + MARK_BYTES * message.dialRequests.length;
  if (size <= MESSAGE_BYTES) return;
  const rule = `at most ${grouped(MESSAGE_BYTES)} are read; send it by dial()`;
  throw new RangeError(`requests: the list takes ${grouped(size)} bytes as one message, ${rule}`);
}

/** Returns a message of the stream. */
export function streamMessage(
  campaignId: string,
  requests: readonly DialRequest[],
  priority: Priority,
): pb.StreamDialRequestsRequest {
  return {
    $typeName: "dialgateway.v1.StreamDialRequestsRequest",
    campaignId,
    dialRequests: requests.map(dialRequest),
    priority: PRIORITIES[priority],
  };
}

/** Returns the message of the unary call. */
export function putMessage(
  campaignId: string,
  requests: readonly DialRequest[],
  priority: Priority,
): pb.PutDialRequestsRequest {
  return {
    $typeName: "dialgateway.v1.PutDialRequestsRequest",
    campaignId,
    dialRequests: requests.map(dialRequest),
    priority: PRIORITIES[priority],
  };
}

/** Throws RangeError for a priority that is not one of the three. */
export function checkPriority(priority: Priority): void {
  if (!Object.hasOwn(PRIORITIES, priority)) throw new RangeError("priority must be NORMAL, HIGH or BULK");
}

/** Converts results. An outcome without a name here becomes UNKNOWN: Connect may have the request. */
export function results(messages: readonly pb.DialResult[]): DialResult[] {
  return messages.map(result);
}

/** Returns the notice of a response; undefined if it has none. */
export function notice(message: pb.StreamDialRequestsResponse): Notice | undefined {
  const sent = message.notice;
  if (sent === undefined) return undefined;
  return {
    kind: KINDS[sent.kind] ?? "UNSPECIFIED",
    campaignId: message.campaignId,
    retryAfterMs: durationMs(sent.retryAfter),
    detail: sent.detail,
  };
}

/** Returns a duration in milliseconds; undefined if it is not set. */
export function durationMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Returns an instant as a Date; undefined if it is not set. */
export function dateOf(timestamp: Timestamp | undefined): Date | undefined {
  if (timestamp === undefined) return undefined;
  return new Date(Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6));
}

// This runs once for each request. The messages are made without `create()`, which would copy every field.
function dialRequest(request: DialRequest): pb.DialRequest {
  const milliseconds = request.expiresAt.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return {
    $typeName: "dialgateway.v1.DialRequest",
    clientToken: request.clientToken,
    phoneNumber: request.phoneNumber,
    expirationTime: {
      $typeName: "google.protobuf.Timestamp",
      seconds: BigInt(seconds),
      nanos: (milliseconds - seconds * 1000) * 1_000_000,
    },
    attributes: request.attributes,
    traceparent: request.traceparent ?? "",
    inDoubt: request.inDoubt,
    channel: channelMessage(request.channel),
  };
}

function result(message: pb.DialResult): DialResult {
  return {
    clientToken: message.clientToken,
    index: Number(message.index),
    outcome: OUTCOMES[message.outcome] ?? "UNKNOWN",
    dialRequestId: message.dialRequestId,
    reason: reasonOf(message.reason),
    detail: message.detail,
    retryAdvice: ADVICE[message.retryAdvice] ?? "UNSPECIFIED",
    retryAfterMs: durationMs(message.retryAfter),
    attempts: message.attempts,
    replayed: message.replayed,
    traceId: message.traceId,
    unnamed: unnamed(message),
  };
}

function unnamed(message: pb.DialResult): DialResult["unnamed"] {
  const { outcome, reason, retryAdvice } = message;
  if (outcome in OUTCOMES && reason in REASONS && retryAdvice in ADVICE) return undefined;
  return {
    ...(outcome in OUTCOMES ? {} : { outcome }),
    ...(reason in REASONS ? {} : { reason }),
    ...(retryAdvice in ADVICE ? {} : { retryAdvice }),
  };
}
