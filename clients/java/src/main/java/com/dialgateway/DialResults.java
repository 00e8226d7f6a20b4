package com.dialgateway;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * The answers of one dial, as they arrive. Nothing is read or sent before the first {@code
 * hasNext()}.
 *
 * <pre>{@code
 * try (DialResults results = gateway.dial("my-campaign", requests.iterator())) {
 *   for (DialResult result : results) {
 *     ...
 *   }
 * }
 * }</pre>
 *
 * <p>Closing it before the last answer cancels the stream, and the gateway drops the requests that
 * it has not yet sent to Amazon Connect. Close it always: it has a thread and perhaps a connection
 * until then.
 *
 * <p>One thread may read it at a time. {@link #close()} may be called by any thread; the reader
 * then gets {@link ClientClosedException}.
 */
public final class DialResults implements Iterable<DialResult>, AutoCloseable {
  private final DialSession session;
  private final DialOptions options;
  private final Deque<DialResult> ready = new ArrayDeque<>();
  private boolean started;
  private boolean finished;
  private boolean iterated;

  DialResults(DialSession session, DialOptions options) {
    this.session = session;
    this.options = options;
  }

  /**
   * Returns the answers, in the order in which they arrive. May be called once.
   *
   * <p>{@code hasNext()} waits for the next answer. It throws {@link GatewayUnavailableException}
   * if the gateway was unreachable for longer than the retry policy allows; {@link
   * AccessDeniedException}, {@link GatewayOverloadedException} or {@link StreamBrokenException} for
   * an error that a new connection cannot fix; {@link ClientClosedException}; {@link
   * CallInterruptedException}; and whatever the source of requests has thrown.
   *
   * @return the iterator
   * @throws IllegalStateException if it was called before
   */
  @Override
  public Iterator<DialResult> iterator() {
    if (iterated) {
      throw new IllegalStateException("the results of a dial can be read once");
    }
    iterated = true;
    return new Results();
  }

  /**
   * Returns the answers as a sequential stream. Closing it closes the dial. May be called once, and
   * instead of {@link #iterator()}.
   *
   * @return the stream
   * @throws IllegalStateException if it, or {@link #iterator()}, was called before
   */
  public Stream<DialResult> stream() {
    int characteristics = Spliterator.NONNULL | Spliterator.IMMUTABLE;
    Spliterator<DialResult> results =
        Spliterators.spliteratorUnknownSize(iterator(), characteristics);
    return StreamSupport.stream(results, false).onClose(this::close);
  }

  /** Cancels what is under way, and stops reading the source. May be called again. */
  @Override
  public void close() {
    session.close();
  }

  private boolean waitForNext() {
    try {
      if (!started) {
        started = true;
        session.start(null);
      }
      while (ready.isEmpty() && !finished) {
        DialSession.Delivery delivery = session.receive();
        delivery.notices().forEach(options.onNotice());
        ready.addAll(delivery.results());
        finished = delivery.finished();
      }
      if (ready.isEmpty()) {
        session.awaitStreamEnd();
      }
      return !ready.isEmpty();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new CallInterruptedException(interrupted, session.unanswered());
    }
  }

  private final class Results implements Iterator<DialResult> {
    @Override
    public boolean hasNext() {
      return !ready.isEmpty() || waitForNext();
    }

    @Override
    public DialResult next() {
      if (!hasNext()) {
        throw new NoSuchElementException("all dial requests are answered");
      }
      @Nullable DialResult result = ready.poll();
      if (result == null) {
        throw new NoSuchElementException("all dial requests are answered");
      }
      return result;
    }
  }
}
