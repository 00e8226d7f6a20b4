package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The state of one dial, driven by a test with a manual clock and without sockets. */
final class ManualDial {
  static final double LIFE_S = 300;
  static final RetryPolicy POLICY =
      RetryPolicy.DEFAULT.withPauses(Duration.ofSeconds(1), Duration.ofSeconds(8));

  final DialState state;
  long now;

  ManualDial() {
    this(10, 10, POLICY, 1);
  }

  ManualDial(RetryPolicy policy) {
    this(10, 10, policy, 1);
  }

  ManualDial(int window, int chunk, RetryPolicy policy, double jitter) {
    state = new DialState(window, chunk, policy, () -> jitter, Wire.largestRequest("c"));
  }

  static long seconds(double seconds) {
    return (long) (seconds * TimeUnit.SECONDS.toNanos(1));
  }

  static com.dialgateway.v1.DialRequest message(String token) {
    return Wire.toMessage(DialRequest.of(token, Scripted.PHONE, Instant.EPOCH));
  }

  static DialResult answer(String token, long index, Outcome outcome) {
    return answer(token, index, outcome, RetryAdvice.SAME_TOKEN);
  }

  static DialResult answer(String token, long index, Outcome outcome, RetryAdvice advice) {
    return DialResult.ofClient(token, index, outcome, Reason.CONNECT_ERROR, "why", advice);
  }

  void take(String... tokens) {
    for (String token : tokens) {
      take(token, LIFE_S);
    }
  }

  void take(String token, double lifeS) {
    state.take(message(token), seconds(lifeS), now);
  }

  void takeInDoubt(String token) {
    state.take(message(token).toBuilder().setInDoubt(true).build(), seconds(LIFE_S), now);
  }

  Link connect() {
    assertTrue(state.advance(now), "a connection is wanted");
    Link link = state.connect(now);
    state.ready(link, now);
    return link;
  }

  List<String> send(Link link) {
    return state.nextChunk(link).stream()
        .map(com.dialgateway.v1.DialRequest::getClientToken)
        .toList();
  }

  Link connectWith(String... tokens) {
    take(tokens);
    Link link = connect();
    assertEquals(List.of(tokens), send(link));
    return link;
  }

  void settle(Link link, DialResult... results) {
    state.settle(link, List.of(results), now);
  }

  void lose(Link link) {
    lose(link, Status.Code.UNAVAILABLE);
  }

  void lose(Link link, Status.Code code) {
    state.lost(link, CallEnd.of(code, code + ": gone"), now);
  }

  void lose(Link link, String reason) {
    Status.Code code = Status.Code.UNAVAILABLE;
    end(link, new CallEnd(code, code + ": gone", reason, null, null, false, false));
  }

  void end(Link link, @Nullable CallEnd end) {
    state.lost(link, end, now);
  }

  boolean later(double seconds) {
    now += seconds(seconds);
    return state.advance(now);
  }

  /** Seconds until the next deadline. */
  double pause() {
    return (state.deadline() - now) / (double) TimeUnit.SECONDS.toNanos(1);
  }

  List<DialResult> results() {
    return state.takeAnswers(Long.MAX_VALUE);
  }

  /** The answers as "token index OUTCOME". */
  List<String> answers() {
    return results().stream()
        .map(each -> each.clientToken() + " " + each.index() + " " + each.outcome())
        .toList();
  }
}
