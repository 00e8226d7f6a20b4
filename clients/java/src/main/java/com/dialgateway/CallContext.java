package com.dialgateway;

import io.grpc.Metadata;
import java.util.Map;

/**
 * What one call tells the gateway besides its dial requests. Its headers are copied for each
 * attempt, because gRPC changes them.
 */
record CallContext(String campaign, Priority priority, Map<String, String> headers) {
  Metadata metadata() {
    return metadata(headers);
  }

  static Metadata metadata(Map<String, String> headers) {
    Metadata metadata = new Metadata();
    headers.forEach(
        (name, value) ->
            metadata.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value));
    return metadata;
  }
}
