/**
 * Reads the details of a gRPC status: `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`.
 *
 * They are in the trailer `grpc-status-details-bin`, as a `google.rpc.Status`. Three short messages do not justify a
 * dependency, so this file reads their fields. A trailer that cannot be read counts as one without details.
 */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** What the details of a status say. */
export interface StatusDetails {
  /** `google.rpc.ErrorInfo.reason`, such as `STREAM_LIMIT`. */
  readonly reason?: string | undefined;
  /** `google.rpc.RetryInfo.retry_delay`, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

const DETAILS_FIELD = 3;
// A reason of another domain is that of a proxy.
const DOMAIN = "dialgateway.v1";
const TYPE_PREFIX = "type.googleapis.com/google.rpc.";

/** Returns what a serialized `google.rpc.Status` says. */
export function readStatusDetails(status: Uint8Array): StatusDetails {
  const details: { -readonly [Key in keyof StatusDetails]: StatusDetails[Key] } = {};
  try {
    for (const any of fields(status).filter((field) => field.number === DETAILS_FIELD)) {
      const [type, value] = typeAndValue(any.bytes);
      if (type === `${TYPE_PREFIX}ErrorInfo` && text(first(value, 2)?.bytes) === DOMAIN) {
        details.reason = text(first(value, 1)?.bytes);
      }
      if (type === `${TYPE_PREFIX}RetryInfo`) details.retryAfterMs = delayMs(first(value, 1)?.bytes);
    }
  } catch {
    return {};
  }
  // Without the gateway's reason, something else has made the details.
  return details.reason === undefined ? {} : details;
}

interface Field {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly integer: number;
}

function fields(message: Uint8Array): Field[] {
  const reader = new BinaryReader(message);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) found.push({ number, bytes: reader.bytes(), integer: 0 });
    else if (wireType === WireType.Varint)
      found.push({ number, bytes: new Uint8Array(), integer: Number(reader.int64()) });
    else reader.skip(wireType, number);
  }
  return found;
}

function first(message: Uint8Array, number: number): Field | undefined {
  return fields(message).find((field) => field.number === number);
}

function typeAndValue(any: Uint8Array): [string | undefined, Uint8Array] {
  return [text(first(any, 1)?.bytes), first(any, 2)?.bytes ?? new Uint8Array()];
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

function delayMs(duration: Uint8Array | undefined): number {
  if (duration === undefined) return 0;
  return (first(duration, 1)?.integer ?? 0) * 1000 + (first(duration, 2)?.integer ?? 0) / 1e6;
}
