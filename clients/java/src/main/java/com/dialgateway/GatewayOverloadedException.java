package com.dialgateway;

/** The gateway has no room for this call, or a message or list was too large for it. */
public final class GatewayOverloadedException extends CallFailedException {
  private static final long serialVersionUID = 1L;

  GatewayOverloadedException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
