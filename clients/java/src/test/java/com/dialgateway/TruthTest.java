package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The client gives the true answers of conformance/truth.json, which all clients share. */
class TruthTest {
  private static final double LIFE_S = 600;
  private static final Path CASES = Path.of("..", "..", "conformance", "truth.json");

  static Stream<Named> cases() throws IOException {
    JsonElement all = JsonParser.parseString(Files.readString(CASES));
    return StreamSupport.stream(all.getAsJsonArray().spliterator(), false)
        .map(JsonElement::getAsJsonObject)
        .map(each -> new Named(each.get("name").getAsString(), each));
  }

  record Named(String name, JsonObject content) {
    @Override
    public String toString() {
      return name;
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theAnswerIsTrueForAllAttempts(Named named) {
    Attempts attempts = new Attempts(named.content());
    for (JsonElement attempt : named.content().getAsJsonArray("attempts")) {
      attempts.carryOut(attempt.getAsJsonObject());
    }
    List<DialResult> results = attempts.dial.results();
    assertEquals(1, results.size());
    DialResult result = results.get(0);
    JsonObject expected = named.content().getAsJsonObject("answer");
    assertEquals(expected.get("outcome").getAsString(), result.outcome().name());
    assertEquals(unprefixed(expected, "reason"), result.reason().name());
    assertEquals(unprefixed(expected, "retry_advice"), result.retryAdvice().name());
  }

  private static String unprefixed(JsonObject object, String name) {
    String value = object.get(name).getAsString();
    return value.isEmpty() ? "UNSPECIFIED" : value;
  }

  /** The attempts of one request, carried out on the state of a dial without pauses. */
  private static final class Attempts {
    final ManualDial dial = new ManualDial(10, 10, RetryPolicy.DEFAULT, 0);
    private @Nullable Link link;

    Attempts(JsonObject content) {
      var message = ManualDial.message("t").toBuilder();
      message.setInDoubt(content.get("in_doubt").getAsBoolean());
      JsonObject first = content.getAsJsonArray("attempts").get(0).getAsJsonObject();
      if (first.get("event").getAsString().equals("too_large")) {
        message.putAttributes("k", "v".repeat(300_000));
      }
      dial.state.take(message.build(), ManualDial.seconds(LIFE_S), 0);
    }

    void carryOut(JsonObject attempt) {
      switch (attempt.get("event").getAsString()) {
        case "broken" -> {
          if (attempt.get("sent").getAsBoolean()) {
            send(attempt);
            lose(attempt.get("reason").getAsString());
          } else {
            lose();
          }
        }
        case "answered" -> {
          send(attempt);
          settle(attempt);
        }
        case "expired" -> {
          if (link != null) {
            lose();
          }
          dial.lose(dial.connect());
          dial.later(LIFE_S + 1);
        }
        default -> assertEquals("too_large", attempt.get("event").getAsString());
      }
    }

    private Link connected() {
      dial.state.advance(dial.now); // a request that pauses waits again
      if (link == null) {
        link = dial.connect();
      }
      return link;
    }

    private void lose() {
      lose("");
    }

    private void lose(String reason) {
      dial.lose(connected(), reason);
      link = null;
    }

    private void send(JsonObject attempt) {
      List<com.dialgateway.v1.DialRequest> sent = dial.state.nextChunk(connected());
      assertEquals(1, sent.size());
      assertEquals(attempt.get("marked").getAsBoolean(), sent.get(0).getInDoubt());
    }

    private void settle(JsonObject attempt) {
      Link used = connected();
      dial.settle(
          used,
          new DialResult(
              "t",
              used.count - 1,
              Outcome.valueOf(attempt.get("outcome").getAsString()),
              "",
              Reason.valueOf(unprefixed(attempt, "reason")),
              "",
              RetryAdvice.valueOf(unprefixed(attempt, "retry_advice")),
              Duration.ofSeconds(attempt.get("retry_after_s").getAsLong()),
              1,
              false,
              "",
              Map.of()));
      boolean sentAgain = attempt.get("sent_again").getAsBoolean();
      assertTrue(dial.state.hasAnswers() != sentAgain, "sent again: " + sentAgain);
    }
  }
}
