package com.dialgateway;

/** The client, or the results of a dial, were closed before or during the call. */
public final class ClientClosedException extends DialGatewayException {
  private static final long serialVersionUID = 1L;

  ClientClosedException(String message, Unanswered unanswered) {
    super(message, null, unanswered);
  }
}
