package com.dialgateway;

/**
 * The timeout of a {@code put} ended. Amazon Connect may have the requests: send the same tokens
 * again.
 */
public final class CallTimeoutException extends CallFailedException {
  private static final long serialVersionUID = 1L;

  CallTimeoutException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
