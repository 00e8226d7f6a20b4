package com.dialgateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The values that callers make. */
class DialRequestTest {
  private static final Instant SOON = Instant.parse("2030-01-01T12:00:00Z");
  private static final String TRACE = "0123456789abcdef0123456789abcdef";

  private static DialRequest request() {
    return DialRequest.of("t", Scripted.PHONE, SOON);
  }

  @Test
  void itsTextShowsNeitherNumberNorAttributes() {
    DialRequest request = request().withAttributes(Map.of("first_name", Scripted.SECRET));
    assertFalse(request.toString().contains(Scripted.PHONE));
    assertFalse(request.toString().contains(Scripted.SECRET));
    assertTrue(request.toString().contains("clientToken=t"), request.toString());
  }

  @Test
  void everyFieldOfAChannelIsSentAndNotShown() {
    var detection = new Channel.AnswerMachineDetection(true, false);
    var call = new Channel.Telephony("+12065550199", Duration.ofSeconds(30), detection);
    var sentCall = Wire.toMessage(request().withChannel(call)).getTelephony();
    assertEquals("+12065550199", sentCall.getSourcePhoneNumber());
    assertEquals(30, sentCall.getRingTimeout().getSeconds());
    assertTrue(sentCall.getAnswerMachineDetection().getEnabled());
    assertTrue(sentCall.getAnswerMachineDetection().hasAwaitPrompt());
    assertFalse(sentCall.getAnswerMachineDetection().getAwaitPrompt());

    var sms = new Channel.Sms("arn:1", "arn:2");
    var sentSms = Wire.toMessage(request().withChannel(sms)).getSms();
    assertEquals("arn:1", sentSms.getSourcePhoneNumberArn());
    assertEquals("arn:2", sentSms.getTemplateArn());

    var whatsApp = new Channel.WhatsApp("arn:1", "arn:2");
    var sentWhatsApp = Wire.toMessage(request().withChannel(whatsApp)).getWhatsApp();
    assertEquals("arn:1", sentWhatsApp.getSourcePhoneNumberArn());
    assertEquals("arn:2", sentWhatsApp.getTemplateArn());

    var email = new Channel.Email("ada@b.de", "news@b.de", "arn:2");
    var sentEmail = Wire.toMessage(request().withChannel(email)).getEmail();
    assertEquals("ada@b.de", sentEmail.getDestinationAddress());
    assertEquals("news@b.de", sentEmail.getSourceAddress());
    assertEquals("arn:2", sentEmail.getTemplateArn());

    for (Channel channel : new Channel[] {call, sms, whatsApp, email}) {
      DialRequest request = request().withChannel(channel);
      assertEquals(request, request().withInDoubt(false).withChannel(channel));
      assertNotEquals(request, request());
      assertEquals(channel, request.withInDoubt(true).withAttributes(Map.of()).channel());
      String shown = request + " " + channel;
      assertFalse(shown.contains("arn:") || shown.contains("b.de") || shown.contains("5550199"));
    }
  }

  @Test
  void aChannelThatSetsNothingIsSent() {
    var messages = com.dialgateway.v1.DialRequest.ChannelCase.values();
    assertEquals(5, messages.length);
    var call = Wire.toMessage(request().withChannel(new Channel.Telephony(null, null, null)));
    assertTrue(call.hasTelephony());
    assertTrue(Wire.toMessage(request().withChannel(new Channel.Sms(null, null))).hasSms());
    assertTrue(
        Wire.toMessage(request().withChannel(new Channel.WhatsApp(null, null))).hasWhatsApp());
    assertTrue(Wire.toMessage(request().withChannel(new Channel.Email("", null, null))).hasEmail());
    assertThrows(IllegalArgumentException.class, () -> new Channel.Sms("\ud83d", null));
  }

  @Test
  void attributesAreCopied() {
    Map<String, String> attributes = new HashMap<>(Map.of("a", "b"));
    DialRequest request = request().withAttributes(attributes);
    attributes.clear();
    assertEquals(Map.of("a", "b"), request.attributes());
    assertThrows(UnsupportedOperationException.class, () -> request.attributes().clear());
  }

  @Test
  void equalValuesAreEqual() {
    assertEquals(request(), request());
    assertEquals(request().hashCode(), request().hashCode());
    assertNotEquals(request(), request().withInDoubt(true));
    assertNotEquals(request(), request().withAttributes(Map.of("a", "b")));
  }

  @Test
  void halfASurrogatePairIsRefused() {
    // Protobuf would send a question mark in its place.
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> request().withAttributes(Map.of("k", "bad\ud83d")));
    assertEquals("a value of attributes is not valid Unicode text", error.getMessage());
    request().withAttributes(Map.of("k", "good \ud83d\ude00"));
  }

  @Test
  void anExpirationAlwaysHasATimeZone() {
    // `Instant` is a point in time: there is no way to give a local time.
    boolean takesOnlyInstants =
        Arrays.stream(DialRequest.class.getMethods())
            .filter(method -> method.getName().equals("of"))
            .allMatch(method -> Arrays.asList(method.getParameterTypes()).contains(Instant.class));
    assertTrue(takesOnlyInstants);
    assertThrows(
        IllegalArgumentException.class, () -> DialRequest.of("t", Scripted.PHONE, Instant.MAX));
    assertEquals(
        "expiresAt",
        assertThrows(NullPointerException.class, () -> DialRequest.of("t", Scripted.PHONE, null))
            .getMessage());
  }

  @Test
  void theCurrentTraceIsThatOfOpenTelemetry() {
    assertSame(request().traceparent(), request().withCurrentTrace().traceparent());
    assertNull(request().withCurrentTrace().traceparent());
    SpanContext context =
        SpanContext.create(
            TRACE, "0123456789abcdef", TraceFlags.getSampled(), TraceState.getDefault());
    try (Scope scope = Span.wrap(context).makeCurrent()) {
      assertEquals(
          "00-" + TRACE + "-0123456789abcdef-01", request().withCurrentTrace().traceparent());
    }
  }

  @Test
  void contradictoryPoliciesAreRefused() {
    RetryPolicy policy = RetryPolicy.DEFAULT;
    assertThrows(
        IllegalArgumentException.class, () -> policy.withResubmit(Set.of(Outcome.REJECTED)));
    assertThrows(
        IllegalArgumentException.class,
        () -> policy.withPauses(Duration.ofSeconds(20), Duration.ofSeconds(1)));
    assertThrows(
        IllegalArgumentException.class, () -> policy.withGiveUpAfter(Duration.ofSeconds(-1)));
  }

  @Test
  void contradictoryOptionsAreRefused() {
    DialGatewayBuilder builder = DialGateway.to("127.0.0.1:1");
    assertThrows(IllegalArgumentException.class, () -> builder.window(0));
    assertThrows(IllegalArgumentException.class, () -> builder.chunk(0));
    assertThrows(IllegalArgumentException.class, () -> builder.keepalive(Duration.ofSeconds(9)));
    assertThrows(IllegalArgumentException.class, () -> builder.header("Bad Name", "x"));
    assertThrows(
        IllegalArgumentException.class, () -> DialGateway.to("no-such-scheme://:::/").build());
  }
}
