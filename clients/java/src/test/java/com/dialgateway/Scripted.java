package com.dialgateway;

import com.dialgateway.v1.DialRequestServiceGrpc;
import com.dialgateway.v1.PutDialRequestsRequest;
import com.dialgateway.v1.PutDialRequestsResponse;
import com.dialgateway.v1.StreamDialRequestsRequest;
import com.dialgateway.v1.StreamDialRequestsResponse;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A gateway that follows the script of a test, with real sockets and without Amazon Connect. */
final class Scripted extends DialRequestServiceGrpc.DialRequestServiceImplBase
    implements AutoCloseable {
  static final String PHONE = "+12025550123";
  static final String SECRET = "Ludmilla-Attribute";
  private static final long PATIENCE_S = 20;

  /** What a stream does, in a thread of its own. */
  interface StreamScript {
    void run(Stream stream) throws Exception;
  }

  volatile StreamScript script = Stream::acceptAll;
  volatile Function<PutDialRequestsRequest, PutDialRequestsResponse> put = Scripted::acceptList;
  volatile Runnable probe = () -> {};
  final List<Stream> streams = new CopyOnWriteArrayList<>();
  final List<Metadata> headers = new CopyOnWriteArrayList<>();
  final AtomicInteger probes = new AtomicInteger();
  final CountDownLatch putOpened = new CountDownLatch(1);
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Server server;

  Scripted() {
    this(InsecureServerCredentials.create());
  }

  Scripted(ServerCredentials credentials) {
    ServerInterceptor keepHeaders =
        new ServerInterceptor() {
          @Override
          public <Q, A> ServerCall.Listener<Q> interceptCall(
              ServerCall<Q, A> call, Metadata received, ServerCallHandler<Q, A> next) {
            headers.add(received);
            return Contexts.interceptCall(Context.current(), call, received, next);
          }
        };
    server =
        Grpc.newServerBuilderForPort(0, credentials)
            .executor(threads)
            .addService(this)
            .intercept(keepHeaders)
            .build();
    try {
      server.start();
    } catch (IOException failure) {
      throw new IllegalStateException(failure);
    }
  }

  String target() {
    return "127.0.0.1:" + server.getPort();
  }

  /** Uses the next script for each stream, and the last one for all further streams. */
  void inTurn(StreamScript... scripts) {
    AtomicInteger next = new AtomicInteger();
    script = stream -> scripts[Math.min(next.getAndIncrement(), scripts.length - 1)].run(stream);
  }

  static DialRequest request(String token) {
    return DialRequest.of(token, PHONE, Instant.now().plusSeconds(300))
        .withAttributes(Map.of("first_name", SECRET));
  }

  static Iterator<DialRequest> requests(int count) {
    return IntStream.range(0, count).mapToObj(number -> request("t-" + number)).iterator();
  }

  static com.dialgateway.v1.DialResult accepted(long index, String token) {
    return com.dialgateway.v1.DialResult.newBuilder()
        .setClientToken(token)
        .setIndex(index)
        .setOutcome(com.dialgateway.v1.Outcome.OUTCOME_ACCEPTED)
        .setDialRequestId("id-" + index)
        .setAttempts(1)
        .setTraceId("ab".repeat(16))
        .build();
  }

  static PutDialRequestsResponse acceptList(PutDialRequestsRequest request) {
    PutDialRequestsResponse.Builder response = PutDialRequestsResponse.newBuilder();
    for (int i = 0; i < request.getDialRequestsCount(); i++) {
      response.addResults(accepted(i, request.getDialRequests(i).getClientToken()));
    }
    return response.build();
  }

  static StreamDialRequestsResponse draining() {
    return StreamDialRequestsResponse.newBuilder()
        .setNotice(
            com.dialgateway.v1.Notice.newBuilder()
                .setKind(com.dialgateway.v1.NoticeKind.NOTICE_KIND_DRAINING))
        .build();
  }

  @Override
  public StreamObserver<StreamDialRequestsRequest> streamDialRequests(
      StreamObserver<StreamDialRequestsResponse> responses) {
    Stream stream = new Stream((ServerCallStreamObserver<StreamDialRequestsResponse>) responses);
    streams.add(stream);
    threads.execute(() -> run(stream));
    return stream;
  }

  @Override
  public void putDialRequests(
      PutDialRequestsRequest request, StreamObserver<PutDialRequestsResponse> responses) {
    try {
      PutDialRequestsResponse response = PutDialRequestsResponse.getDefaultInstance();
      if (request.getDialRequestsCount() == 0) {
        probes.incrementAndGet();
        probe.run();
      } else {
        putOpened.countDown();
        response = put.apply(request);
      }
      responses.onNext(response);
      responses.onCompleted();
    } catch (StatusRuntimeException failure) {
      responses.onError(failure);
    }
  }

  @Override
  public void close() {
    server.shutdownNow();
    threads.shutdownNow();
    try {
      server.awaitTermination(PATIENCE_S, TimeUnit.SECONDS);
      threads.awaitTermination(PATIENCE_S, TimeUnit.SECONDS);
    } catch (InterruptedException stop) {
      Thread.currentThread().interrupt();
    }
  }

  private void run(Stream stream) {
    try {
      script.run(stream);
      if (!stream.responses.isCancelled()) {
        stream.responses.onCompleted();
      }
    } catch (InterruptedException | IllegalStateException ended) {
      // The test is over, or the client has cancelled.
    } catch (StatusRuntimeException failure) {
      stream.responses.onError(failure);
    } catch (Exception failure) {
      stream.responses.onError(Status.INTERNAL.withCause(failure).asException());
    }
  }

  /** One stream: what it has received, and ways to answer. */
  static final class Stream implements StreamObserver<StreamDialRequestsRequest> {
    private static final StreamDialRequestsRequest END =
        StreamDialRequestsRequest.newBuilder().setCampaignId("end").build();

    final ServerCallStreamObserver<StreamDialRequestsResponse> responses;
    final List<String> tokens = new CopyOnWriteArrayList<>();
    final List<Boolean> marks = new CopyOnWriteArrayList<>();
    final List<Integer> sizes = new CopyOnWriteArrayList<>();
    final CountDownLatch cancelled = new CountDownLatch(1);
    private final BlockingQueue<StreamDialRequestsRequest> messages = new LinkedBlockingQueue<>();

    Stream(ServerCallStreamObserver<StreamDialRequestsResponse> responses) {
      this.responses = responses;
      responses.setOnCancelHandler(
          () -> {
            cancelled.countDown();
            messages.add(END);
          });
    }

    /** Returns the next message; null after the half-close. */
    @Nullable StreamDialRequestsRequest next() throws InterruptedException {
      StreamDialRequestsRequest message = messages.take();
      if (message.equals(END)) {
        return null;
      }
      sizes.add(message.getDialRequestsCount());
      message
          .getDialRequestsList()
          .forEach(
              each -> {
                tokens.add(each.getClientToken());
                marks.add(each.getInDoubt());
              });
      return message;
    }

    /** Reads at least this many requests. */
    void read(int count) throws InterruptedException {
      while (tokens.size() < count && next() != null) {}
    }

    /** Accepts the requests with these indexes. */
    void accept(int from, int to) {
      StreamDialRequestsResponse.Builder response = StreamDialRequestsResponse.newBuilder();
      for (int i = from; i < to; i++) {
        response.addResults(accepted(i, tokens.get(i)));
      }
      send(response.build());
    }

    void acceptAll() throws InterruptedException {
      for (int from = tokens.size(); next() != null; from = tokens.size()) {
        accept(from, tokens.size());
      }
    }

    void send(StreamDialRequestsResponse response) {
      responses.onNext(response);
    }

    void sendResults(List<com.dialgateway.v1.DialResult> results) {
      send(StreamDialRequestsResponse.newBuilder().addAllResults(results).build());
    }

    /** Waits until the client cancels, or the test ends. */
    void stay() throws InterruptedException {
      new CountDownLatch(1).await();
    }

    boolean wasCancelled() throws InterruptedException {
      return cancelled.await(PATIENCE_S, TimeUnit.SECONDS);
    }

    @Override
    public void onNext(StreamDialRequestsRequest message) {
      messages.add(message);
    }

    @Override
    public void onError(Throwable thrown) {
      messages.add(END);
    }

    @Override
    public void onCompleted() {
      messages.add(END);
    }
  }

  /** Collects all answers. */
  static List<DialResult> all(DialResults dial) {
    List<DialResult> results = new ArrayList<>();
    try (dial) {
      dial.forEach(results::add);
    }
    return results;
  }
}
