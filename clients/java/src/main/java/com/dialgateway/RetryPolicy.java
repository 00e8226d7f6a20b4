package com.dialgateway;

import java.time.Duration;
import java.util.EnumSet;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the client does when a connection ends, and after answers that advise to send a request
 * again. Immutable.
 *
 * <p>Each pause is random, between 0 and a bound ("full jitter"), so that the callers of a gateway
 * that restarts do not all reconnect at the same time. Start with {@link #DEFAULT} or {@link #NONE}
 * and change it by the {@code with} methods.
 */
public final class RetryPolicy {
  private static final Set<Outcome> MAY_BE_RESUBMITTED =
      Set.copyOf(EnumSet.of(Outcome.NOT_ACCEPTED, Outcome.UNKNOWN));

  // The first two are an operator's decision, which sending the request again would undo. The last
  // four are rules of the gateway: where they allow a request later, that is after its expiration.
  // The others are refusals; they are UNKNOWN only because an earlier attempt is in doubt, and the
  // same request would be refused again.
  private static final Set<Reason> LEFT_TO_THE_CALLER =
      Set.copyOf(
          EnumSet.of(
              Reason.HELD,
              Reason.PURGED,
              Reason.INVALID_REQUEST,
              Reason.INVALID_INPUT,
              Reason.TOKEN_CONFLICT,
              Reason.CAMPAIGN_NOT_FOUND,
              Reason.CAMPAIGN_NOT_RUNNING,
              Reason.OUTSIDE_CALLING_HOURS,
              Reason.SUPPRESSED,
              Reason.CONTACT_LIMIT,
              Reason.NUMBER_NOT_ALLOWED));

  /**
   * Reconnects, and sends requests again after {@link Outcome#NOT_ACCEPTED} and {@link
   * Outcome#UNKNOWN}, until each request expires.
   */
  public static final RetryPolicy DEFAULT =
      new RetryPolicy(
          true, MAY_BE_RESUBMITTED, null, Duration.ofMillis(200), Duration.ofSeconds(10));

  /** No retries: the caller gets each answer, and an exception when the connection ends. */
  public static final RetryPolicy NONE = DEFAULT.withReconnect(false).withResubmit(Set.of());

  private final boolean reconnect;
  private final Set<Outcome> resubmit;
  private final @Nullable Duration giveUpAfter;
  private final Duration firstPause;
  private final Duration longestPause;

  private RetryPolicy(
      boolean reconnect,
      Set<Outcome> resubmit,
      @Nullable Duration giveUpAfter,
      Duration firstPause,
      Duration longestPause) {
    this.reconnect = reconnect;
    this.resubmit = Set.copyOf(resubmit);
    this.giveUpAfter = giveUpAfter;
    this.firstPause = firstPause;
    this.longestPause = longestPause;
    if (!MAY_BE_RESUBMITTED.containsAll(this.resubmit)) {
      throw new IllegalArgumentException(
          "resubmit: only NOT_ACCEPTED and UNKNOWN may be sent again");
    }
    if (firstPause.isNegative() || firstPause.compareTo(longestPause) > 0) {
      throw new IllegalArgumentException(
          "firstPause must not be negative, nor longer than longestPause");
    }
    if (giveUpAfter != null && giveUpAfter.isNegative()) {
      throw new IllegalArgumentException("giveUpAfter must not be negative");
    }
  }

  /**
   * Returns a copy with another rule for ended connections.
   *
   * @param reconnect whether a stream continues over a new connection, and a {@code put} is
   *     repeated, after UNAVAILABLE, INTERNAL, or a CANCELLED that is not the client's own
   * @return the copy
   */
  public RetryPolicy withReconnect(boolean reconnect) {
    return new RetryPolicy(reconnect, resubmit, giveUpAfter, firstPause, longestPause);
  }

  /**
   * Returns a copy with another rule for answers.
   *
   * @param resubmit after which answers the client sends the request again instead of passing the
   *     answer on: NOT_ACCEPTED, UNKNOWN, both or none. The gateway must advise SAME_TOKEN, and the
   *     request must not expire before. Requests that an operator has held or purged, that rules of
   *     the gateway do not allow, or that would be refused again, are never sent again
   * @return the copy
   * @throws IllegalArgumentException for any other outcome
   */
  public RetryPolicy withResubmit(Set<Outcome> resubmit) {
    return new RetryPolicy(reconnect, resubmit, giveUpAfter, firstPause, longestPause);
  }

  /**
   * Returns a copy that gives up.
   *
   * @param giveUpAfter how long the gateway may be unreachable before the call throws {@link
   *     GatewayUnavailableException}, after at least one attempt. Null for never: each request is
   *     then answered EXPIRED or UNKNOWN at its expiration
   * @return the copy
   * @throws IllegalArgumentException if it is negative
   */
  public RetryPolicy withGiveUpAfter(@Nullable Duration giveUpAfter) {
    return new RetryPolicy(reconnect, resubmit, giveUpAfter, firstPause, longestPause);
  }

  /**
   * Returns a copy with other pauses.
   *
   * @param firstPause the bound of the first pause; it doubles with each further attempt
   * @param longestPause the largest bound. The gateway may ask for a longer pause
   * @return the copy
   * @throws IllegalArgumentException if the first is negative, or longer than the longest
   */
  public RetryPolicy withPauses(Duration firstPause, Duration longestPause) {
    Objects.requireNonNull(firstPause, "firstPause");
    Objects.requireNonNull(longestPause, "longestPause");
    return new RetryPolicy(reconnect, resubmit, giveUpAfter, firstPause, longestPause);
  }

  /**
   * Returns whether a stream continues over a new connection.
   *
   * @return what {@link #withReconnect} has set
   */
  public boolean reconnect() {
    return reconnect;
  }

  /**
   * Returns after which answers a request is sent again.
   *
   * @return an unmodifiable set
   */
  public Set<Outcome> resubmit() {
    return resubmit;
  }

  /**
   * Returns how long the gateway may be unreachable.
   *
   * @return the time; null for ever
   */
  public @Nullable Duration giveUpAfter() {
    return giveUpAfter;
  }

  /**
   * Returns the largest bound of a pause.
   *
   * @return the bound
   */
  public Duration longestPause() {
    return longestPause;
  }

  /**
   * Returns the nanoseconds to wait after some earlier attempts.
   *
   * @param tries how many attempts were made before
   * @param jitter a number from 0 to 1
   */
  long pauseNanos(int tries, double jitter) {
    double bound = (double) firstPause.toNanos() * Math.pow(2, Math.min(tries, 32));
    return (long) (jitter * Math.min(bound, (double) longestPause.toNanos()));
  }

  /** Returns the nanoseconds after which an answered request is sent again; empty if it is not. */
  OptionalLong resubmitAfterNanos(DialResult result, int tries, double jitter) {
    if (!resubmit.contains(result.outcome())
        || result.retryAdvice() != RetryAdvice.SAME_TOKEN
        || LEFT_TO_THE_CALLER.contains(result.reason())) {
      return OptionalLong.empty();
    }
    Duration asked = result.retryAfter();
    long askedNanos = asked == null ? 0 : Math.max(0, Nanos.of(asked));
    return OptionalLong.of(askedNanos + pauseNanos(tries, jitter));
  }
}
