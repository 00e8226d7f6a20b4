package com.dialgateway;

import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Reads an iterator in a thread of its own, because it may block. Closing interrupts that thread.
 */
final class IteratorSource implements DialSource {
  private static final long CLOSE_MILLIS = TimeUnit.SECONDS.toMillis(1);

  private final Iterator<DialRequest> requests;
  private volatile @Nullable Thread thread;

  IteratorSource(Iterator<DialRequest> requests) {
    this.requests = requests;
  }

  @Override
  public void start(DialSession session) {
    Thread reader = ClientRuntime.daemon("dial-gateway-source", () -> read(session));
    thread = reader;
    reader.start();
  }

  @Override
  public void roomChanged() {
    // The thread waits in `awaitRoom`.
  }

  @Override
  public void close() {
    Thread reader = thread;
    if (reader == null || reader == Thread.currentThread()) {
      return;
    }
    reader.interrupt();
    boolean interrupted = Thread.interrupted();
    try {
      reader.join(CLOSE_MILLIS);
    } catch (InterruptedException again) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @SuppressWarnings("checkstyle:IllegalCatch")
  private void read(DialSession session) {
    try {
      while (session.awaitRoom()) {
        if (!requests.hasNext()) {
          session.endSource();
          return;
        }
        session.offer(requests.next());
      }
    } catch (Throwable failure) { // thrown again in the caller's thread
      session.failSource(failure);
    }
  }
}
