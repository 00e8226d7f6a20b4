/** The trace context of the active OpenTelemetry span, if the process uses OpenTelemetry. */

import { context, isSpanContextValid, trace } from "@opentelemetry/api";

/** Returns the W3C `traceparent` of the active span; undefined if there is none. */
export function activeTraceparent(): string | undefined {
  const span = trace.getSpanContext(context.active());
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, "0");
  return `00-${span.traceId}-${span.spanId}-${flags}`;
}
