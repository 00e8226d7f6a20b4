package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.dialgateway.v1.StreamDialRequestsResponse;
import com.google.protobuf.UnknownFieldSet;
import io.grpc.Status;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The dial of an iterator, against a scripted gateway with real sockets. */
@Timeout(60)
class DialTest {
  private final Scripted gateway = new Scripted();
  private final DialGateway client = DialGateway.to(gateway.target()).jitter(() -> 0).build();

  @AfterEach
  void close() {
    client.close();
    gateway.close();
    Threads.awaitNone("dial-gateway");
  }

  private List<DialResult> dial(int count) {
    return Scripted.all(client.dial("c", Scripted.requests(count)));
  }

  /** Checks that each request has one answer, with its own index. */
  private static void onceEach(List<DialResult> results, int count) {
    List<String> found =
        results.stream()
            .sorted(Comparator.comparingLong(DialResult::index))
            .map(each -> each.index() + " " + each.clientToken())
            .toList();
    assertEquals(IntStream.range(0, count).mapToObj(i -> i + " t-" + i).toList(), found);
  }

  private static Scripted.StreamScript breaks(Status.Code code, int read, int answered) {
    return stream -> {
      stream.read(read);
      stream.accept(0, answered);
      throw code.toStatus().withDescription("broken").asRuntimeException();
    };
  }

  @Test
  void everyRequestIsAnsweredOnce() {
    List<DialResult> results = dial(1000);
    onceEach(results, 1000);
    DialResult result = results.get(0);
    assertTrue(result.accepted());
    assertEquals("id-" + result.index(), result.dialRequestId());
    assertEquals("ab".repeat(16), result.traceId());
    assertEquals(1, gateway.streams.size());
    assertEquals(1, gateway.probes.get());
  }

  @Test
  void nothingIsReadOrSentBeforeTheFirstHasNext() {
    AtomicBoolean read = new AtomicBoolean();
    Iterator<DialRequest> source =
        Stream.generate(() -> Scripted.request("t")).peek(each -> read.set(true)).iterator();
    try (DialResults results = client.dial("c", source)) {
      assertNotNull(results.iterator());
    }
    assertFalse(read.get());
    assertEquals(0, gateway.probes.get());
  }

  @Test
  void anEmptySourceNeedsNoConnection() {
    assertEquals(List.of(), dial(0));
    assertEquals(0, gateway.probes.get());
  }

  @Test
  void resultsAreReadOnce() {
    try (DialResults results = client.dial("c", Scripted.requests(1))) {
      Iterator<DialResult> iterator = results.iterator();
      assertEquals("t-0", iterator.next().clientToken());
      assertThrows(NoSuchElementException.class, iterator::next);
      assertThrows(IllegalStateException.class, results::iterator);
    }
  }

  @Test
  void resultsAreAStream() {
    try (Stream<DialResult> results = client.dial("c", Scripted.requests(10)).stream()) {
      assertEquals(10, results.filter(DialResult::accepted).count());
    }
  }

  @Test
  void requestsAreSentInChunks() {
    // A source that is read fast makes messages of many requests.
    dial(2000);
    Scripted.Stream stream = gateway.streams.get(0);
    assertTrue(Collections.max(stream.sizes) <= 100, "sizes: " + stream.sizes);
    assertTrue(stream.sizes.size() < 500, "messages: " + stream.sizes.size());
  }

  @Test
  void aRequestDoesNotWaitForTheNextOne() throws InterruptedException {
    // The source gives the second request only after the answer to the first.
    CountDownLatch answered = new CountDownLatch(1);
    Iterator<DialRequest> source =
        IntStream.range(0, 2)
            .mapToObj(
                number -> {
                  if (number == 1) {
                    await(answered);
                  }
                  return Scripted.request("t-" + number);
                })
            .iterator();
    try (DialResults results = client.dial("c", source)) {
      for (DialResult result : results) {
        assertTrue(result.accepted());
        answered.countDown();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"UNAVAILABLE", "INTERNAL", "CANCELLED"})
  void aStreamContinuesOverTheNextConnection(Status.Code code) {
    // After a break the unanswered requests are sent again, marked, with their tokens.
    gateway.inTurn(breaks(code, 300, 120), Scripted.Stream::acceptAll);
    List<DialResult> results = dial(500);
    onceEach(results, 500);
    assertTrue(results.stream().allMatch(DialResult::accepted));
    Scripted.Stream again = gateway.streams.get(1);
    assertEquals(
        IntStream.range(120, 300).mapToObj(number -> "t-" + number).toList(),
        again.tokens.subList(0, 180));
    assertEquals(Collections.nCopies(180, true), again.marks.subList(0, 180));
    assertEquals(2, gateway.probes.get(), "each channel is probed");
  }

  @Test
  void manyBreaksLoseAndDuplicateNoAnswer() {
    Scripted.StreamScript[] scripts =
        Stream.concat(
                Collections.nCopies(30, breaks(Status.Code.UNAVAILABLE, 50, 17)).stream(),
                Stream.of((Scripted.StreamScript) Scripted.Stream::acceptAll))
            .toArray(Scripted.StreamScript[]::new);
    gateway.inTurn(scripts);
    onceEach(dial(1000), 1000);
    assertEquals(31, gateway.streams.size());
  }

  @Test
  void drainingMovesNewRequestsAndReadsTheOldStreamToItsEnd() {
    CountDownLatch moved = new CountDownLatch(1);
    CountDownLatch noticed = new CountDownLatch(1);
    gateway.inTurn(
        stream -> {
          stream.read(10);
          stream.send(Scripted.draining());
          moved.await();
          stream.accept(0, 5);
          throw Status.UNAVAILABLE.asRuntimeException();
        },
        stream -> {
          stream.read(1);
          stream.accept(0, stream.tokens.size());
          moved.countDown();
          stream.acceptAll();
        });
    Iterator<DialRequest> source =
        IntStream.range(0, 20)
            .mapToObj(
                number -> {
                  if (number == 10) {
                    await(noticed);
                  }
                  return Scripted.request("t-" + number);
                })
            .iterator();
    DialOptions options =
        DialOptions.DEFAULT.withOnNotice(
            notice -> {
              assertEquals(NoticeKind.DRAINING, notice.kind());
              noticed.countDown();
            });
    onceEach(Scripted.all(client.dial("c", source, options)), 20);
    assertEquals(10, gateway.streams.get(0).tokens.size());
    List<String> second = gateway.streams.get(1).tokens;
    assertTrue(second.containsAll(List.of("t-5", "t-9", "t-10", "t-19")), second.toString());
    assertEquals(15, second.size());
    assertEquals(2, gateway.probes.get(), "the second stream has a channel of its own");
  }

  @Test
  void theClientSendsRequestsAgainIfAdvised() {
    AtomicInteger tries = new AtomicInteger();
    gateway.script =
        stream -> {
          for (int index = 0; stream.next() != null; index++) {
            var outcomes = com.dialgateway.v1.Outcome.values();
            var outcome =
                List.of(outcomes[4], outcomes[5], outcomes[1]).get(tries.getAndIncrement());
            stream.sendResults(
                List.of(
                    Scripted.accepted(index, "t-0").toBuilder()
                        .setOutcome(outcome)
                        .setRetryAdvice(com.dialgateway.v1.RetryAdvice.RETRY_ADVICE_SAME_TOKEN)
                        .build()));
          }
        };
    List<DialResult> results = dial(1);
    onceEach(results, 1);
    assertTrue(results.get(0).accepted());
    assertEquals(3, tries.get());
  }

  @ParameterizedTest
  @EnumSource(names = {"UNAUTHENTICATED", "PERMISSION_DENIED"})
  void aFinalStatusIsThrownAtOnce(Status.Code code) {
    gateway.script = breaks(code, 3, 1);
    List<Long> heard = new ArrayList<>();
    AccessDeniedException error;
    try (DialResults results = client.dial("c", Scripted.requests(3))) {
      error =
          assertThrows(
              AccessDeniedException.class,
              () -> results.forEach(result -> heard.add(result.index())));
    }
    assertEquals(List.of(0L), heard);
    assertEquals(List.of("t-1", "t-2"), error.unanswered());
    assertEquals(List.of("t-1", "t-2"), error.inDoubt());
    assertEquals(code, error.code());
    assertEquals(1, gateway.streams.size());
    assertFalse(error.toString().contains(Scripted.PHONE));
    assertTrue(error.getMessage().contains("unanswered dial requests: 2"), error.getMessage());
  }

  @Test
  void aRefusedProbeLeavesNoRequestInDoubt() {
    // Nothing is sent if the probe is refused, so a request that expires is EXPIRED.
    gateway.probe =
        () -> {
          throw Status.UNAVAILABLE.asRuntimeException();
        };
    DialRequest soon = DialRequest.of("t-0", Scripted.PHONE, Instant.now().plusMillis(300));
    List<DialResult> results = Scripted.all(client.dial("c", List.of(soon).iterator()));
    assertEquals(Outcome.EXPIRED, results.get(0).outcome());
    assertTrue(gateway.probes.get() > 1);
    assertEquals(List.of(), gateway.streams);
  }

  @Test
  void anEarlyEndWithOkIsAnError() {
    gateway.script =
        stream -> {
          stream.read(3);
          stream.accept(0, 1);
        };
    try (DialGateway once = DialGateway.to(gateway.target()).retry(RetryPolicy.NONE).build();
        DialResults results = once.dial("c", Scripted.requests(3))) {
      StreamBrokenException error =
          assertThrows(StreamBrokenException.class, () -> results.forEach(each -> {}));
      assertEquals(List.of("t-1", "t-2"), error.unanswered());
    }
  }

  @Test
  void anAnswerToNoRequestIsAnError() {
    gateway.script =
        stream -> {
          stream.read(1);
          stream.sendResults(List.of(Scripted.accepted(7, "t-0")));
          stream.stay();
        };
    assertThrows(ProtocolException.class, () -> dial(1));
  }

  @Test
  void aStreamThatBreaksAfterTheLastAnswerIsComplete() {
    gateway.script =
        stream -> {
          stream.acceptAll();
          throw Status.UNAVAILABLE.asRuntimeException();
        };
    onceEach(dial(3), 3);
  }

  @Test
  void aStreamThatDoesNotEndAfterTheLastAnswerIsCancelled() throws InterruptedException {
    gateway.script =
        stream -> {
          stream.acceptAll();
          stream.stay();
        };
    onceEach(dial(3), 3);
    assertTrue(gateway.streams.get(0).wasCancelled());
  }

  // --- bad input -------------------------------------------------------------------------------

  @Test
  void aNewerContractIsUnderstoodAsFarAsPossible() {
    // Unknown outcomes are UNKNOWN; unknown reasons, advice, notices and fields do no harm.
    List<Notice> notices = Collections.synchronizedList(new ArrayList<>());
    UnknownFieldSet newer =
        UnknownFieldSet.newBuilder()
            .addField(99, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
            .build();
    gateway.script =
        stream -> {
          stream.read(1);
          stream.send(
              StreamDialRequestsResponse.newBuilder()
                  .setCampaignId("c")
                  .setNotice(
                      com.dialgateway.v1.Notice.newBuilder().setKindValue(77).setDetail("new"))
                  .setUnknownFields(newer)
                  .addResults(
                      com.dialgateway.v1.DialResult.newBuilder()
                          .setClientToken("t-0")
                          .setOutcomeValue(42)
                          .setReasonValue(43)
                          .setRetryAdviceValue(44)
                          .setUnknownFields(newer))
                  .build());
        };
    DialOptions options = DialOptions.DEFAULT.withOnNotice(notices::add);
    List<DialResult> results = Scripted.all(client.dial("c", Scripted.requests(1), options));
    DialResult result = results.get(0);
    assertEquals(Outcome.UNKNOWN, result.outcome());
    assertEquals(Reason.UNSPECIFIED, result.reason());
    assertEquals(RetryAdvice.UNSPECIFIED, result.retryAdvice());
    assertEquals(Map.of("outcome", 42, "reason", 43, "retry_advice", 44), result.unnamed());
    assertEquals(
        List.of(new Notice(NoticeKind.UNSPECIFIED, "c", null, "new")), List.copyOf(notices));
  }

  @Test
  void theSameTokenTwiceIsAnsweredTwice() {
    List<DialRequest> twice = List.of(Scripted.request("same"), Scripted.request("same"));
    List<DialResult> results = Scripted.all(client.dial("c", twice.iterator()));
    assertEquals(List.of(0L, 1L), results.stream().map(DialResult::index).sorted().toList());
  }

  @Test
  void anExceptionOfTheSourceReachesTheCallerUnchanged() throws InterruptedException {
    gateway.script =
        stream -> {
          stream.read(1);
          stream.stay();
        };
    IllegalStateException boom = new IllegalStateException("boom");
    Iterator<DialRequest> source =
        IntStream.range(0, 200)
            .mapToObj(
                number -> {
                  if (number == 150) {
                    throw boom;
                  }
                  return Scripted.request("t-" + number);
                })
            .iterator();
    try (DialResults results = client.dial("c", source)) {
      assertSame(
          boom, assertThrows(IllegalStateException.class, () -> results.forEach(each -> {})));
    }
  }

  @Test
  void aReaderThatThrowsCancelsTheStream() throws InterruptedException {
    gateway.script =
        stream -> {
          stream.acceptAll();
          stream.stay();
        };
    IllegalStateException own = new IllegalStateException("own");
    IllegalStateException thrown =
        assertThrows(
            IllegalStateException.class,
            () -> {
              try (DialResults results = client.dial("c", endless())) {
                results.forEach(
                    each -> {
                      throw own;
                    });
              }
            });
    assertSame(own, thrown);
    assertTrue(gateway.streams.get(0).wasCancelled());
  }

  @Test
  void closingHalfwayCancelsTheStreamAndInterruptsTheSource() throws InterruptedException {
    gateway.script =
        stream -> {
          stream.acceptAll();
          stream.stay();
        };
    CountDownLatch interrupted = new CountDownLatch(1);
    Iterator<DialRequest> source =
        IntStream.iterate(0, number -> number + 1)
            .mapToObj(
                number -> {
                  if (number == 5) {
                    try {
                      new CountDownLatch(1).await();
                    } catch (InterruptedException stop) {
                      interrupted.countDown();
                    }
                  }
                  return Scripted.request("t-" + number);
                })
            .iterator();
    DialResults results = client.dial("c", source);
    try (results) {
      assertTrue(results.iterator().next().accepted());
    }
    assertTrue(interrupted.await(5, TimeUnit.SECONDS));
    assertTrue(gateway.streams.get(0).wasCancelled());
  }

  @Test
  void aReaderThatStopsIsBoundedByTheWindow() throws InterruptedException {
    // 100,000 requests are offered; no more than two windows are read before the reader goes on.
    AtomicInteger read = new AtomicInteger();
    Iterator<DialRequest> source =
        IntStream.range(0, 100_000)
            .mapToObj(
                number -> {
                  read.incrementAndGet();
                  return Scripted.request("t-" + number);
                })
            .iterator();
    CountDownLatch full = new CountDownLatch(1);
    gateway.script =
        stream -> {
          while (stream.next() != null) {
            stream.accept(
                stream.tokens.size() - stream.sizes.get(stream.sizes.size() - 1),
                stream.tokens.size());
            if (stream.tokens.size() >= 100) {
              full.countDown();
            }
          }
        };
    try (DialGateway small = DialGateway.to(gateway.target()).window(100).build();
        DialResults results = small.dial("c", source)) {
      assertTrue(results.iterator().next().accepted());
      assertTrue(full.await(10, TimeUnit.SECONDS));
      Thread.sleep(50); // time to read too many
      assertTrue(read.get() <= 201, "read: " + read.get());
    }
  }

  @Test
  void aNullOfTheSourceIsAnError() {
    List<DialRequest> source = Collections.singletonList(null);
    assertThrows(
        NullPointerException.class, () -> Scripted.all(client.dial("c", source.iterator())));
  }

  // --- closing ---------------------------------------------------------------------------------

  @Test
  void closingTheClientEndsItsDials() throws InterruptedException {
    CountDownLatch opened = new CountDownLatch(1);
    gateway.script =
        stream -> {
          stream.read(2);
          opened.countDown();
          stream.stay();
        };
    Thread closer =
        new Thread(
            () -> {
              await(opened);
              client.close();
            });
    closer.start();
    ClientClosedException error = assertThrows(ClientClosedException.class, () -> dial(2));
    assertEquals(List.of("t-0", "t-1"), error.unanswered());
    assertEquals(List.of("t-0", "t-1"), error.inDoubt());
    closer.join();
    assertThrows(ClientClosedException.class, () -> dial(1));
  }

  @Test
  void anInterruptedReaderIsToldAndMayGoOn() {
    CountDownLatch release = new CountDownLatch(1);
    gateway.script =
        stream -> {
          stream.read(1);
          release.await();
          stream.accept(0, 1);
          stream.acceptAll();
        };
    try (DialResults results = client.dial("c", Scripted.requests(1))) {
      Iterator<DialResult> iterator = results.iterator();
      Thread.currentThread().interrupt();
      CallInterruptedException error =
          assertThrows(CallInterruptedException.class, iterator::hasNext);
      assertTrue(Thread.interrupted(), "the flag is set again");
      assertTrue(error.unanswered().size() <= 1);
      release.countDown();
      assertTrue(iterator.next().accepted());
    }
  }

  @Test
  void theClientGivesUpAfterTheTimeOfThePolicy() {
    String target = gateway.target();
    gateway.close();
    RetryPolicy policy = RetryPolicy.DEFAULT.withGiveUpAfter(Duration.ofMillis(300));
    try (DialGateway impatient = DialGateway.to(target).retry(policy).build();
        DialResults results = impatient.dial("c", Scripted.requests(2))) {
      GatewayUnavailableException error =
          assertThrows(GatewayUnavailableException.class, () -> results.forEach(each -> {}));
      assertTrue(error.getMessage().contains("refused"), error.getMessage());
      assertEquals(List.of("t-0", "t-1"), error.unanswered());
      assertEquals(List.of(), error.inDoubt());
    }
  }

  private static Iterator<DialRequest> endless() {
    return IntStream.iterate(0, number -> number + 1)
        .mapToObj(number -> Scripted.request("t-" + number))
        .iterator();
  }

  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(20, TimeUnit.SECONDS));
    } catch (InterruptedException stop) {
      throw new IllegalStateException(stop);
    }
  }
}
