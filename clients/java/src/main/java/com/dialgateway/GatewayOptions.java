package com.dialgateway;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/** What a {@link DialGatewayBuilder} has collected. */
record GatewayOptions(
    String target,
    @Nullable TlsFiles tls,
    @Nullable String serverName,
    int window,
    int chunk,
    Map<String, String> headers,
    RetryPolicy retry,
    Duration keepalive,
    boolean httpProxy,
    InstantSource wall,
    DoubleSupplier jitter) {

  /** How long the answer to a ping may take. */
  private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(10);

  /**
   * Makes a channel. It connects at its first call.
   *
   * @throws IllegalArgumentException if the target is not one of gRPC, or the TLS files do not
   *     contain what they should
   */
  ManagedChannel newChannel(Executor executor) {
    ChannelCredentials credentials = tls == null ? InsecureChannelCredentials.create() : tls.read();
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(target, credentials)
            .executor(executor)
            .keepAliveTime(keepalive.toNanos(), TimeUnit.NANOSECONDS)
            .keepAliveTimeout(
                Math.min(keepalive.toNanos(), KEEPALIVE_TIMEOUT.toNanos()), TimeUnit.NANOSECONDS)
            // The client decides itself what to send again: only it knows which requests are in
            // doubt.
            .disableRetry()
            .maxInboundMessageSize(Wire.RECEIVED_BYTES);
    if (serverName != null) {
      builder.overrideAuthority(serverName);
    }
    if (!httpProxy) {
      // By default gRPC uses the proxy of the JVM's properties, but a gateway is on the local
      // network.
      builder.proxyDetector(address -> null);
    }
    return builder.build();
  }
}
