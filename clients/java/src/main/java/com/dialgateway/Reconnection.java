package com.dialgateway;

import io.grpc.Status;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Decides when a dial connects again after a connection has ended, and when it gives up. Times are
 * in nanoseconds.
 */
final class Reconnection {
  /**
   * The statuses with which a call ends when the gateway or a proxy in front of it dies. HTTP/2
   * resets become INTERNAL or CANCELLED, depending on their error code.
   */
  static final Set<Status.Code> RECONNECT =
      EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.INTERNAL, Status.Code.CANCELLED);

  /** Statuses that would be the same on another connection. */
  static final Set<Status.Code> FINAL =
      EnumSet.of(
          Status.Code.UNAUTHENTICATED,
          Status.Code.PERMISSION_DENIED,
          Status.Code.INVALID_ARGUMENT,
          Status.Code.NOT_FOUND,
          Status.Code.FAILED_PRECONDITION,
          Status.Code.OUT_OF_RANGE);

  /**
   * After this many connections in a row that end in an unusual way, the error is thrown: a message
   * of the client, or its configuration, may be the cause and would end the next connection too.
   */
  static final int UNUSUAL_ENDS = 5;

  private final RetryPolicy policy;
  private final DoubleSupplier jitter;
  private long connectAt;
  private int failures;
  private int unusualEnds;
  private boolean unreachable;
  private long unreachableSince;
  private @Nullable CallEnd lastFailure;

  Reconnection(RetryPolicy policy, DoubleSupplier jitter) {
    this.policy = policy;
    this.jitter = jitter;
  }

  /** When the next connection may be opened. */
  long connectAt() {
    return connectAt;
  }

  /** How many connections in a row have ended without an answer. */
  int failures() {
    return failures;
  }

  /** Notes that until now no request has waited for the gateway. */
  void nothingOutstanding() {
    unreachable = false;
  }

  /** Notes that a connection is being opened. */
  void connecting(long now) {
    if (!unreachable) {
      unreachable = true;
      unreachableSince = now;
    }
  }

  /** Notes that an answer has come over a connection. */
  void answered(Link link) {
    link.heard = true;
    if (!link.draining) {
      failures = 0;
      unusualEnds = 0;
      unreachable = false;
    }
  }

  /** Notes that the current connection is draining: another one may be opened at once. */
  void drained(Link link, long now) {
    connectAt = now;
    if (!link.heard) { // it was new: the next replica may be draining too
      pause(now);
    }
  }

  /** Notes that a connection has failed. Returns false if no other one is to be opened. */
  boolean failed(Link link, CallEnd failure, long now) {
    boolean lasted = link.ready && now - link.readyAt > policy.longestPause().toNanos();
    if (isUnusual(link, failure, lasted)) {
      unusualEnds++;
    }
    if (!policy.reconnect() || (failure.code() != null && FINAL.contains(failure.code()))) {
      return false;
    }
    if (unusualEnds >= UNUSUAL_ENDS) {
      return false;
    }
    if (link.heard || lasted) { // it had worked: this is the first failure
      failures = 0;
      unreachable = true;
      unreachableSince = now;
    }
    lastFailure = failure;
    pause(now + failure.retryAfterNanos());
    return true;
  }

  /** When to give up; {@link Nanos#NEVER} for never. */
  long giveUpAt() {
    if (policy.giveUpAfter() == null || !unreachable) {
      return Nanos.NEVER;
    }
    return unreachableSince + Nanos.of(policy.giveUpAfter());
  }

  /** Returns the error for a gateway that was unreachable for too long, with the last status. */
  CallEnd unreachableError() {
    CallEnd last = lastFailure;
    if (last == null) {
      return CallEnd.of(Status.Code.UNAVAILABLE, "UNAVAILABLE: no connection in time");
    }
    return last.code() == Status.Code.UNAVAILABLE
        ? last
        : last.asUnreachable("no connection in time; the last one ended: " + last.message());
  }

  private void pause(long from) {
    connectAt = from + policy.pauseNanos(failures, jitter.getAsDouble());
    failures++;
  }

  /**
   * Whether a message or the configuration of the client may have ended a connection. A gateway
   * that dies ends connections with one of {@link #RECONNECT}. A message can also cause INTERNAL
   * and CANCELLED; then they come soon after it, and before any answer.
   */
  private static boolean isUnusual(Link link, CallEnd failure, boolean lasted) {
    if (failure.misconfigured()) {
      return true;
    }
    if (failure.code() == null || !RECONNECT.contains(failure.code())) {
      return true;
    }
    if (failure.code() == Status.Code.UNAVAILABLE) {
      return false;
    }
    return link.count > 0 && !link.heard && !lasted;
  }
}
