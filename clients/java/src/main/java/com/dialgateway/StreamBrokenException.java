package com.dialgateway;

/** The call ended before every request was answered, for a reason that no other exception names. */
public sealed class StreamBrokenException extends CallFailedException permits ProtocolException {
  private static final long serialVersionUID = 1L;

  StreamBrokenException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
