package com.dialgateway;

import java.util.Locale;

/** The answers that the client makes itself, and the correction of answers to requests in doubt. */
final class Answers {
  private Answers() {}

  /**
   * Returns the answer that is true for all attempts of a request together. A gateway that does not
   * know of an earlier attempt answers for its own only. Its REJECTED, EXPIRED or NOT_ACCEPTED
   * would say that nobody is dialed, although the earlier attempt may have succeeded.
   */
  static DialResult ofAllAttempts(DialResult result, boolean inDoubt) {
    if (!inDoubt || result.outcome() == Outcome.ACCEPTED || result.outcome() == Outcome.UNKNOWN) {
      return result;
    }
    String detail = "now " + result.outcome() + ", but an earlier attempt ended without an answer";
    return result.asUnknown(result.detail().isEmpty() ? detail : detail + ": " + result.detail());
  }

  /** Returns the answer to a request that expired while the gateway could not be reached. */
  static DialResult expired(Entry entry, boolean inDoubt) {
    return ofAllAttempts(
        DialResult.ofClient(
            entry.token(),
            entry.index,
            Outcome.EXPIRED,
            Reason.EXPIRATION_PASSED,
            "its time passed while the gateway could not be reached",
            RetryAdvice.SAME_TOKEN),
        inDoubt);
  }

  /** Returns the answer to a request that takes {@code size} bytes, of {@code largest} allowed. */
  static DialResult tooLarge(Entry entry, int size, int largest, boolean inDoubt) {
    String detail =
        String.format(
            Locale.ROOT,
            "dial_requests: a request must take at most %,d bytes, this one takes %,d",
            largest,
            size);
    return ofAllAttempts(
        DialResult.ofClient(
            entry.token(),
            entry.index,
            Outcome.REJECTED,
            Reason.INVALID_REQUEST,
            detail,
            RetryAdvice.NEVER),
        inDoubt);
  }

  /** Returns the answer to a request that was sent, expired long ago and got no answer. */
  static DialResult overdue(Entry entry) {
    return DialResult.ofClient(
        entry.token(),
        entry.index,
        Outcome.UNKNOWN,
        Reason.CONNECT_UNREACHABLE,
        "its time passed long ago, and no answer came over a connection that is open",
        RetryAdvice.SAME_TOKEN);
  }
}
