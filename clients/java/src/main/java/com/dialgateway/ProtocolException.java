package com.dialgateway;

/** The gateway broke the contract: an answer belongs to no request, or answers are missing. */
public final class ProtocolException extends StreamBrokenException {
  private static final long serialVersionUID = 1L;

  ProtocolException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
