package com.dialgateway;

import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;

/**
 * Sends dial requests to a gateway, and returns one answer to each.
 *
 * <pre>{@code
 * try (DialGateway gateway = DialGateway.to("127.0.0.1:50051").build();
 *     DialResults results = gateway.dial("my-campaign", requests.iterator())) {
 *   for (DialResult result : results) {
 *     System.out.println(result.clientToken() + " " + result.outcome());
 *   }
 * }
 * }</pre>
 *
 * <p>A client has one connection, and replaces it when it breaks or its replica shuts down. Share
 * it: it is thread-safe, and any number of {@code dial} and {@code put} may run at the same time.
 * It connects at its first call. {@link #close()} ends all its calls and threads.
 */
public final class DialGateway implements AutoCloseable {
  private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final GatewayOptions options;
  private final ClientRuntime runtime;
  private final Channels channels;
  private final Campaigns campaigns;
  private final Set<DialSession> sessions = ConcurrentHashMap.newKeySet();
  private final Set<PutCall> puts = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  DialGateway(GatewayOptions options) {
    this.options = options;
    this.runtime = new ClientRuntime(options.wall(), options.jitter());
    this.channels = new Channels(() -> options.newChannel(runtime.executor()));
    this.campaigns = new Campaigns(this);
  }

  /**
   * Starts to configure a client.
   *
   * @param target host:port of the gateway, or any target of gRPC such as {@code
   *     dns:///gateway:50051}
   * @return the builder
   */
  public static DialGatewayBuilder to(String target) {
    return new DialGatewayBuilder(target);
  }

  /**
   * Sends the requests with the default options; see {@link #dial(String, Iterator, DialOptions)}.
   *
   * @param campaign Amazon Connect's id of the campaign, or {@code name:} and its name
   * @param requests the source
   * @return the answers; close them
   */
  public DialResults dial(String campaign, Iterator<DialRequest> requests) {
    return dial(campaign, requests, DialOptions.DEFAULT);
  }

  /**
   * Sends the requests, and returns the one answer to each as soon as it is known.
   *
   * <p>This is one stream over any number of connections. When a connection breaks or its replica
   * drains, the requests without an answer are sent again over another one, with the same tokens.
   * Answers that advise to send the same token again are not passed on: the client does that
   * itself, as the retry policy says, until the request expires. A request of more than 256 KiB is
   * REJECTED without being sent; the others go on.
   *
   * <p>The source is read in a thread of its own, as far as the window allows. It may block; its
   * earlier requests are sent meanwhile. An exception of the source reaches the caller unchanged,
   * after the answers that have arrived.
   *
   * @param campaign Amazon Connect's id of the campaign that all the requests belong to, or {@code
   *     name:} and its name
   * @param requests the source; it may be endless. When the results are closed, a read that blocks
   *     is interrupted
   * @param dialOptions priority and notices
   * @return the answers; close them. Nothing is read or sent before their first {@code hasNext()}
   * @throws ClientClosedException if the client is closed
   */
  public DialResults dial(
      String campaign, Iterator<DialRequest> requests, DialOptions dialOptions) {
    Objects.requireNonNull(requests, "requests");
    DialSession session = newSession(campaign, new IteratorSource(requests), dialOptions);
    return new DialResults(session, dialOptions);
  }

  /**
   * Sends the requests with the default options; see {@link #dialAsync(String, Flow.Publisher,
   * DialOptions)}.
   *
   * @param campaign Amazon Connect's id of the campaign, or {@code name:} and its name
   * @param requests the source
   * @return the answers
   */
  public Flow.Publisher<DialResult> dialAsync(
      String campaign, Flow.Publisher<? extends DialRequest> requests) {
    return dialAsync(campaign, requests, DialOptions.DEFAULT);
  }

  /**
   * Sends the requests of a publisher, and publishes the one answer to each, without a thread that
   * waits. Otherwise it does the same as {@link #dial(String, Iterator, DialOptions)}.
   *
   * <p>Each subscription is a dial of its own: it subscribes to the source, and reads at most a
   * window of requests ahead of the answers that its subscriber has asked for. Cancelling it
   * cancels the stream. Failures are passed to {@code onError}: those that {@link
   * DialResults#iterator()} names.
   *
   * @param campaign Amazon Connect's id of the campaign that all the requests belong to, or {@code
   *     name:} and its name
   * @param requests the source
   * @param dialOptions priority and notices
   * @return the answers
   */
  public Flow.Publisher<DialResult> dialAsync(
      String campaign, Flow.Publisher<? extends DialRequest> requests, DialOptions dialOptions) {
    Text.require("campaign", campaign);
    Objects.requireNonNull(requests, "requests");
    Objects.requireNonNull(dialOptions, "dialOptions");
    return subscriber -> {
      Objects.requireNonNull(subscriber, "subscriber");
      DialSession session = newSession(campaign, new PublisherSource(requests), dialOptions);
      new DialSubscription(session, dialOptions, subscriber).start();
    };
  }

  /**
   * Sends one short list with normal priority; see {@link #putAsync}.
   *
   * @param campaign Amazon Connect's id of the campaign, or {@code name:} and its name
   * @param requests the list
   * @param timeout the time for all attempts together
   * @return the answers in the order of the requests
   * @throws DialGatewayException as {@link #putAsync}; {@link CallInterruptedException} if this
   *     thread is interrupted, which cancels the call
   */
  public List<DialResult> put(String campaign, Iterable<DialRequest> requests, Duration timeout) {
    return put(campaign, requests, timeout, Priority.NORMAL);
  }

  /**
   * Sends one short list and waits for all its answers; see {@link #putAsync}.
   *
   * @param campaign Amazon Connect's id of the campaign, or {@code name:} and its name
   * @param requests the list
   * @param timeout the time for all attempts together
   * @param priority how urgent the requests are compared with others at the gateway
   * @return the answers in the order of the requests
   * @throws DialGatewayException as {@link #putAsync}; {@link CallInterruptedException} if this
   *     thread is interrupted, which cancels the call
   */
  public List<DialResult> put(
      String campaign, Iterable<DialRequest> requests, Duration timeout, Priority priority) {
    PutCall call = newPut(campaign, requests, timeout, priority);
    CompletableFuture<List<DialResult>> answers = start(call);
    try {
      return answers.get();
    } catch (InterruptedException interrupted) {
      Unanswered unanswered = call.unanswered();
      answers.cancel(false);
      Thread.currentThread().interrupt();
      throw new CallInterruptedException(interrupted, unanswered);
    } catch (ExecutionException failed) {
      Throwable cause = failed.getCause() == null ? failed : failed.getCause();
      cause.fillInStackTrace(); // of the caller, instead of a thread of gRPC
      throw SneakyThrow.unchecked(cause);
    }
  }

  /**
   * Sends one short list, and returns all its answers later.
   *
   * <p>If the gateway or the connection fails (UNAVAILABLE, INTERNAL, or CANCELLED but not by this
   * client), the list is sent again with the same tokens, as the retry policy says.
   *
   * <p>The result fails with {@link GatewayUnavailableException} if the gateway was not reached in
   * time, or every attempt was broken off; {@link GatewayOverloadedException} if the gateway took
   * nothing of the list; {@link CallTimeoutException} or {@link StreamBrokenException} if it may
   * have taken it; {@link AccessDeniedException}; {@link ClientClosedException}. Cancelling it
   * cancels the call.
   *
   * @param campaign Amazon Connect's id of the campaign that all the requests belong to, or {@code
   *     name:} and its name
   * @param requests at most as many as the gateway's window (5,000 unless configured otherwise),
   *     and at most 4 MiB as one message
   * @param timeout the time for all attempts together. Shortly before it ends the gateway answers:
   *     with the settled results, and for the rest NOT_ACCEPTED or UNKNOWN with the reason DEADLINE
   * @param priority how urgent the requests are compared with others at the gateway
   * @return the answers in the order of the requests
   * @throws IllegalArgumentException if the list is too large for one message; nothing was sent
   * @throws ClientClosedException if the client is closed
   */
  public CompletableFuture<List<DialResult>> putAsync(
      String campaign, Iterable<DialRequest> requests, Duration timeout, Priority priority) {
    return start(newPut(campaign, requests, timeout, priority));
  }

  /**
   * Returns the operations on campaigns: list, watch, hold, release and purge.
   *
   * @return the operations; they use the connection of this client
   */
  public Campaigns campaigns() {
    return campaigns;
  }

  /**
   * Closes the connection. Calls in flight fail with {@link ClientClosedException}. May be called
   * again.
   */
  @Override
  public void close() {
    closed = true;
    new ArrayList<>(sessions).forEach(DialSession::abort);
    new ArrayList<>(puts).forEach(PutCall::abort);
    awaitEnd(channels.shutdownAll());
    runtime.shutdown();
  }

  Channels channels() {
    return channels;
  }

  Map<String, String> headers() {
    Map<String, String> headers = new HashMap<>(options.headers());
    TraceContext.current().forEach(headers::putIfAbsent);
    return headers;
  }

  boolean closed() {
    return closed;
  }

  void requireOpen() {
    if (closed) {
      throw new ClientClosedException("the client is closed", Unanswered.NONE);
    }
  }

  private DialSession newSession(String campaign, DialSource source, DialOptions dialOptions) {
    Text.require("campaign", campaign);
    Objects.requireNonNull(dialOptions, "dialOptions");
    requireOpen();
    CallContext context = new CallContext(campaign, dialOptions.priority(), headers());
    DialState state =
        new DialState(
            options.window(),
            options.chunk(),
            options.retry(),
            options.jitter(),
            Wire.largestRequest(campaign));
    DialSession session =
        new DialSession(
            runtime, channels, context, options.keepalive(), state, source, sessions::remove);
    sessions.add(session);
    if (closed) { // while it was made
      session.abort();
    }
    return session;
  }

  private PutCall newPut(
      String campaign, Iterable<DialRequest> requests, Duration timeout, Priority priority) {
    Text.require("campaign", campaign);
    Objects.requireNonNull(requests, "requests");
    Objects.requireNonNull(timeout, "timeout");
    Objects.requireNonNull(priority, "priority");
    requireOpen();
    CallContext context = new CallContext(campaign, priority, headers());
    return new PutCall(runtime, channels, context, options.retry(), requests, timeout);
  }

  private CompletableFuture<List<DialResult>> start(PutCall call) {
    puts.add(call);
    CompletableFuture<List<DialResult>> answers = call.start(() -> puts.remove(call));
    if (closed) {
      call.abort();
    }
    return answers;
  }

  private static void awaitEnd(List<ManagedChannel> closing) {
    long deadline = System.nanoTime() + CLOSE_NANOS;
    boolean interrupted = false;
    for (ManagedChannel channel : closing) {
      try {
        channel.awaitTermination(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      } catch (InterruptedException stop) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
