package com.dialgateway;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One dial: drives one {@link DialState} from the source, the connections, a timer and the caller.
 *
 * <pre>
 * source --offer()--> DialState --[DialConnection]--> gRPC --[DialConnection]--> DialState --receive()--> caller
 *                         ^-- reconsider(): opens a connection when one is needed, and sets the timer
 * </pre>
 *
 * <p>One lock guards everything. It is never held during a call of gRPC or of the user's code.
 */
final class DialSession {
  /**
   * How long the gateway has to end a stream after its last answer, before the client cancels it.
   */
  private static final long STREAM_END_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Notices kept for a caller that does not read; the oldest are dropped first. */
  private static final int MAX_NOTICES = 256;

  /** What the caller gets at once: notices, answers, or the end. */
  record Delivery(List<Notice> notices, List<DialResult> results, boolean finished) {}

  private final ClientRuntime runtime;
  private final Channels channels;
  private final CallContext context;
  private final long idleNanos;
  private final DialSource source;
  private final Consumer<DialSession> onClosed;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition roomOrOver = lock.newCondition();
  private final Condition forCaller = lock.newCondition();
  private final DialState state;
  private final Set<DialConnection> connections = new HashSet<>();
  private final Deque<Notice> notices = new ArrayDeque<>();
  private @Nullable Runnable wakeCaller;
  private @Nullable Function<Unanswered, ? extends Throwable> failure;
  private @Nullable ScheduledFuture<?> timer;
  private long timerAt = Nanos.NEVER;
  private boolean over;

  DialSession(
      ClientRuntime runtime,
      Channels channels,
      CallContext context,
      Duration idle,
      DialState state,
      DialSource source,
      Consumer<DialSession> onClosed) {
    this.runtime = runtime;
    this.channels = channels;
    this.context = context;
    this.idleNanos = idle.toNanos();
    this.state = state;
    this.source = source;
    this.onClosed = onClosed;
  }

  /**
   * Starts to read the source; a connection is opened after its first request.
   *
   * @param wakeCaller called when {@link #poll} may have something for a caller that does not block
   *     in {@link #receive}; null otherwise. The lock is held, so it must not block
   */
  void start(@Nullable Runnable wakeCaller) {
    locked(() -> this.wakeCaller = wakeCaller);
    source.start(this);
  }

  // --- the source ------------------------------------------------------------------------------

  /** Waits until the source may be read. Returns false if the session is over instead. */
  boolean awaitRoom() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (!over && !state.hasRoom()) {
        roomOrOver.await();
      }
      return !over;
    } finally {
      lock.unlock();
    }
  }

  /** Adds a request. The window must have room. */
  void offer(@Nullable DialRequest request) {
    Objects.requireNonNull(request, "the source of dial requests has given null");
    com.dialgateway.v1.DialRequest message = Wire.toMessage(request);
    long expiresIn = Nanos.of(Duration.between(runtime.wall(), request.expiresAt()));
    locked(
        () -> {
          state.take(message, expiresIn, runtime.now());
          if (state.hasAnswers()) { // a request that is too large is answered at once
            wakeCaller();
          }
          if (state.unreachable()) {
            reconsider();
          } else {
            connections.forEach(DialConnection::scheduleSending);
          }
        });
  }

  /** Notes that the source has no more requests. */
  void endSource() {
    locked(
        () -> {
          state.endSource();
          reconsider();
        });
  }

  /** Ends the dial with an exception of the source. Has no effect after the end. */
  void failSource(Throwable thrown) {
    fail(unanswered -> thrown);
  }

  /** How many requests the window has room for, for a source that does not wait. */
  int room() {
    return underLock(() -> over ? 0 : state.room());
  }

  // --- the caller ------------------------------------------------------------------------------

  /**
   * Waits for the next notices and answers, or the end.
   *
   * @throws InterruptedException if the thread is interrupted; the session goes on
   */
  Delivery receive() throws InterruptedException {
    lock.lockInterruptibly();
    Delivery delivery;
    try {
      while (!callerMayGoOn()) {
        forCaller.await();
      }
      delivery = collect(Long.MAX_VALUE);
    } finally {
      lock.unlock();
    }
    source.roomChanged();
    return delivery;
  }

  /** Returns what there is, with at most {@code max} answers; null if there is nothing yet. */
  @Nullable Delivery poll(long max) {
    Delivery delivery = underLock(() -> callerMayGoOn() ? collect(max) : null);
    source.roomChanged();
    return delivery;
  }

  /** Waits a moment for the gateway to end the streams, after the last answer. */
  void awaitStreamEnd() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long left = STREAM_END_NANOS;
      while (!connections.isEmpty() && left > 0 && !over) {
        left = forCaller.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Ends the session soon after the last answer, without waiting. */
  void closeAfterStreamEnd() {
    locked(
        () -> {
          if (connections.isEmpty() || over) {
            runtime.execute(this::close);
          } else {
            var unused = runtime.at(runtime.now() + STREAM_END_NANOS, this::close);
          }
        });
  }

  /** The tokens without an answer now. */
  Unanswered unanswered() {
    return underLock(state::unanswered);
  }

  /** Ends the session: a caller that reads gets {@link ClientClosedException}. */
  void abort() {
    fail(unanswered -> new ClientClosedException("the client was closed", unanswered));
    close();
  }

  /** Cancels all calls, and stops reading the source. May be called again. */
  void close() {
    List<DialConnection> cancelled = new ArrayList<>();
    locked(
        () -> {
          over = true;
          cancelled.addAll(connections);
          setTimer(Nanos.NEVER);
          wakeAll();
        });
    cancelled.forEach(DialConnection::cancel);
    source.close();
    onClosed.accept(this);
  }

  // --- for connections -------------------------------------------------------------------------

  ClientRuntime runtime() {
    return runtime;
  }

  Channels channels() {
    return channels;
  }

  CallContext context() {
    return context;
  }

  /** The state. Use it only in {@link #locked}. */
  DialState state() {
    return state;
  }

  /** Whether the session has ended. Call it only in {@link #locked}. */
  boolean over() {
    return over;
  }

  /** How long a stream that waits for answers may be without a message. */
  long idleNanos() {
    return idleNanos;
  }

  void locked(Runnable work) {
    lock.lock();
    try {
      work.run();
    } finally {
      lock.unlock();
    }
  }

  <T extends @Nullable Object> T underLock(Supplier<T> work) {
    lock.lock();
    try {
      return work.get();
    } finally {
      lock.unlock();
    }
  }

  /** Keeps a notice for the caller. Call it only in {@link #locked}. */
  void add(Notice notice) {
    if (notices.size() == MAX_NOTICES) {
      notices.remove();
    }
    notices.add(notice);
  }

  /** Notes that requests were sent, so the source may be read. Call it only in {@link #locked}. */
  void sent() {
    if (state.hasRoom()) {
      roomOrOver.signalAll();
    }
  }

  /** Notes that a connection has ended. */
  void ended(DialConnection connection, @Nullable CallEnd end) {
    locked(
        () -> {
          if (!over && end != null && !connection.endIsExpected()) {
            ClientRuntime.logLost(end);
          }
          connections.remove(connection);
          state.lost(connection.link(), end, runtime.now());
          reconsider();
        });
  }

  /** Ends the session with a failure, unless there is one already. */
  void fail(Function<Unanswered, ? extends Throwable> newFailure) {
    locked(
        () -> {
          if (failure == null) {
            failure = newFailure;
          }
          wakeAll();
        });
  }

  /**
   * Does what is due, opens a connection if one is needed, and sets the timer. Call it after every
   * event, in {@link #locked}.
   */
  void reconsider() {
    if (over || failure != null) {
      wakeAll();
      return;
    }
    long now = runtime.now();
    if (state.advance(now)) {
      DialConnection connection = new DialConnection(this, state.connect(now));
      connections.add(connection);
      runtime.execute(connection::open);
    }
    long deadline = state.deadline();
    for (DialConnection connection : connections) {
      connection.scheduleSending();
      deadline = Math.min(deadline, connection.idleDeadline(now));
    }
    setTimer(deadline);
    wakeAll();
  }

  // --- inside ----------------------------------------------------------------------------------

  private boolean callerMayGoOn() {
    boolean failed = failure != null || state.failure() != null;
    return failed || over || state.hasAnswers() || state.finished() || !notices.isEmpty();
  }

  /** Returns notices and answers; throws the failure if there are none and it is not finished. */
  private Delivery collect(long max) {
    Delivery delivery =
        new Delivery(List.copyOf(notices), state.takeAnswers(max), state.finished());
    notices.clear();
    if (!delivery.results().isEmpty()) {
      roomOrOver.signalAll();
    }
    boolean empty = delivery.notices().isEmpty() && delivery.results().isEmpty();
    if (empty && !delivery.finished() && !state.hasAnswers()) {
      throwFailure();
    }
    return delivery;
  }

  private void throwFailure() {
    Unanswered unanswered = state.unanswered();
    if (failure != null) {
      throw SneakyThrow.unchecked(failure.apply(unanswered));
    }
    CallEnd end = state.failure();
    if (end != null) {
      throw end.toException(unanswered);
    }
    throw new ClientClosedException("the dial was closed", unanswered);
  }

  private void wakeAll() {
    if (over || state.hasRoom()) {
      roomOrOver.signalAll();
    }
    wakeCaller();
  }

  private void wakeCaller() {
    if (callerMayGoOn() || connections.isEmpty()) {
      forCaller.signalAll();
      if (wakeCaller != null) {
        wakeCaller.run();
      }
    }
  }

  private void setTimer(long deadline) {
    if (deadline >= timerAt && !over) { // it fires earlier, and is set again then
      return;
    }
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
    timerAt = deadline;
    if (deadline != Nanos.NEVER && !over) {
      timer = runtime.at(deadline, this::onTimer);
    }
  }

  private void onTimer() {
    locked(
        () -> {
          timerAt = Nanos.NEVER;
          timer = null;
          reconsider();
        });
  }

  /** Turns a bug in a callback into the end of the dial. */
  void guarded(Runnable work) {
    try {
      work.run();
    } catch (RuntimeException | Error bug) {
      fail(unanswered -> bug);
      locked(this::reconsider);
    }
  }

  /** Returns the end of a call for a status; null for OK. */
  static @Nullable CallEnd endOf(Status status, io.grpc.Metadata trailers) {
    return status.isOk() ? null : CallEnd.of(status, trailers);
  }
}
