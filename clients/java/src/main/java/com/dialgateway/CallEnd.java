package com.dialgateway;

import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How a call ended, other than with OK. The exception is made when the caller gets it, with the
 * caller's stack trace.
 *
 * @param code the gRPC status; null if the client found the end itself
 * @param message what happened, for people
 * @param reason the gateway's reason; empty if the status is not the gateway's own
 * @param retryAfter how long to wait, if the gateway says so
 * @param cause the exception of gRPC, if there is one
 * @param unreachable whether the gateway was unreachable for longer than the retry policy allows
 * @param misconfigured whether the cause is one that waiting rarely ends, such as a certificate
 *     that is not trusted
 */
record CallEnd(
    Status.@Nullable Code code,
    String message,
    String reason,
    @Nullable Duration retryAfter,
    @Nullable Throwable cause,
    boolean unreachable,
    boolean misconfigured) {

  /**
   * The reasons of statuses with which the gateway says that it has not read the requests without
   * an answer: see {@code ErrorReason} in the contract.
   */
  private static final Set<String> NOTHING_TAKEN =
      Set.of(
          "DRAINING",
          "STREAM_AGE",
          "STREAM_LIMIT",
          "LIST_TOO_LONG",
          "MESSAGE_TOO_LARGE",
          "OVERLOADED",
          "CALLER_WINDOW",
          "UNAUTHENTICATED",
          "UNKNOWN_CALLER",
          "DIALING_DENIED");

  /** The domain of the gateway's error details. */
  static final String DOMAIN = "dialgateway.v1";

  static CallEnd of(Status.@Nullable Code code, String message) {
    return new CallEnd(code, message, "", null, null, false, false);
  }

  /** Reads the details that the gateway adds to a status. */
  static CallEnd of(Status status, @Nullable Metadata trailers) {
    String reason = "";
    Duration retryAfter = null;
    for (var detail : detailsOf(status, trailers)) {
      try {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          reason = info.getDomain().equals(DOMAIN) ? info.getReason() : reason;
        } else if (detail.is(RetryInfo.class)) {
          retryAfter = Wire.duration(detail.unpack(RetryInfo.class).getRetryDelay());
        }
      } catch (com.google.protobuf.InvalidProtocolBufferException ignored) {
        // Details that cannot be read are none.
      }
    }
    return new CallEnd(
        status.getCode(),
        status.getCode() + ": " + ConnectionCause.explain(status),
        reason,
        retryAfter,
        status.asRuntimeException(trailers),
        false,
        ConnectionCause.isMisconfiguration(status));
  }

  /**
   * How long the gateway wants the caller to wait at least before the next call, in nanoseconds.
   */
  long retryAfterNanos() {
    return retryAfter == null ? 0 : Math.max(Nanos.of(retryAfter), 0);
  }

  /** Whether the gateway has not read the requests without an answer: they are not in doubt. */
  boolean nothingTaken() {
    return NOTHING_TAKEN.contains(reason);
  }

  CallEnd as(Status.Code code, String message) {
    return new CallEnd(code, message, reason, retryAfter, cause, unreachable, misconfigured);
  }

  CallEnd asUnreachable(String message) {
    return new CallEnd(code, message, reason, retryAfter, cause, true, misconfigured);
  }

  CallFailedException toException(Unanswered unanswered) {
    if (unreachable || misconfigured) {
      return new GatewayUnavailableException(this, unanswered);
    }
    if (code == null) {
      return new StreamBrokenException(this, unanswered);
    }
    return switch (code) {
      case UNAVAILABLE -> new GatewayUnavailableException(this, unanswered);
      case RESOURCE_EXHAUSTED -> new GatewayOverloadedException(this, unanswered);
      case DEADLINE_EXCEEDED -> new CallTimeoutException(this, unanswered);
      case UNAUTHENTICATED, PERMISSION_DENIED -> new AccessDeniedException(this, unanswered);
      default -> new StreamBrokenException(this, unanswered);
    };
  }

  /** Returns the exception for a call that carries no dial requests. */
  CallFailedException toException() {
    CallFailedException exception = toException(Unanswered.NONE);
    return exception instanceof StreamBrokenException
        ? new CallFailedException(this, Unanswered.NONE)
        : exception;
  }

  private static Iterable<com.google.protobuf.Any> detailsOf(
      Status status, @Nullable Metadata trailers) {
    com.google.rpc.Status full = StatusProto.fromStatusAndTrailers(status, trailers);
    return full.getDetailsList();
  }
}
