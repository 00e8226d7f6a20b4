package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.dialgateway.v1.PutDialRequestsResponse;
import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The unary call. */
@Timeout(60)
class PutTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(20);

  private final Scripted gateway = new Scripted();
  private final DialGateway client = DialGateway.to(gateway.target()).jitter(() -> 0).build();
  private final List<List<Boolean>> marks = Collections.synchronizedList(new ArrayList<>());

  @AfterEach
  void close() {
    client.close();
    gateway.close();
    Threads.awaitNone("dial-gateway");
  }

  private List<DialResult> put(int count) {
    return client.put("c", requests(count), TIMEOUT);
  }

  private static List<DialRequest> requests(int count) {
    List<DialRequest> requests = new ArrayList<>();
    Scripted.requests(count).forEachRemaining(requests::add);
    return requests;
  }

  /** Ends the first calls with a status, and keeps the marks of each. */
  private void dies(Status.Code code, int times) {
    gateway.put =
        request -> {
          marks.add(
              request.getDialRequestsList().stream()
                  .map(com.dialgateway.v1.DialRequest::getInDoubt)
                  .toList());
          if (marks.size() <= times) {
            throw code.toStatus().asRuntimeException();
          }
          return Scripted.acceptList(request);
        };
  }

  @Test
  void resultsComeInTheOrderOfTheRequests() {
    assertEquals(
        List.of("t-0", "t-1", "t-2"), put(3).stream().map(DialResult::clientToken).toList());
  }

  @Test
  void missingResultsAreAnError() {
    gateway.put =
        request ->
            PutDialRequestsResponse.newBuilder().addResults(Scripted.accepted(0, "t-0")).build();
    ProtocolException error = assertThrows(ProtocolException.class, () -> put(2));
    assertEquals(List.of("t-0", "t-1"), error.unanswered());
  }

  @ParameterizedTest
  @EnumSource(names = {"UNAVAILABLE", "INTERNAL", "CANCELLED"})
  void aBrokenCallIsRepeatedAndMarked(Status.Code code) {
    dies(code, 2);
    assertTrue(put(2).stream().allMatch(DialResult::accepted));
    List<Boolean> marked = List.of(true, true);
    assertEquals(List.of(List.of(false, false), marked, marked), marks);
  }

  @Test
  void aRefusalAfterABrokenCallIsUnknown() {
    dies(Status.Code.UNAVAILABLE, 1);
    var breaks = gateway.put;
    gateway.put =
        request -> {
          PutDialRequestsResponse.Builder response = breaks.apply(request).toBuilder();
          response
              .getResultsBuilder(1)
              .setOutcome(com.dialgateway.v1.Outcome.OUTCOME_REJECTED)
              .setRetryAdvice(com.dialgateway.v1.RetryAdvice.RETRY_ADVICE_NEVER);
          return response.build();
        };
    List<DialResult> results = put(2);
    assertEquals(
        List.of(Outcome.ACCEPTED, Outcome.UNKNOWN),
        results.stream().map(DialResult::outcome).toList());
    assertEquals(RetryAdvice.SAME_TOKEN, results.get(1).retryAdvice());
  }

  @ParameterizedTest
  @EnumSource(names = {"UNKNOWN", "DEADLINE_EXCEEDED", "PERMISSION_DENIED", "UNIMPLEMENTED"})
  void anotherStatusIsThrownAtOnceAndLeavesDoubt(Status.Code code) {
    dies(code, 1);
    CallFailedException error = assertThrows(CallFailedException.class, () -> put(2));
    assertEquals(code, error.code());
    assertEquals(List.of("t-0", "t-1"), error.unanswered());
    assertEquals(List.of("t-0", "t-1"), error.inDoubt());
    assertEquals(1, marks.size());
    assertEquals(
        "com.dialgateway.DialGateway",
        error.getStackTrace()[0].getClassName(),
        "the stack trace is the caller's");
  }

  @Test
  void theGatewaysReasonIsRead() {
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
            .setMessage("the list is too long")
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setDomain("dialgateway.v1")
                        .setReason("LIST_TOO_LONG")
                        .build()))
            .addDetails(
                Any.pack(
                    RetryInfo.newBuilder()
                        .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(3))
                        .build()))
            .build();
    gateway.put =
        request -> {
          throw StatusProto.toStatusRuntimeException(status);
        };
    GatewayOverloadedException error = assertThrows(GatewayOverloadedException.class, () -> put(1));
    assertEquals("LIST_TOO_LONG", error.reason());
    assertEquals(Duration.ofSeconds(3), error.retryAfter());
    assertEquals(List.of(), error.inDoubt(), "nothing of the list was read");
  }

  @Test
  void aReasonOfSomebodyElseIsNotTheGateways() {
    com.google.rpc.Status status =
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
            .addDetails(
                Any.pack(ErrorInfo.newBuilder().setDomain("proxy.example").setReason("X").build()))
            .addDetails(Any.newBuilder().setTypeUrl("type.googleapis.com/unknown.Type"))
            .build();
    gateway.put =
        request -> {
          throw StatusProto.toStatusRuntimeException(status);
        };
    assertEquals("", assertThrows(GatewayOverloadedException.class, () -> put(1)).reason());
  }

  @Test
  void aListThatIsTooLargeIsRefusedBeforeAnythingIsSent() {
    DialRequest large = Scripted.request("t").withAttributes(Map.of("k", "x".repeat(5 << 20)));
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class, () -> client.put("c", List.of(large), TIMEOUT));
    assertTrue(error.getMessage().contains("at most 4,194,304"), error.getMessage());
    assertEquals(0, gateway.probes.get());
  }

  @Test
  void anUnreachableGatewayIsReportedAtTheTimeout() {
    String target = gateway.target();
    gateway.close();
    try (DialGateway lonely = DialGateway.to(target).build()) {
      GatewayUnavailableException error =
          assertThrows(
              GatewayUnavailableException.class,
              () -> lonely.put("c", requests(2), Duration.ofSeconds(2)));
      assertTrue(error.getMessage().contains("refused"), error.getMessage());
      assertEquals(List.of("t-0", "t-1"), error.unanswered());
      assertEquals(List.of(), error.inDoubt());
    }
  }

  @Test
  void cancellingTheResultCancelsTheCall() throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    waitsFor(never);
    CompletableFuture<List<DialResult>> answers =
        client.putAsync("c", requests(1), TIMEOUT, Priority.HIGH);
    assertTrue(gateway.putOpened.await(10, TimeUnit.SECONDS));
    assertTrue(answers.cancel(false));
    never.countDown();
  }

  @Test
  void closingTheClientEndsAPut() throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    waitsFor(never);
    CompletableFuture<List<DialResult>> answers =
        client.putAsync("c", requests(1), TIMEOUT, Priority.NORMAL);
    assertTrue(gateway.putOpened.await(10, TimeUnit.SECONDS));
    client.close();
    ExecutionException failed = assertThrows(ExecutionException.class, answers::get);
    ClientClosedException closed = assertInstanceOf(ClientClosedException.class, failed.getCause());
    assertEquals(List.of("t-0"), closed.inDoubt(), "it was sent");
    never.countDown();
  }

  @Test
  void anInterruptedCallerCancelsTheCall() {
    CountDownLatch never = new CountDownLatch(1);
    waitsFor(never);
    Thread.currentThread().interrupt();
    assertThrows(CallInterruptedException.class, () -> put(1));
    assertTrue(Thread.interrupted(), "the flag is set again");
    assertFalse(Thread.interrupted());
    never.countDown();
  }

  private void waitsFor(CountDownLatch latch) {
    gateway.put =
        request -> {
          try {
            latch.await();
          } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
          }
          return Scripted.acceptList(request);
        };
  }
}
