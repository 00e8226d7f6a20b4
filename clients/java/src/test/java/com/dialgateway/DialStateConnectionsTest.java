package com.dialgateway;

import static com.dialgateway.ManualDial.answer;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The connections of one dial: pauses, replacement, and when it gives up, with a manual clock. */
class DialStateConnectionsTest {
  private final ManualDial dial = new ManualDial();

  @Test
  void noConnectionIsOpenedBeforeThereIsARequest() {
    assertFalse(dial.state.advance(0));
    dial.take("a");
    assertTrue(dial.state.advance(0));
  }

  @Test
  void unansweredRequestsAreSentAgainInOrderAfterABreak() {
    // Their answers have the index of the source, not that of the new connection.
    Link link = dial.connectWith("a", "b", "c");
    dial.settle(link, answer("b", 1, Outcome.ACCEPTED));
    dial.take("d");
    dial.lose(link);
    assertFalse(dial.later(0.9));
    assertTrue(dial.later(0.2));
    Link again = dial.connect();
    assertEquals(List.of("a", "c", "d"), dial.send(again));
    dial.settle(
        again,
        answer("a", 0, Outcome.ACCEPTED),
        answer("c", 1, Outcome.ACCEPTED),
        answer("d", 2, Outcome.ACCEPTED));
    assertEquals(
        List.of("b 1 ACCEPTED", "a 0 ACCEPTED", "c 2 ACCEPTED", "d 3 ACCEPTED"), dial.answers());
  }

  @Test
  void pausesDoubleUpToABoundAndStartAgainAfterAnAnswer() {
    Link link = dial.connectWith("a", "b");
    List<Double> pauses = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      dial.lose(link);
      pauses.add(dial.pause());
      dial.now = dial.state.deadline();
      link = dial.connect();
    }
    assertEquals(List.of(1.0, 2.0, 4.0, 8.0, 8.0), pauses);
    dial.send(link);
    dial.settle(link, answer("a", 0, Outcome.ACCEPTED));
    dial.lose(link);
    assertEquals(1, dial.pause());
  }

  @Test
  void aStreamWaitsAsLongAsTheGatewayAsks() {
    ManualDial dial = new ManualDial(10, 10, ManualDial.POLICY, 0);
    dial.take("a");
    Status.Code code = Status.Code.RESOURCE_EXHAUSTED;
    Duration asked = Duration.ofSeconds(30);
    dial.end(dial.connect(), new CallEnd(code, "full", "STREAM_LIMIT", asked, null, false, false));
    assertFalse(dial.later(29.9));
    assertTrue(dial.later(0.2));
  }

  @Test
  void aPauseMayBeZero() {
    // Full jitter: a pause is drawn between zero and its bound.
    ManualDial dial = new ManualDial(10, 10, ManualDial.POLICY, 0);
    dial.take("a");
    dial.lose(dial.connect());
    assertTrue(dial.state.advance(dial.now));
  }

  @Test
  void aDrainingStreamIsReplacedAtOnceAndReadToItsEnd() {
    // New requests go to a new link, answers come on both, requests left on the old one go again.
    Link old = dial.connectWith("a", "b");
    dial.settle(old, answer("a", 0, Outcome.ACCEPTED));
    dial.state.drain(old, dial.now);
    dial.take("c");
    assertEquals(List.of(), dial.send(old));
    Link fresh = dial.connect();
    assertEquals(List.of("c"), dial.send(fresh));
    dial.settle(fresh, answer("c", 0, Outcome.ACCEPTED));
    dial.state.endSource();
    assertFalse(dial.state.halfClose(fresh), "b may yet have to be sent here");
    dial.lose(old);
    assertEquals(List.of("b"), dial.send(fresh));
    assertTrue(dial.state.halfClose(fresh));
    dial.settle(fresh, answer("b", 1, Outcome.ACCEPTED));
    assertEquals(List.of("a 0 ACCEPTED", "c 2 ACCEPTED", "b 1 ACCEPTED"), dial.answers());
  }

  @Test
  void streamsThatDrainAtOnceAreReplacedAfterGrowingPauses() {
    dial.take("a");
    List<Double> pauses = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Link link = dial.connect();
      dial.state.drain(link, dial.now);
      pauses.add(dial.pause());
      dial.now = dial.state.deadline();
    }
    assertEquals(List.of(1.0, 2.0, 4.0), pauses);
  }

  @Test
  void aLinkIsHalfClosedAfterTheLastRequest() {
    // Its end with OK then ends the dial.
    Link link = dial.connectWith("a");
    assertFalse(dial.state.halfClose(link));
    dial.state.endSource();
    assertTrue(dial.state.halfClose(link));
    dial.settle(link, answer("a", 0, Outcome.ACCEPTED));
    dial.end(link, null);
    dial.answers();
    assertTrue(dial.state.finished());
    assertNull(dial.state.failure());
  }

  @Test
  void aHalfClosedLinkThatBreaksIsReplaced() {
    Link link = dial.connectWith("a");
    dial.state.endSource();
    assertTrue(dial.state.halfClose(link));
    dial.lose(link);
    assertTrue(dial.later(1));
    assertEquals(List.of("a"), dial.send(dial.connect()));
  }

  @ParameterizedTest
  @EnumSource(
      names = {
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE"
      })
  void aFinalStatusEndsTheDialAtOnce(Status.Code code) {
    Link link = dial.connectWith("a");
    dial.take("b");
    dial.lose(link, code);
    assertNotNull(dial.state.failure());
    assertFalse(dial.later(100));
    Unanswered unanswered = dial.state.unanswered();
    assertEquals(List.of("a", "b"), unanswered.tokens());
    assertEquals(List.of("a"), unanswered.inDoubt());
  }

  @ParameterizedTest
  @EnumSource(names = {"INTERNAL", "CANCELLED"})
  void connectionsThatEndRightAfterAMessageAreRetriedAFewTimes(Status.Code code) {
    // The message may be the cause; after several in a row the dial ends.
    dial.take("a");
    for (int i = 0; i < Reconnection.UNUSUAL_ENDS; i++) {
      assertNull(dial.state.failure());
      Link link = dial.connect();
      dial.send(link);
      dial.lose(link, code);
      dial.later(8);
    }
    CallEnd failure = dial.state.failure();
    assertNotNull(failure);
    assertEquals(code, failure.code());
  }

  @ParameterizedTest
  @EnumSource(names = {"INTERNAL", "CANCELLED"})
  void theClientReconnectsAsLongAsItsMessagesAreNotTheCause(Status.Code code) {
    // Neither a connection that ends before a message nor one that lasted was ended by a message.
    for (boolean sent : new boolean[] {false, true}) {
      ManualDial dial =
          new ManualDial(
              RetryPolicy.DEFAULT.withPauses(Duration.ofSeconds(1), Duration.ofSeconds(2)));
      dial.take("a");
      for (int i = 0; i < 3 * Reconnection.UNUSUAL_ENDS; i++) {
        Link link = dial.connect();
        if (sent) {
          dial.send(link);
          dial.now += ManualDial.seconds(3);
        }
        dial.lose(link, code);
        dial.later(2);
      }
      assertNull(dial.state.failure());
    }
  }

  @Test
  void unusualStatusesAreRetriedAFewTimes() {
    // UNKNOWN and similar may come from a misconfigured proxy.
    dial.take("a");
    for (int i = 0; i < Reconnection.UNUSUAL_ENDS; i++) {
      assertNull(dial.state.failure());
      dial.lose(dial.connect(), Status.Code.UNKNOWN);
      dial.later(8);
    }
    assertNotNull(dial.state.failure());
  }

  @Test
  void aMisconfiguredConnectionIsRetriedAFewTimes() {
    // A certificate that is not trusted does not become trusted by waiting.
    CallEnd untrusted =
        new CallEnd(Status.Code.UNAVAILABLE, "UNAVAILABLE: untrusted", "", null, null, false, true);
    dial.take("a");
    for (int i = 0; i < Reconnection.UNUSUAL_ENDS; i++) {
      assertNull(dial.state.failure());
      dial.end(dial.connect(), untrusted);
      dial.later(8);
    }
    assertEquals(untrusted, dial.state.failure());
  }

  @Test
  void aDialThatEndsWithOkTooEarlyIsReplaced() {
    Link link = dial.connectWith("a");
    dial.end(link, null);
    assertTrue(dial.later(1));
  }

  @Test
  void withoutRetriesTheFirstFailureEndsTheDial() {
    // DRAINING is then ignored.
    ManualDial dial = new ManualDial(RetryPolicy.NONE);
    Link link = dial.connectWith("a");
    dial.state.drain(link, dial.now);
    dial.take("b");
    assertEquals(List.of("b"), dial.send(link));
    dial.lose(link);
    assertNotNull(dial.state.failure());
  }

  // --- unreachable -----------------------------------------------------------------------------

  @Test
  void anUnsentRequestExpiresWhileTheGatewayIsUnreachable() {
    dial.take("a", 5);
    dial.take("b", 50);
    dial.lose(dial.connect());
    dial.later(5);
    DialResult result = dial.results().get(0);
    assertEquals("a", result.clientToken());
    assertEquals(Outcome.EXPIRED, result.outcome());
    assertEquals(Reason.EXPIRATION_PASSED, result.reason());
    assertEquals(List.of("b"), dial.state.unanswered().tokens());
  }

  @Test
  void aSentRequestIsUnknownWhenItExpires() {
    // A request that expires after a connection broke may be at Amazon Connect.
    dial.lose(dial.connectWith("a"));
    dial.later(ManualDial.LIFE_S);
    assertEquals(List.of("a 0 UNKNOWN"), dial.answers());
  }

  @Test
  void aReachableGatewayDecidesWhetherARequestHasExpired() {
    // The clocks may differ, so requests that look expired are sent.
    dial.take("a", -3600);
    assertEquals(List.of("a"), dial.send(dial.connect()));
    assertEquals(List.of(), dial.answers());
  }

  @Test
  void theClientGivesUpAfterTheTimeOfThePolicy() {
    ManualDial dial = new ManualDial(ManualDial.POLICY.withGiveUpAfter(Duration.ofSeconds(60)));
    dial.take("a");
    while (dial.state.failure() == null) {
      if (dial.state.advance(dial.now)) {
        dial.lose(dial.state.connect(dial.now), Status.Code.INTERNAL);
      }
      long deadline = dial.state.deadline();
      dial.now = deadline == Nanos.NEVER ? dial.now : deadline;
    }
    assertEquals(ManualDial.seconds(60), dial.now);
    CallEnd failure = dial.state.failure();
    assertEquals(Status.Code.INTERNAL, failure.code());
    assertInstanceOf(
        GatewayUnavailableException.class, failure.toException(dial.state.unanswered()));
    assertEquals(List.of(), dial.state.unanswered().inDoubt());
  }

  @Test
  void theTimeToGiveUpStartsWhenTheConnectionFails() {
    // A connection that was good for long without an answer does not use up that time.
    ManualDial dial = new ManualDial(ManualDial.POLICY.withGiveUpAfter(Duration.ofSeconds(60)));
    Link link = dial.connectWith("a");
    dial.now = ManualDial.seconds(200);
    dial.lose(link);
    assertTrue(dial.later(10));
    assertNull(dial.state.failure());
  }

  @Test
  void idleTimeDoesNotCountAsUnreachable() {
    ManualDial dial = new ManualDial(ManualDial.POLICY.withGiveUpAfter(Duration.ofSeconds(60)));
    Link link = dial.connectWith("a");
    dial.settle(link, answer("a", 0, Outcome.ACCEPTED));
    dial.lose(link);
    dial.later(1);
    dial.take("b");
    dial.lose(dial.connect());
    dial.later(ManualDial.LIFE_S);
    dial.answers();
    dial.now = ManualDial.seconds(3600);
    dial.take("c");
    dial.later(0);
    assertNull(dial.state.failure());
  }
}
