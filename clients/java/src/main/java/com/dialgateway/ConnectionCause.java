package com.dialgateway;

import io.grpc.Status;
import java.security.cert.CertificateException;
import org.jspecify.annotations.Nullable;

/**
 * Explains why a connection failed. gRPC's own text is often only "io exception"; the causes below
 * it say more.
 */
final class ConnectionCause {
  private static final String NO_TLS =
      "the gateway's port speaks without TLS, and this client with TLS";
  private static final String UNTRUSTED =
      "the gateway's certificate is not of the authority that this client trusts, or not for this"
          + " name";
  private static final String REFUSED_CERTIFICATE =
      "the gateway did not accept the certificate of this client";
  private static final String NOT_A_GATEWAY =
      "the port does not speak gRPC, or expects TLS, which this client does not use";

  private ConnectionCause() {}

  /** Returns the text of a status in one line, with the innermost cause and what it means. */
  static String explain(Status status) {
    String description = status.getDescription();
    String text =
        description == null || description.isBlank()
            ? "no details"
            : description.lines().findFirst().orElse(description).strip();
    Throwable cause = innermost(status.getCause());
    if (cause != null && cause.getMessage() != null && !text.contains(cause.getMessage())) {
      text += ": " + cause.getMessage().lines().findFirst().orElse("").strip();
    }
    String meaning = meaning(status);
    return meaning == null ? text : text + " (" + meaning + ")";
  }

  /** Whether waiting rarely helps: the two sides do not agree on TLS, or it is not a gateway. */
  static boolean isMisconfiguration(Status status) {
    return Reconnection.RECONNECT.contains(status.getCode()) && meaning(status) != null;
  }

  private static @Nullable String meaning(Status status) {
    String texts = textsOf(status);
    if (texts.contains("not an SSL/TLS record") || texts.contains("NotSslRecordException")) {
      return NO_TLS;
    }
    if (texts.contains("Received fatal alert")
        || texts.contains("SSLV3_ALERT")
        || texts.contains("TLSV1_ALERT")
        || texts.contains("TLSV13_ALERT")) {
      return REFUSED_CERTIFICATE;
    }
    if (hasCause(status, CertificateException.class)
        || texts.contains("PKIX path")
        || texts.contains("CERTIFICATE_VERIFY_FAILED")) {
      return UNTRUSTED;
    }
    if (texts.contains("First received frame was not SETTINGS")) {
      return NOT_A_GATEWAY;
    }
    return null;
  }

  private static boolean hasCause(Status status, Class<? extends Throwable> kind) {
    for (Throwable at = status.getCause(); at != null; at = at.getCause()) {
      if (kind.isInstance(at)) {
        return true;
      }
    }
    return false;
  }

  private static String textsOf(Status status) {
    StringBuilder texts = new StringBuilder();
    texts.append(status.getDescription());
    for (Throwable at = status.getCause(); at != null; at = at.getCause()) {
      texts.append('\n').append(at.getClass().getSimpleName()).append(' ').append(at.getMessage());
    }
    return texts.toString();
  }

  private static @Nullable Throwable innermost(@Nullable Throwable cause) {
    Throwable at = cause;
    while (at != null && at.getCause() != null) {
      at = at.getCause();
    }
    return at;
  }
}
