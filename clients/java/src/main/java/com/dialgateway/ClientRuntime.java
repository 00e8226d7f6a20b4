package com.dialgateway;

import java.lang.System.Logger.Level;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.DoubleSupplier;

/** The threads, the clocks and the randomness of one client. All threads are daemons. */
final class ClientRuntime {
  private static final System.Logger LOG = System.getLogger("com.dialgateway");
  private static final long IDLE_THREAD_SECONDS = 10;

  private final ThreadPoolExecutor executor;
  private final ScheduledThreadPoolExecutor timer;
  private final InstantSource wall;
  private final DoubleSupplier jitter;
  private final long startedAt = System.nanoTime();

  ClientRuntime(InstantSource wall, DoubleSupplier jitter) {
    this.wall = wall;
    this.jitter = jitter;
    executor =
        new ThreadPoolExecutor(
            0,
            Integer.MAX_VALUE,
            IDLE_THREAD_SECONDS,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            named("dial-gateway"));
    timer = new ScheduledThreadPoolExecutor(1, named("dial-gateway-timer"));
    timer.setRemoveOnCancelPolicy(true);
    timer.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    timer.setKeepAliveTime(IDLE_THREAD_SECONDS, TimeUnit.SECONDS);
    timer.allowCoreThreadTimeOut(true);
  }

  /** Runs callbacks of gRPC and short work of the client. */
  ExecutorService executor() {
    return executor;
  }

  /** The monotonic time, in nanoseconds since the client was made. */
  long now() {
    return System.nanoTime() - startedAt;
  }

  /** The wall clock, on which requests expire. */
  Instant wall() {
    return wall.instant();
  }

  DoubleSupplier jitter() {
    return jitter;
  }

  /** Runs work on the executor at a time of {@link #now()}. */
  ScheduledFuture<?> at(long time, Runnable work) {
    return timer.schedule(() -> execute(work), Math.max(0, time - now()), TimeUnit.NANOSECONDS);
  }

  /** Runs work on the executor; not after the client was closed. */
  void execute(Runnable work) {
    if (!executor.isShutdown()) {
      executor.execute(work);
    }
  }

  void shutdown() {
    timer.shutdown();
    executor.shutdown();
  }

  /** Logs that a connection has ended, other than expected. */
  static void logLost(CallEnd end) {
    LOG.log(Level.WARNING, "a connection to the gateway ended: {0}", end.message());
  }

  static void logError(String text, Throwable error) {
    LOG.log(Level.ERROR, text, error);
  }

  static Thread daemon(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    return thread;
  }

  private static ThreadFactory named(String name) {
    AtomicInteger count = new AtomicInteger();
    return work -> daemon(name + "-" + count.incrementAndGet(), work);
  }
}
