package com.dialgateway;

import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The channels of one client: all calls share one, which is replaced after it fails or its replica
 * drains. Thread-safe.
 *
 * <p>A retired channel is kept by its calls in flight until they end; the next call gets a new one.
 * A new channel resolves the gateway's name again and connects again, so a load balancer may choose
 * another replica. It also starts without the growing reconnect pauses of gRPC; the retry policy
 * has its own.
 */
final class Channels {
  /** A channel in use. */
  static final class Lease {
    private final ManagedChannel channel;
    private int users;
    private volatile boolean probed;

    private Lease(ManagedChannel channel) {
      this.channel = channel;
    }

    ManagedChannel channel() {
      return channel;
    }

    /** Whether the gateway has answered a probe on this channel. */
    boolean probed() {
      return probed;
    }

    void setProbed() {
      probed = true;
    }
  }

  private final Supplier<ManagedChannel> make;
  private final Set<Lease> all = new HashSet<>();
  private @Nullable Lease current;

  /**
   * Makes the first channel, so that invalid arguments are reported now. It connects at its first
   * call.
   */
  Channels(Supplier<ManagedChannel> make) {
    this.make = make;
    current = new Lease(make.get());
    all.add(current);
  }

  /** Returns the current channel, or a new one, for one call. Call {@link #release} after it. */
  synchronized Lease acquire() {
    Lease lease = current;
    if (lease == null) {
      lease = new Lease(make.get());
      current = lease;
      all.add(lease);
    }
    lease.users++;
    return lease;
  }

  /** Gives this channel to no new call. */
  synchronized void retire(Lease lease) {
    if (current == lease) {
      current = null;
    }
  }

  /** Ends one use of a channel, and shuts it down after the last one if it is retired. */
  void release(Lease lease) {
    synchronized (this) {
      lease.users--;
      if (lease.users > 0 || lease == current || !all.remove(lease)) {
        return;
      }
    }
    lease.channel.shutdown();
  }

  /** Shuts down all channels and returns them. */
  List<ManagedChannel> shutdownAll() {
    List<ManagedChannel> channels = new ArrayList<>();
    synchronized (this) {
      all.forEach(lease -> channels.add(lease.channel));
      all.clear();
      current = null;
    }
    channels.forEach(ManagedChannel::shutdownNow);
    return channels;
  }
}
