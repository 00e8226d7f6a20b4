package com.dialgateway;

import com.dialgateway.v1.DialRequestServiceGrpc;
import com.dialgateway.v1.PutDialRequestsRequest;
import com.dialgateway.v1.PutDialRequestsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The first call over a new connection: a unary call with an empty list. If the gateway is
 * unreachable or draining, even behind a proxy that accepts connections, the probe fails and no
 * request is in doubt, because none was sent.
 */
final class Probe extends ClientCall.Listener<PutDialRequestsResponse> {
  /** How long connecting and the answer may take together. */
  static final long NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Channels.Lease lease;
  private final Consumer<@Nullable CallEnd> done;

  private Probe(Channels.Lease lease, Consumer<@Nullable CallEnd> done) {
    this.lease = lease;
    this.done = done;
  }

  /**
   * Probes a channel.
   *
   * @param lease the channel
   * @param context campaign, priority and headers
   * @param nanos how long it may take, at most {@link #NANOS}
   * @param executor runs {@code done}
   * @param done gets the failure; null if the gateway has answered
   * @return the call, to cancel it
   */
  static ClientCall<?, ?> start(
      Channels.Lease lease,
      CallContext context,
      long nanos,
      Executor executor,
      Consumer<@Nullable CallEnd> done) {
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(Math.min(nanos, NANOS), TimeUnit.NANOSECONDS)
            .withExecutor(executor);
    ClientCall<PutDialRequestsRequest, PutDialRequestsResponse> call =
        lease.channel().newCall(DialRequestServiceGrpc.getPutDialRequestsMethod(), options);
    call.start(new Probe(lease, done), context.metadata());
    call.request(2);
    call.sendMessage(Wire.putMessage(context.campaign(), context.priority(), List.of()));
    call.halfClose();
    return call;
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    CallEnd end = failureOf(status, trailers);
    if (end == null) {
      lease.setProbed();
    }
    done.accept(end);
  }

  /**
   * Any other status shows that something answers for the gateway. The call itself gets its own
   * status, and may be permitted although the probe is not.
   */
  private static @Nullable CallEnd failureOf(Status status, Metadata trailers) {
    if (status.getCode() == Status.Code.DEADLINE_EXCEEDED) {
      return CallEnd.of(status, trailers)
          .as(Status.Code.UNAVAILABLE, "UNAVAILABLE: no answer in time");
    }
    return Reconnection.RECONNECT.contains(status.getCode()) ? CallEnd.of(status, trailers) : null;
  }
}
