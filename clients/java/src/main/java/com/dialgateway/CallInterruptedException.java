package com.dialgateway;

/**
 * The thread that waited for answers was interrupted. Its interrupt flag is set again. A {@code
 * put} is cancelled; a {@code dial} goes on, and can be read further or closed.
 */
public final class CallInterruptedException extends DialGatewayException {
  private static final long serialVersionUID = 1L;

  CallInterruptedException(InterruptedException cause, Unanswered unanswered) {
    super("interrupted while waiting for the gateway", cause, unanswered);
  }
}
