package com.dialgateway;

import io.grpc.Status;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** The gateway or the connection ended the call. */
public sealed class CallFailedException extends DialGatewayException
    permits GatewayUnavailableException,
        GatewayOverloadedException,
        CallTimeoutException,
        AccessDeniedException,
        StreamBrokenException {
  private static final long serialVersionUID = 1L;

  /** The gRPC status. */
  private final Status.@Nullable Code code;

  /** The gateway's own reason. */
  private final String reason;

  /** How long to wait. */
  private final @Nullable Duration retryAfter;

  CallFailedException(CallEnd end, Unanswered unanswered) {
    super(end.message(), end.cause(), unanswered);
    this.code = end.code();
    this.reason = end.reason();
    this.retryAfter = end.retryAfter();
  }

  /**
   * Returns the gRPC status with which the call ended.
   *
   * @return the status; null if the gateway broke the contract without one
   */
  public final Status.@Nullable Code code() {
    return code;
  }

  /**
   * Returns the gateway's reason for the status, such as {@code STREAM_LIMIT}. The contract lists
   * them as {@code ErrorReason}.
   *
   * @return the reason; empty if the status is not the gateway's own, for example if a proxy or
   *     gRPC made it
   */
  public final String reason() {
    return reason;
  }

  /**
   * Returns how long to wait before the call is made again.
   *
   * @return the time; null if the gateway did not say
   */
  public final @Nullable Duration retryAfter() {
    return retryAfter;
  }
}
