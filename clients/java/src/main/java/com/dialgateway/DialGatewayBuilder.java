package com.dialgateway;

import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/** Configures a {@link DialGateway}. Not thread-safe; may build several clients. */
public final class DialGatewayBuilder {
  private static final Duration SHORTEST_KEEPALIVE = Duration.ofSeconds(10);

  private final String target;
  private final Map<String, String> headers = new LinkedHashMap<>();
  private @Nullable TlsFiles tls;
  private @Nullable String serverName;
  private int window = 2_000;
  private int chunk = 100;
  private RetryPolicy retry = RetryPolicy.DEFAULT;
  private Duration keepalive = Duration.ofSeconds(30);
  private boolean httpProxy;
  private final InstantSource wall = InstantSource.system();
  private DoubleSupplier jitter = () -> ThreadLocalRandom.current().nextDouble();

  DialGatewayBuilder(String target) {
    this.target = Text.require("target", target);
  }

  /**
   * Uses TLS, and trusts the authorities that the Java runtime trusts. Without one of the three
   * {@code tls} methods the connection is not encrypted.
   *
   * @return this builder
   */
  public DialGatewayBuilder tls() {
    tls = new TlsFiles(null, null, null);
    return this;
  }

  /**
   * Uses TLS, and trusts the authorities of a file.
   *
   * @param authority certificates in PEM
   * @return this builder
   */
  public DialGatewayBuilder tls(Path authority) {
    tls = new TlsFiles(Objects.requireNonNull(authority, "authority"), null, null);
    return this;
  }

  /**
   * Uses mutual TLS: trusts the authorities of a file, and shows a certificate of this client. The
   * files are read again for each new connection, so that renewed ones are used.
   *
   * @param authority certificates in PEM
   * @param certificate the certificate of this client, with its chain, in PEM
   * @param key its private key in PEM, not encrypted: PKCS #8, PKCS #1 or SEC 1
   * @return this builder
   */
  public DialGatewayBuilder tls(Path authority, Path certificate, Path key) {
    tls =
        new TlsFiles(
            Objects.requireNonNull(authority, "authority"),
            Objects.requireNonNull(certificate, "certificate"),
            Objects.requireNonNull(key, "key"));
    return this;
  }

  /**
   * Sets the name in the gateway's certificate, if it is not that of the target.
   *
   * @param serverName the name
   * @return this builder
   */
  public DialGatewayBuilder serverName(String serverName) {
    this.serverName = Text.require("serverName", serverName);
    return this;
  }

  /**
   * Sets how many requests of one dial may be without an answer. No more than this are read from
   * its source in advance.
   *
   * @param window at least 1; 2,000 by default
   * @return this builder
   * @throws IllegalArgumentException if it is less than 1
   */
  public DialGatewayBuilder window(int window) {
    this.window = atLeastOne("window", window);
    return this;
  }

  /**
   * Sets how many requests are sent in one message at most.
   *
   * @param chunk at least 1; 100 by default
   * @return this builder
   * @throws IllegalArgumentException if it is less than 1
   */
  public DialGatewayBuilder chunk(int chunk) {
    this.chunk = atLeastOne("chunk", chunk);
    return this;
  }

  /**
   * Adds a header to every call, such as one that a proxy requires. The current trace context of
   * OpenTelemetry is sent without that.
   *
   * @param name a lower-case name of HTTP/2, without the suffix {@code -bin}
   * @param value ASCII text
   * @return this builder
   */
  public DialGatewayBuilder header(String name, String value) {
    CallContext.metadata(Map.of(name, value)); // throws for a name that is not allowed
    headers.put(name, value);
    return this;
  }

  /**
   * Sets what is sent again, how fast and until when.
   *
   * @param retry the policy; {@link RetryPolicy#DEFAULT} by default
   * @return this builder
   */
  public DialGatewayBuilder retry(RetryPolicy retry) {
    this.retry = Objects.requireNonNull(retry, "retry");
    return this;
  }

  /**
   * Sets how soon a silent connection is checked. During calls the connection is checked after this
   * much silence, and a stream that waits for answers sends an empty message.
   *
   * @param keepalive at least 10 seconds, because the gateway ends connections that are checked
   *     more often; 30 seconds by default
   * @return this builder
   * @throws IllegalArgumentException if it is shorter
   */
  public DialGatewayBuilder keepalive(Duration keepalive) {
    if (keepalive.compareTo(SHORTEST_KEEPALIVE) < 0) {
      throw new IllegalArgumentException("keepalive must be at least 10 seconds");
    }
    return keepaliveUnchecked(keepalive);
  }

  /**
   * Sets whether to use the proxy that the JVM's properties name, such as {@code https.proxyHost}.
   * By default they are ignored: a gateway is on the local network.
   *
   * @param httpProxy whether to use it
   * @return this builder
   */
  public DialGatewayBuilder httpProxy(boolean httpProxy) {
    this.httpProxy = httpProxy;
    return this;
  }

  /**
   * Makes the client. It connects at its first call.
   *
   * @return the client; close it
   * @throws IllegalArgumentException if the target is not one of gRPC, or a TLS file does not
   *     contain what it should
   * @throws java.io.UncheckedIOException if a TLS file cannot be read
   */
  public DialGateway build() {
    return new DialGateway(
        new GatewayOptions(
            target,
            tls,
            serverName,
            window,
            chunk,
            Map.copyOf(headers),
            retry,
            keepalive,
            httpProxy,
            wall,
            jitter));
  }

  /** For tests, which do not wait for 10 seconds. */
  DialGatewayBuilder keepaliveUnchecked(Duration keepalive) {
    this.keepalive = keepalive;
    return this;
  }

  /** For tests: numbers from 0 to 1, for the lengths of pauses. */
  DialGatewayBuilder jitter(DoubleSupplier jitter) {
    this.jitter = jitter;
    return this;
  }

  private static int atLeastOne(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " must be at least 1");
    }
    return value;
  }
}
