package com.dialgateway;

import java.time.Duration;

/** Durations as nanoseconds, bounded so that sums of a few do not overflow. */
final class Nanos {
  /** About 73 years. */
  private static final long MOST = Long.MAX_VALUE / 4;

  private static final long MOST_SECONDS = Duration.ofNanos(MOST).toSeconds();

  /** No time at all: a deadline that never comes. */
  static final long NEVER = Long.MAX_VALUE;

  private Nanos() {}

  static long of(Duration duration) {
    if (duration.toSeconds() >= MOST_SECONDS) {
      return MOST;
    }
    return duration.toSeconds() <= -MOST_SECONDS ? -MOST : duration.toNanos();
  }
}
