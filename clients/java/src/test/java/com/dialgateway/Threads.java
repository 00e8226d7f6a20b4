package com.dialgateway;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** The threads of this process. */
final class Threads {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);

  private Threads() {}

  /** Waits until no thread has a name that begins so. Fails if one is left. */
  static void awaitNone(String prefix) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!named(prefix).isEmpty()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("threads are left: " + named(prefix));
      }
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
    }
  }

  private static List<String> named(String prefix) {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith(prefix))
        .toList();
  }
}
