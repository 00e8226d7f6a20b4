package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The dial of a publisher, against a scripted gateway with real sockets. */
@Timeout(60)
class PublisherTest {
  private static final long PATIENCE_S = 20;

  private final Scripted gateway = new Scripted();
  private final DialGateway client =
      DialGateway.to(gateway.target()).window(100).jitter(() -> 0).build();

  @AfterEach
  void close() {
    client.close();
    gateway.close();
    Threads.awaitNone("dial-gateway");
  }

  /** Keeps what it is told. */
  private static final class Reader implements Flow.Subscriber<DialResult> {
    final BlockingQueue<DialResult> results = new LinkedBlockingQueue<>();
    final CountDownLatch done = new CountDownLatch(1);
    final AtomicInteger inside = new AtomicInteger();
    volatile @Nullable Throwable failure;
    volatile Flow.@Nullable Subscription subscription;
    private final long first;

    Reader(long first) {
      this.first = first;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
      this.subscription = subscription;
      if (first != 0) {
        subscription.request(first);
      }
    }

    @Override
    public void onNext(DialResult result) {
      assertEquals(1, inside.incrementAndGet(), "one call at a time");
      results.add(result);
      inside.decrementAndGet();
    }

    @Override
    public void onError(Throwable thrown) {
      failure = thrown;
      done.countDown();
    }

    @Override
    public void onComplete() {
      done.countDown();
    }

    void awaitDone() throws InterruptedException {
      assertTrue(done.await(PATIENCE_S, TimeUnit.SECONDS));
    }

    DialResult next() throws InterruptedException {
      DialResult result = results.poll(PATIENCE_S, TimeUnit.SECONDS);
      if (result == null) {
        throw new AssertionError("no result came");
      }
      return result;
    }
  }

  /** A source that counts how many requests it was asked for, and gives them at once. */
  private static Flow.Publisher<DialRequest> counting(int count, AtomicLong asked) {
    return subscriber -> {
      AtomicInteger next = new AtomicInteger();
      subscriber.onSubscribe(
          new Flow.Subscription() {
            @Override
            public void request(long n) {
              asked.addAndGet(n);
              for (long i = 0; i < n; i++) {
                int number = next.getAndIncrement();
                if (number < count) {
                  subscriber.onNext(Scripted.request("t-" + number));
                } else if (number == count) {
                  subscriber.onComplete();
                }
              }
            }

            @Override
            public void cancel() {
              asked.set(-1);
            }
          });
    };
  }

  @Test
  void everyRequestIsAnsweredOnce() throws InterruptedException {
    Reader reader = new Reader(Long.MAX_VALUE);
    client.dialAsync("c", counting(1000, new AtomicLong())).subscribe(reader);
    reader.awaitDone();
    assertNull(reader.failure);
    assertEquals(
        LongStream.range(0, 1000).boxed().toList(),
        reader.results.stream().map(DialResult::index).sorted().toList());
  }

  @Test
  void asManyAnswersComeAsAreAskedFor() throws InterruptedException {
    Reader reader = new Reader(3);
    AtomicLong asked = new AtomicLong();
    client.dialAsync("c", counting(1000, asked)).subscribe(reader);
    for (int i = 0; i < 3; i++) {
      assertTrue(reader.next().accepted());
    }
    assertNull(reader.results.poll(50, TimeUnit.MILLISECONDS));
    assertTrue(asked.get() <= 103, "read: " + asked.get());
    Flow.Subscription subscription = reader.subscription;
    assertTrue(subscription != null);
    subscription.request(Long.MAX_VALUE);
    reader.awaitDone();
    assertEquals(997, reader.results.size());
  }

  @Test
  void itWorksWithAPublisherOfTheJdk() throws InterruptedException {
    Reader reader = new Reader(Long.MAX_VALUE);
    try (SubmissionPublisher<DialRequest> source = new SubmissionPublisher<>()) {
      client.dialAsync("c", source).subscribe(reader);
      IntStream.range(0, 500).forEach(number -> source.submit(Scripted.request("t-" + number)));
    }
    reader.awaitDone();
    assertNull(reader.failure);
    assertEquals(500, reader.results.size());
  }

  @Test
  void cancellingCancelsTheStreamAndTheSource() throws InterruptedException {
    gateway.script =
        stream -> {
          stream.acceptAll();
          stream.stay();
        };
    Reader reader = new Reader(1);
    AtomicLong asked = new AtomicLong();
    client.dialAsync("c", counting(1000, asked)).subscribe(reader);
    assertTrue(reader.next().accepted());
    Flow.Subscription subscription = reader.subscription;
    assertTrue(subscription != null);
    subscription.cancel();
    assertTrue(gateway.streams.get(0).wasCancelled());
  }

  @Test
  void aFailureOfTheSourceIsPassedOn() throws InterruptedException {
    IllegalStateException boom = new IllegalStateException("boom");
    Reader reader = new Reader(1);
    try (SubmissionPublisher<DialRequest> source = new SubmissionPublisher<>()) {
      client.dialAsync("c", source).subscribe(reader);
      source.closeExceptionally(boom);
    }
    reader.awaitDone();
    assertSame(boom, reader.failure);
  }

  @Test
  void aFailureOfTheGatewayIsPassedOn() throws InterruptedException {
    gateway.script =
        stream -> {
          throw Status.PERMISSION_DENIED.asRuntimeException();
        };
    Reader reader = new Reader(1);
    client.dialAsync("c", counting(1, new AtomicLong())).subscribe(reader);
    reader.awaitDone();
    AccessDeniedException denied = assertInstanceOf(AccessDeniedException.class, reader.failure);
    assertEquals(List.of("t-0"), denied.unanswered());
  }

  @Test
  void askingForNothingIsAnError() throws InterruptedException {
    Reader reader = new Reader(-1);
    client.dialAsync("c", counting(1, new AtomicLong())).subscribe(reader);
    reader.awaitDone();
    assertInstanceOf(IllegalArgumentException.class, reader.failure);
  }

  @Test
  void closingTheClientEndsADial() throws InterruptedException {
    gateway.script = stream -> stream.stay();
    Reader reader = new Reader(1);
    client.dialAsync("c", counting(1, new AtomicLong())).subscribe(reader);
    client.close();
    reader.awaitDone();
    assertInstanceOf(ClientClosedException.class, reader.failure);
    assertEquals(Collections.emptyList(), List.copyOf(reader.results));
  }
}
