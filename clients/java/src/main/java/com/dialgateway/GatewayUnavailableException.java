package com.dialgateway;

/** The gateway is shutting down, or was unreachable for longer than the retry policy allows. */
public final class GatewayUnavailableException extends CallFailedException {
  private static final long serialVersionUID = 1L;

  GatewayUnavailableException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
