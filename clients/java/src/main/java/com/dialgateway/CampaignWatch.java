package com.dialgateway;

import com.dialgateway.v1.CampaignServiceGrpc;
import com.dialgateway.v1.WatchCampaignsRequest;
import com.dialgateway.v1.WatchCampaignsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * The states of all campaigns, one after another, until it is closed. {@code hasNext()} waits for
 * the next state, and throws {@link GatewayUnavailableException} when the replica shuts down; see
 * {@link Campaigns}. One thread may read it at a time; any thread may close it.
 */
public final class CampaignWatch implements Iterable<CampaignsSeen>, AutoCloseable {
  private final DialGateway gateway;
  private final WatchCampaignsRequest request;
  private final Context.CancellableContext context = Context.current().withCancellation();
  private boolean iterated;
  private volatile boolean closed;

  CampaignWatch(DialGateway gateway, Duration atMostEvery) {
    this.gateway = gateway;
    this.request =
        WatchCampaignsRequest.newBuilder()
            .setMinInterval(
                com.google.protobuf.Duration.newBuilder()
                    .setSeconds(atMostEvery.getSeconds())
                    .setNanos(atMostEvery.getNano()))
            .build();
  }

  /**
   * Returns the states. May be called once.
   *
   * @return the iterator
   * @throws IllegalStateException if it was called before
   */
  @Override
  public Iterator<CampaignsSeen> iterator() {
    if (iterated) {
      throw new IllegalStateException("a watch can be read once");
    }
    iterated = true;
    return new States();
  }

  /** Ends the watch. May be called again. */
  @Override
  public void close() {
    closed = true;
    context.cancel(null);
  }

  private final class States implements Iterator<CampaignsSeen> {
    private final CampaignWire.Watched watched = new CampaignWire.Watched();
    private Channels.@Nullable Lease lease;
    private @Nullable Iterator<WatchCampaignsResponse> messages;
    private @Nullable CampaignsSeen next;

    @Override
    public boolean hasNext() {
      try {
        while (next == null) {
          Iterator<WatchCampaignsResponse> reading = start();
          if (!reading.hasNext()) {
            release();
            return false;
          }
          next = watched.add(reading.next());
        }
        return true;
      } catch (StatusRuntimeException failure) {
        if (closed) {
          release();
          throw new ClientClosedException("the watch was closed", Unanswered.NONE);
        }
        Channels.Lease used = lease;
        release();
        if (used == null) {
          throw failure;
        }
        throw Campaigns.failureOf(gateway, used, failure);
      }
    }

    @Override
    public CampaignsSeen next() {
      CampaignsSeen seen = hasNext() ? next : null;
      if (seen == null) {
        throw new NoSuchElementException("the gateway has ended the watch");
      }
      next = null;
      return seen;
    }

    private Iterator<WatchCampaignsResponse> start() {
      Iterator<WatchCampaignsResponse> reading = messages;
      if (reading == null) {
        gateway.requireOpen();
        Channels.Lease taken = gateway.channels().acquire();
        lease = taken;
        var headers =
            MetadataUtils.newAttachHeadersInterceptor(CallContext.metadata(gateway.headers()));
        Context before = context.attach();
        try {
          reading =
              ClientCalls.blockingServerStreamingCall(
                  ClientInterceptors.intercept(taken.channel(), headers),
                  CampaignServiceGrpc.getWatchCampaignsMethod(),
                  CallOptions.DEFAULT,
                  request);
        } finally {
          context.detach(before);
        }
        messages = reading;
      }
      return reading;
    }

    private void release() {
      Channels.Lease used = lease;
      lease = null;
      if (used != null) {
        gateway.channels().release(used);
      }
    }
  }
}
