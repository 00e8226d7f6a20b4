package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.Metadata;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the client's channels and calls carry, whatever is sent. */
@Timeout(60)
class ClientTest {
  private static final String TRACE = "0123456789abcdef0123456789abcdef";

  private final Scripted gateway = new Scripted();

  @AfterEach
  void close() {
    gateway.close();
    Threads.awaitNone("dial-gateway");
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  @Test
  void callsCarryTheHeadersAndTheCurrentTrace() {
    SpanContext context =
        SpanContext.create(
            TRACE, "0123456789abcdef", TraceFlags.getSampled(), TraceState.getDefault());
    try (DialGateway client =
            DialGateway.to(gateway.target()).header("authorization", "Bearer x").build();
        Scope scope = Span.wrap(context).makeCurrent()) {
      assertEquals(1, Scripted.all(client.dial("c", Scripted.requests(1))).size());
    }
    assertEquals(2, gateway.headers.size(), "of the probe and the stream");
    for (Metadata headers : gateway.headers) {
      assertEquals("Bearer x", headers.get(key("authorization")));
      assertEquals("00-" + TRACE + "-0123456789abcdef-01", headers.get(key("traceparent")));
    }
  }

  @Test
  void aServiceConfigNeverRetriesCalls() {
    // The resolver tells gRPC to repeat calls; only the client may, because it knows the doubts.
    NameResolverProvider retrying = new RetryingResolver();
    NameResolverRegistry.getDefaultRegistry().register(retrying);
    AtomicInteger puts = new AtomicInteger();
    gateway.put =
        request -> {
          puts.incrementAndGet();
          throw Status.UNAVAILABLE.asRuntimeException();
        };
    String target = "retrying:///" + gateway.target();
    try (DialGateway client = DialGateway.to(target).retry(RetryPolicy.NONE).build()) {
      List<DialRequest> requests = List.of(Scripted.request("t"));
      try {
        client.put("c", requests, Duration.ofSeconds(20));
      } catch (GatewayUnavailableException expected) {
        assertEquals(List.of("t"), expected.inDoubt());
      }
    } finally {
      NameResolverRegistry.getDefaultRegistry().deregister(retrying);
    }
    assertEquals(1, puts.get());
  }

  @Test
  void aProxyOfTheJvmIsNotUsed() {
    ProxySelector before = ProxySelector.getDefault();
    ProxySelector.setDefault(ProxySelector.of(new InetSocketAddress("127.0.0.1", 9)));
    try (DialGateway client = DialGateway.to(gateway.target()).build()) {
      assertTrue(Scripted.all(client.dial("c", Scripted.requests(1))).get(0).accepted());
    } finally {
      ProxySelector.setDefault(before);
    }
  }

  @Test
  void clientsMayBeClosedAgainAndUnused() {
    DialGateway client = DialGateway.to(gateway.target()).build();
    client.close();
    client.close();
  }

  /** Resolves retrying:///HOST:PORT, with a service config that repeats calls. */
  private static final class RetryingResolver extends NameResolverProvider {
    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 5;
    }

    @Override
    public String getDefaultScheme() {
      return "retrying";
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      String[] address = target.getPath().substring(1).split(":", 2);
      Map<String, ?> config =
          Map.of(
              "methodConfig",
              List.of(
                  Map.of(
                      "name",
                      List.of(Map.of()),
                      "retryPolicy",
                      Map.of(
                          "maxAttempts",
                          4.0,
                          "initialBackoff",
                          "0.01s",
                          "maxBackoff",
                          "0.01s",
                          "backoffMultiplier",
                          1.0,
                          "retryableStatusCodes",
                          List.of("UNAVAILABLE")))));
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "gateway";
        }

        @Override
        public void start(Listener2 listener) {
          var socket = new InetSocketAddress(address[0], Integer.parseInt(address[1]));
          listener.onResult(
              ResolutionResult.newBuilder()
                  .setAddressesOrError(
                      StatusOr.fromValue(List.of(new EquivalentAddressGroup(socket))))
                  .setAttributes(Attributes.EMPTY)
                  .setServiceConfig(args.getServiceConfigParser().parseServiceConfig(config))
                  .build());
        }

        @Override
        public void shutdown() {}
      };
    }
  }
}
