package com.dialgateway;

import com.dialgateway.v1.DialRequestServiceGrpc;
import com.dialgateway.v1.PutDialRequestsRequest;
import com.dialgateway.v1.PutDialRequestsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One {@code put}: attempts of the unary call until there is an answer, or an error that a further
 * attempt would not change.
 *
 * <p>An attempt that ends with UNAVAILABLE, INTERNAL or CANCELLED (not by the client) is repeated
 * with the same tokens. A new connection is probed before the list is sent, so an unreachable
 * gateway leaves no request in doubt. If an attempt fails after the list was sent, its requests are
 * in doubt.
 */
final class PutCall {
  private final ClientRuntime runtime;
  private final Channels channels;
  private final CallContext context;
  private final RetryPolicy policy;
  private final CompletableFuture<List<DialResult>> future = new CompletableFuture<>();
  private final long began;
  private final long deadline;
  private final List<String> tokens;
  // Guarded by this object's monitor.
  private PutDialRequestsRequest message;
  private int tries;
  private int misconfigured;
  private boolean underWay;
  private @Nullable ClientCall<?, ?> call;

  /**
   * Prepares a call.
   *
   * @throws IllegalArgumentException if the list is too large for one message
   */
  PutCall(
      ClientRuntime runtime,
      Channels channels,
      CallContext context,
      RetryPolicy policy,
      Iterable<DialRequest> requests,
      Duration timeout) {
    this.runtime = runtime;
    this.channels = channels;
    this.context = context;
    this.policy = policy;
    List<com.dialgateway.v1.DialRequest> messages = new ArrayList<>();
    requests.forEach(request -> messages.add(Wire.toMessage(request)));
    this.tokens = messages.stream().map(com.dialgateway.v1.DialRequest::getClientToken).toList();
    this.message = Wire.putMessage(context.campaign(), context.priority(), messages);
    Wire.requireSize(message);
    this.began = runtime.now();
    this.deadline = began + Nanos.of(timeout);
  }

  /**
   * Starts the call. Cancelling the future cancels it.
   *
   * @param onEnd called when the future is done
   */
  CompletableFuture<List<DialResult>> start(Runnable onEnd) {
    var unused =
        future.whenComplete(
            (results, failure) -> {
              cancelAttempt();
              onEnd.run();
            });
    attempt();
    return future;
  }

  /** Ends the call with {@link ClientClosedException}. */
  void abort() {
    future.completeExceptionally(new ClientClosedException("the client was closed", unanswered()));
  }

  private void attempt() {
    if (future.isDone()) {
      return;
    }
    try {
      Channels.Lease lease = channels.acquire();
      if (lease.probed()) {
        send(lease);
      } else {
        setCall(
            Probe.start(
                lease, context, nanosLeft(), runtime.executor(), end -> afterProbe(lease, end)));
      }
    } catch (RuntimeException failure) { // TLS files that cannot be read any more, for example
      future.completeExceptionally(failure);
    }
  }

  private void afterProbe(Channels.Lease lease, @Nullable CallEnd end) {
    if (end == null && !future.isDone()) {
      send(lease);
    } else {
      release(lease, end);
      if (end != null) {
        retryAfter(end, false);
      }
    }
  }

  private void send(Channels.Lease lease) {
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(nanosLeft(), TimeUnit.NANOSECONDS)
            .withExecutor(runtime.executor());
    ClientCall<PutDialRequestsRequest, PutDialRequestsResponse> sending =
        lease.channel().newCall(DialRequestServiceGrpc.getPutDialRequestsMethod(), options);
    sending.start(new Attempt(lease), context.metadata());
    sending.request(2);
    setCall(sending);
    try {
      sending.sendMessage(messageToSend());
      sending.halfClose();
    } catch (IllegalStateException cancelled) {
      // The future is done, and `onClose` releases the channel.
      sending.cancel("the put was cancelled", cancelled);
    }
  }

  /** Receives the answer of one attempt. */
  private final class Attempt extends ClientCall.Listener<PutDialRequestsResponse> {
    private final Channels.Lease lease;
    private @Nullable PutDialRequestsResponse response;

    Attempt(Channels.Lease lease) {
      this.lease = lease;
    }

    @Override
    public void onMessage(PutDialRequestsResponse message) {
      response = message;
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      CallEnd end = status.isOk() ? null : CallEnd.of(status, trailers);
      release(lease, end);
      setUnderWay(false);
      PutDialRequestsResponse answer = response;
      if (end != null) {
        retryAfter(end, true);
      } else {
        complete(answer == null ? PutDialRequestsResponse.getDefaultInstance() : answer);
      }
    }
  }

  private void complete(PutDialRequestsResponse response) {
    List<DialResult> results = Wire.results(response.getResultsList());
    if (!results.stream().map(DialResult::clientToken).toList().equals(tokens)) {
      String text = "the results are not those of the requests";
      future.completeExceptionally(
          new ProtocolException(
              CallEnd.of((Status.Code) null, text), new Unanswered(tokens, tokens)));
      return;
    }
    List<com.dialgateway.v1.DialRequest> sent = message().getDialRequestsList();
    List<DialResult> corrected = new ArrayList<>(results.size());
    for (int i = 0; i < results.size(); i++) {
      corrected.add(Answers.ofAllAttempts(results.get(i), sent.get(i).getInDoubt()));
    }
    future.complete(List.copyOf(corrected));
  }

  /** Makes another attempt after a pause, or ends the call with the failure of the last one. */
  private void retryAfter(CallEnd end, boolean sent) {
    long nextAt;
    synchronized (this) {
      if (sent && !end.nothingTaken()) {
        message = Wire.allInDoubt(message);
      }
      long pause = policy.pauseNanos(tries, runtime.jitter().getAsDouble());
      nextAt = runtime.now() + end.retryAfterNanos() + pause;
      tries++;
      misconfigured = end.misconfigured() ? misconfigured + 1 : 0;
    }
    Duration giveUpAfter = policy.giveUpAfter();
    boolean givenUp = giveUpAfter != null && nextAt >= began + Nanos.of(giveUpAfter);
    boolean mayRepeat =
        policy.reconnect() && end.code() != null && Reconnection.RECONNECT.contains(end.code());
    boolean hopeless = misconfigured >= Reconnection.UNUSUAL_ENDS;
    if (!mayRepeat || hopeless || givenUp || nextAt >= deadline) {
      future.completeExceptionally(end.toException(unanswered()));
    } else if (!future.isDone()) {
      var unused = runtime.at(nextAt, this::attempt);
    }
  }

  private void release(Channels.Lease lease, @Nullable CallEnd end) {
    if (end != null) {
      channels.retire(lease);
    }
    channels.release(lease);
  }

  /** The tokens without an answer now: all of them. */
  synchronized Unanswered unanswered() {
    if (underWay) {
      return new Unanswered(tokens, tokens);
    }
    List<String> inDoubt =
        message.getDialRequestsList().stream()
            .filter(com.dialgateway.v1.DialRequest::getInDoubt)
            .map(com.dialgateway.v1.DialRequest::getClientToken)
            .toList();
    return new Unanswered(tokens, inDoubt);
  }

  private long nanosLeft() {
    return Math.max(deadline - runtime.now(), 0);
  }

  private synchronized PutDialRequestsRequest messageToSend() {
    underWay = true;
    return message;
  }

  private synchronized void setUnderWay(boolean underWay) {
    this.underWay = underWay;
  }

  private synchronized PutDialRequestsRequest message() {
    return message;
  }

  private void setCall(ClientCall<?, ?> started) {
    synchronized (this) {
      call = started;
    }
    if (future.isDone()) {
      cancelAttempt();
    }
  }

  private void cancelAttempt() {
    ClientCall<?, ?> started;
    synchronized (this) {
      started = call;
    }
    if (started != null) {
      started.cancel("the put was cancelled", null); // has no effect after its end
    }
  }
}
