package com.dialgateway;

import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The one answer to one dial request. Immutable. A newer version of this package may add
 * components.
 *
 * @param clientToken the token of the request
 * @param index zero-based position of the request in its {@code dial} or {@code put}; distinguishes
 *     equal tokens
 * @param outcome the outcome
 * @param dialRequestId Amazon Connect's id of the dial request; empty unless accepted
 * @param reason why it was not accepted
 * @param detail the reason as text for a person, not for parsing, without phone number and
 *     attributes
 * @param retryAdvice whether and how to send this dial again
 * @param retryAfter how long to wait before sending it again; null if the gateway does not know
 * @param attempts how many calls to Amazon Connect have contained the request
 * @param replayed whether this repeats the answer to an earlier request with the same token, which
 *     was accepted
 * @param traceId the id of the trace of this request, 32 hexadecimal digits; may be empty
 * @param unnamed enum numbers that only a newer gateway knows, by the names {@code outcome}, {@code
 *     reason} and {@code retry_advice}; such an outcome is read as {@link Outcome#UNKNOWN}, such a
 *     reason or advice as {@code UNSPECIFIED}
 */
public record DialResult(
    String clientToken,
    long index,
    Outcome outcome,
    String dialRequestId,
    Reason reason,
    String detail,
    RetryAdvice retryAdvice,
    @Nullable Duration retryAfter,
    int attempts,
    boolean replayed,
    String traceId,
    Map<String, Integer> unnamed) {

  /** Returns the answer that the client itself gives to a request. */
  static DialResult ofClient(
      String clientToken,
      long index,
      Outcome outcome,
      Reason reason,
      String detail,
      RetryAdvice advice) {
    return new DialResult(
        clientToken, index, outcome, "", reason, detail, advice, null, 0, false, "", Map.of());
  }

  /**
   * Returns whether Amazon Connect has the request.
   *
   * @return true for {@link Outcome#ACCEPTED}
   */
  public boolean accepted() {
    return outcome == Outcome.ACCEPTED;
  }

  DialResult withIndex(long index) {
    return new DialResult(
        clientToken,
        index,
        outcome,
        dialRequestId,
        reason,
        detail,
        retryAdvice,
        retryAfter,
        attempts,
        replayed,
        traceId,
        unnamed);
  }

  /** Returns this answer as UNKNOWN with the advice SAME_TOKEN. */
  DialResult asUnknown(String detail) {
    return new DialResult(
        clientToken,
        index,
        Outcome.UNKNOWN,
        dialRequestId,
        reason,
        detail,
        RetryAdvice.SAME_TOKEN,
        retryAfter,
        attempts,
        replayed,
        traceId,
        unnamed);
  }
}
