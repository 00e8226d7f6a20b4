package com.dialgateway;

/** The gateway does not serve this caller, or not this action. */
public final class AccessDeniedException extends CallFailedException {
  private static final long serialVersionUID = 1L;

  AccessDeniedException(CallEnd end, Unanswered unanswered) {
    super(end, unanswered);
  }
}
