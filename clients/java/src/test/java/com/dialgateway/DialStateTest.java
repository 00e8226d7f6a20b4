package com.dialgateway;

import static com.dialgateway.ManualDial.answer;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which requests of one dial are read, sent, sent again and answered, with a manual clock. */
class DialStateTest {
  private final ManualDial dial = new ManualDial();

  @Test
  void atMostAWindowOfRequestsIsRead() {
    // Reading stops at a full window, and goes on when the caller has taken an answer.
    ManualDial dial = new ManualDial(3, 10, ManualDial.POLICY, 1);
    dial.take("a", "b", "c");
    assertFalse(dial.state.hasRoom());
    Link link = dial.connect();
    assertEquals(List.of("a", "b", "c"), dial.send(link));
    dial.settle(link, answer("b", 1, Outcome.ACCEPTED));
    assertFalse(dial.state.hasRoom(), "an answer that nobody has taken is held as well");
    assertEquals(List.of("b 1 ACCEPTED"), dial.answers());
    assertTrue(dial.state.hasRoom());
    assertEquals(List.of("a", "c"), dial.state.unanswered().tokens());
  }

  @Test
  void aFullChunkIsSentBeforeMoreIsRead() {
    ManualDial dial = new ManualDial(100, 2, ManualDial.POLICY, 1);
    dial.take("a", "b");
    assertFalse(dial.state.hasRoom());
    Link link = dial.connect();
    assertEquals(List.of("a", "b"), dial.send(link));
    assertTrue(dial.state.hasRoom());
    assertEquals(List.of(), dial.send(link));
  }

  @Test
  void aMessageIsFilledUpToAMebibyte() {
    // Requests of 200 KiB: five fit into one message, whatever the chunk allows.
    var large = message("large", 200);
    IntStream.range(0, 7).forEach(i -> dial.state.take(large, ManualDial.seconds(300), 0));
    Link link = dial.connect();
    assertEquals(5, dial.state.nextChunk(link).size());
    assertEquals(2, dial.state.nextChunk(link).size());
  }

  @Test
  void aRequestThatIsTooLargeIsRefusedAndTheOthersGoOn() {
    dial.take("a");
    dial.state.take(message("large", 257), ManualDial.seconds(300), 0);
    dial.take("b");
    DialResult refused = dial.results().get(0);
    assertEquals(Outcome.REJECTED, refused.outcome());
    assertEquals(Reason.INVALID_REQUEST, refused.reason());
    assertEquals(RetryAdvice.NEVER, refused.retryAdvice());
    assertEquals(1, refused.index());
    assertTrue(refused.detail().contains("at most 262,144 bytes"), refused.detail());
    assertEquals(List.of("a", "b"), dial.send(dial.connect()));
  }

  @Test
  void aRequestThatIsTooLargeAndInDoubtIsUnknown() {
    var marked = message("large", 257).toBuilder().setInDoubt(true).build();
    dial.state.take(marked, ManualDial.seconds(300), 0);
    assertEquals(List.of("large 0 UNKNOWN"), dial.answers());
  }

  @Test
  void aDialIsFinishedAfterTheSourceAndTheLastAnswer() {
    // Neither the end of the source nor the last answer alone finishes it.
    Link link = dial.connectWith("a");
    dial.state.endSource();
    dial.settle(link, answer("a", 0, Outcome.REJECTED));
    assertFalse(dial.state.finished());
    dial.answers();
    assertTrue(dial.state.finished());
  }

  @Test
  void equalTokensHaveTheirOwnAnswers() {
    // An answer settles the request at its index; another request with the same token stays open.
    Link link = dial.connectWith("same", "same");
    dial.settle(link, answer("same", 1, Outcome.ACCEPTED));
    assertThrows(
        ProtocolException.class, () -> dial.settle(link, answer("same", 1, Outcome.ACCEPTED)));
    dial.settle(link, answer("same", 0, Outcome.ACCEPTED));
    assertEquals(List.of("same 1 ACCEPTED", "same 0 ACCEPTED"), dial.answers());
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 7})
  void anAnswerToNoRequestIsAnError(long index) {
    // A token, or an index, that was not sent on this link.
    Link link = dial.connectWith("a");
    DialResult wrong = answer(index == 0 ? "b" : "a", index, Outcome.ACCEPTED);
    ProtocolException error = assertThrows(ProtocolException.class, () -> dial.settle(link, wrong));
    assertEquals(List.of("a"), error.unanswered());
  }

  // --- resubmission ----------------------------------------------------------------------------

  @ParameterizedTest
  @EnumSource(names = {"NOT_ACCEPTED", "UNKNOWN"})
  void aRequestIsSentAgainIfTheAnswerAdvisesTheSameToken(Outcome outcome) {
    // The caller gets the answer to the next attempt, under the index of the request.
    Link link = dial.connectWith("a");
    dial.settle(link, answer("a", 0, outcome));
    assertEquals(List.of(), dial.answers());
    assertEquals(1, dial.pause());
    dial.later(1);
    assertEquals(List.of("a"), dial.send(link));
    dial.settle(link, answer("a", 1, Outcome.ACCEPTED));
    assertEquals(List.of("a 0 ACCEPTED"), dial.answers());
  }

  @Test
  void thePausesBetweenAttemptsOfARequestGrow() {
    Link link = dial.connectWith("a");
    int index = 0;
    for (int pause : new int[] {1, 2, 4, 8, 8}) {
      dial.settle(link, answer("a", index, Outcome.NOT_ACCEPTED));
      assertEquals(pause, dial.pause());
      dial.later(pause);
      assertEquals(List.of("a"), dial.send(link));
      index++;
    }
  }

  @Test
  void theGatewaysRetryAfterIsWaitedFor() {
    Link link = dial.connectWith("a");
    dial.settle(link, withRetryAfter(Duration.ofSeconds(30)));
    assertEquals(31, Math.max(dial.pause(), 31), "the check for overdue requests comes first");
    dial.later(30.9);
    assertEquals(List.of(), dial.send(link));
    dial.later(0.1);
    assertEquals(List.of("a"), dial.send(link));
  }

  @Test
  void anEndlessRetryAfterDoesNotOverflow() {
    Link link = dial.connectWith("a");
    dial.settle(link, withRetryAfter(Duration.ofSeconds(Long.MAX_VALUE)));
    assertEquals(List.of("a 0 NOT_ACCEPTED"), dial.answers());
  }

  @Test
  void aRequestIsNotSentAgainAfterItsExpiration() {
    dial.take("a", 1);
    Link link = dial.connect();
    dial.send(link);
    dial.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED));
    assertEquals(List.of("a 0 NOT_ACCEPTED"), dial.answers());
  }

  static List<DialResult> otherAnswers() {
    return List.of(
        answer("a", 0, Outcome.REJECTED),
        answer("a", 0, Outcome.EXPIRED),
        answer("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEW_TOKEN),
        answer("a", 0, Outcome.NOT_ACCEPTED, RetryAdvice.NEVER),
        answer("a", 0, Outcome.UNKNOWN, RetryAdvice.UNSPECIFIED),
        leftToTheCaller(Reason.HELD),
        leftToTheCaller(Reason.PURGED));
  }

  @ParameterizedTest
  @MethodSource("otherAnswers")
  void otherAnswersAreGivenToTheCaller(DialResult result) {
    // Permanent refusals, other advice and operator actions are not retried.
    Link link = dial.connectWith("a");
    dial.settle(link, result);
    assertEquals(List.of(result), dial.results());
  }

  @Test
  void resubmissionCanBeSwitchedOff() {
    ManualDial dial = new ManualDial(ManualDial.POLICY.withResubmit(Set.of()));
    Link link = dial.connectWith("a");
    dial.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED));
    assertEquals(List.of("a 0 NOT_ACCEPTED"), dial.answers());
  }

  @Test
  void aResubmissionAfterTheHalfCloseOpensANewLink() {
    Link link = dial.connectWith("a");
    dial.state.endSource();
    assertTrue(dial.state.halfClose(link));
    dial.settle(link, answer("a", 0, Outcome.NOT_ACCEPTED));
    dial.end(link, null);
    assertTrue(dial.later(1));
    Link again = dial.connect();
    assertEquals(List.of("a"), dial.send(again));
    assertTrue(dial.state.halfClose(again));
  }

  // --- doubt -----------------------------------------------------------------------------------

  @ParameterizedTest
  @EnumSource(names = {"REJECTED", "EXPIRED"})
  void aRefusalAfterABrokenConnectionBecomesUnknown(Outcome outcome) {
    // Amazon Connect may have a request of the broken connection, whatever the next replica says.
    Link link = dial.connectWith("a");
    dial.take("b");
    dial.lose(link);
    dial.later(1);
    Link again = dial.connect();
    List<com.dialgateway.v1.DialRequest> sent = dial.state.nextChunk(again);
    assertEquals(
        List.of(true, false),
        sent.stream().map(com.dialgateway.v1.DialRequest::getInDoubt).toList());
    dial.settle(
        again,
        answer("a", 0, outcome, RetryAdvice.NEVER),
        answer("b", 1, outcome, RetryAdvice.NEVER));
    List<DialResult> results = dial.results();
    DialResult first = results.get(0);
    assertEquals(Outcome.UNKNOWN, first.outcome());
    assertEquals(RetryAdvice.SAME_TOKEN, first.retryAdvice());
    assertEquals(Reason.CONNECT_ERROR, first.reason());
    assertTrue(first.detail().contains(outcome.name()), first.detail());
    assertTrue(first.detail().contains("why"), first.detail());
    assertEquals(outcome, results.get(1).outcome(), "b was sent once only");
  }

  @ParameterizedTest
  @EnumSource(names = {"NOT_ACCEPTED", "EXPIRED", "REJECTED"})
  void aRequestOnceUnknownIsAnsweredAcceptedOrUnknown(Outcome outcome) {
    Link link = dial.connectWith("a");
    dial.settle(link, answer("a", 0, Outcome.UNKNOWN));
    dial.later(1);
    assertEquals(List.of("a"), dial.send(link));
    dial.settle(link, answer("a", 1, outcome, RetryAdvice.NEVER));
    assertEquals(List.of("a 0 UNKNOWN"), dial.answers());
  }

  @Test
  void requestsWithTheSameTokenAreInDoubtTogether() {
    Link link = dial.connectWith("same");
    dial.lose(link);
    dial.take("same");
    dial.later(1);
    Link again = dial.connect();
    dial.send(again);
    dial.settle(again, answer("same", 1, Outcome.REJECTED, RetryAdvice.NEVER));
    assertEquals(List.of("same 1 UNKNOWN"), dial.answers());
  }

  @Test
  void aRequestThatTheCallerMarksIsInDoubt() {
    dial.takeInDoubt("a");
    assertEquals(List.of("a"), dial.state.unanswered().inDoubt());
    Link link = dial.connect();
    dial.send(link);
    dial.settle(link, answer("a", 0, Outcome.EXPIRED));
    assertEquals(List.of("a 0 UNKNOWN"), dial.answers());
  }

  @Test
  void aRequestThatWasNotSentIsNotInDoubt() {
    dial.take("a");
    assertTrue(dial.state.advance(0));
    dial.lose(dial.state.connect(0));
    dial.later(1);
    Link link = dial.connect();
    dial.send(link);
    dial.settle(link, answer("a", 0, Outcome.REJECTED, RetryAdvice.NEVER));
    assertEquals(List.of("a 0 REJECTED"), dial.answers());
  }

  @Test
  void theNumberOfRememberedDoubtsIsBounded() {
    // A stream that breaks again and again does not use more and more memory.
    ManualDial dial = new ManualDial(1000, 1000, ManualDial.POLICY, 1);
    for (int begin = 0; begin < 20_000; begin += 1000) {
      IntStream.range(begin, begin + 1000).forEach(number -> dial.take("t-" + number));
      dial.later(8);
      Link link = dial.connect();
      dial.send(link);
      dial.lose(link);
      dial.later(8);
      Link again = dial.connect();
      List<String> sent = dial.send(again);
      for (int i = 0; i < sent.size(); i++) {
        dial.settle(again, answer(sent.get(i), i, Outcome.ACCEPTED));
      }
      assertEquals(1000, dial.answers().size());
      dial.lose(again);
    }
    assertEquals(10_000, dial.state.rememberedDoubts());
  }

  @Test
  void aRequestThatIsLongOverdueIsUnknown() {
    // Something on an open connection holds the answer back; the caller does not wait for ever.
    Link link = dial.connectWith("a", "b");
    dial.later(ManualDial.LIFE_S + 59);
    assertEquals(List.of(), dial.answers());
    dial.later(30);
    assertEquals(List.of("a 0 UNKNOWN", "b 1 UNKNOWN"), dial.answers());
    dial.settle(link, answer("a", 0, Outcome.ACCEPTED)); // too late, and no fault
    assertEquals(List.of(), dial.answers());
    assertThrows(
        ProtocolException.class, () -> dial.settle(link, answer("a", 0, Outcome.ACCEPTED)));
  }

  @Test
  void overdueRequestsAreLookedForOnlyWhileSomeAreOutstanding() {
    assertEquals(Nanos.NEVER, dial.state.deadline());
    Link link = dial.connectWith("a");
    dial.later(0);
    assertEquals(30, dial.pause());
    dial.settle(link, answer("a", 0, Outcome.ACCEPTED));
    dial.answers();
    dial.later(30);
    assertEquals(Nanos.NEVER, dial.state.deadline());
    assertNull(dial.state.failure());
  }

  private static DialResult withRetryAfter(Duration retryAfter) {
    return new DialResult(
        "a",
        0,
        Outcome.NOT_ACCEPTED,
        "",
        Reason.OVERLOADED,
        "",
        RetryAdvice.SAME_TOKEN,
        retryAfter,
        0,
        false,
        "",
        Map.of());
  }

  private static DialResult leftToTheCaller(Reason reason) {
    return DialResult.ofClient("a", 0, Outcome.NOT_ACCEPTED, reason, "", RetryAdvice.SAME_TOKEN);
  }

  private static com.dialgateway.v1.DialRequest message(String token, int kibibytes) {
    return ManualDial.message(token).toBuilder()
        .putAttributes("k", "x".repeat(kibibytes << 10))
        .build();
  }
}
