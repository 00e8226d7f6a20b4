package com.dialgateway;

import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import java.util.HashMap;
import java.util.Map;

/**
 * The current trace context of OpenTelemetry, as W3C headers. OpenTelemetry is optional: without it
 * on the class path there is no context.
 */
final class TraceContext {
  static final String TRACEPARENT = "traceparent";
  private static final boolean AVAILABLE = isAvailable();

  private TraceContext() {}

  /** Returns {@code traceparent} and {@code tracestate}, if this thread is in a trace. */
  static Map<String, String> current() {
    return AVAILABLE ? OpenTelemetry.headers() : Map.of();
  }

  private static boolean isAvailable() {
    try {
      Class.forName(
          "io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator",
          false,
          TraceContext.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError missing) {
      return false;
    }
  }

  /** Loaded only if OpenTelemetry is there. */
  private static final class OpenTelemetry {
    static Map<String, String> headers() {
      Map<String, String> headers = new HashMap<>();
      W3CTraceContextPropagator.getInstance()
          .inject(
              Context.current(),
              headers,
              (carrier, name, value) -> {
                if (carrier != null) {
                  carrier.put(name, value);
                }
              });
      return headers;
    }
  }
}
