package com.dialgateway;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * One person to dial. Immutable and safe to share between threads.
 *
 * <p>The gateway checks the values, and answers {@link Outcome#REJECTED} if one is invalid. Only
 * what cannot be sent is refused here. {@link #toString()} and the messages of exceptions contain
 * neither the phone number nor the attributes.
 */
public final class DialRequest {
  // The range of a protobuf Timestamp.
  private static final Instant EARLIEST = Instant.parse("0001-01-01T00:00:00Z");
  private static final Instant LATEST = Instant.parse("9999-12-31T23:59:59.999999999Z");

  private final String clientToken;
  private final String phoneNumber;
  private final Instant expiresAt;
  private final Map<String, String> attributes;
  private final @Nullable String traceparent;
  private final boolean inDoubt;
  private final @Nullable Channel channel;

  private DialRequest(
      String clientToken,
      String phoneNumber,
      Instant expiresAt,
      Map<String, String> attributes,
      @Nullable String traceparent,
      boolean inDoubt,
      @Nullable Channel channel) {
    this.clientToken = clientToken;
    this.phoneNumber = phoneNumber;
    this.expiresAt = expiresAt;
    this.attributes = attributes;
    this.traceparent = traceparent;
    this.inDoubt = inDoubt;
    this.channel = channel;
  }

  /**
   * Returns a request without attributes.
   *
   * @param clientToken your id of this dial, unique in its campaign; see {@link #newClientToken()}
   * @param phoneNumber the number in E.164: '+', country code and number, without spaces or dashes;
   *     empty for an e-mail
   * @param expiresAt when this dial is no longer wanted. Choose some minutes from now; Amazon
   *     Connect may refuse more than 15 minutes
   * @return the request
   * @throws IllegalArgumentException if a text is not valid Unicode, or the expiration is not in
   *     the years 1 to 9999
   */
  public static DialRequest of(String clientToken, String phoneNumber, Instant expiresAt) {
    Text.require("clientToken", clientToken);
    Text.require("phoneNumber", phoneNumber);
    Objects.requireNonNull(expiresAt, "expiresAt");
    if (expiresAt.isBefore(EARLIEST) || expiresAt.isAfter(LATEST)) {
      throw new IllegalArgumentException("expiresAt must be in the years 1 to 9999");
    }
    return new DialRequest(clientToken, phoneNumber, expiresAt, Map.of(), null, false, null);
  }

  /**
   * Returns a token for a new dial.
   *
   * <p>Call this once, when you decide to dial somebody, and store the token with your record
   * before you send the request. The token prevents that a retry dials somebody twice. Keep it when
   * you send the same dial again after an error, a restart or a broken stream. Make a new one only
   * if the gateway advises {@link RetryAdvice#NEW_TOKEN} and the dial is still wanted, or if the
   * same person is to be dialed a second time.
   *
   * @return a random token
   */
  public static String newClientToken() {
    return UUID.randomUUID().toString();
  }

  /**
   * Returns a copy with these contact attributes, or parameters of a message's template.
   *
   * @param attributes keys and values for the contact flow or the template; they are copied
   * @return the copy
   * @throws IllegalArgumentException if a text is not valid Unicode
   */
  public DialRequest withAttributes(Map<String, String> attributes) {
    Map<String, String> copy = new LinkedHashMap<>(attributes);
    copy.forEach(
        (key, value) -> {
          Text.require("a key of attributes", key);
          Text.require("a value of attributes", value);
        });
    return new DialRequest(
        clientToken, phoneNumber, expiresAt, Map.copyOf(copy), traceparent, inDoubt, channel);
  }

  /**
   * Returns a copy with the trace context of this one request, if that differs from the context of
   * the call.
   *
   * @param traceparent the W3C trace context, as in the HTTP header of that name
   * @return the copy
   * @throws IllegalArgumentException if the text is not valid Unicode
   */
  public DialRequest withTraceparent(String traceparent) {
    Text.require("traceparent", traceparent);
    return new DialRequest(
        clientToken, phoneNumber, expiresAt, attributes, traceparent, inDoubt, channel);
  }

  /**
   * Returns a copy with the trace context of the current OpenTelemetry span of this thread.
   *
   * <p>A {@code dial} and a {@code put} send the context in which they are called. This is for a
   * stream whose requests belong to different traces.
   *
   * @return the copy; this request if there is no current span, or no OpenTelemetry on the class
   *     path
   */
  public DialRequest withCurrentTrace() {
    String current = TraceContext.current().get(TraceContext.TRACEPARENT);
    return current == null ? this : withTraceparent(current);
  }

  /**
   * Returns a copy that says whether an earlier attempt with this token may have been made.
   *
   * <p>Set it if you may have sent this token before and have no final answer, for example after a
   * crash. Amazon Connect may have the request then, so the answer is {@link Outcome#ACCEPTED} or
   * {@link Outcome#UNKNOWN}, never a refusal. Within one {@code dial} or {@code put} the client
   * sets it itself for requests that it sends again.
   *
   * @param inDoubt whether an earlier attempt may have been made
   * @return the copy
   */
  public DialRequest withInDoubt(boolean inDoubt) {
    return new DialRequest(
        clientToken, phoneNumber, expiresAt, attributes, traceparent, inDoubt, channel);
  }

  /**
   * Returns a copy with a channel, for campaigns of Amazon Connect's API V2.
   *
   * @param channel how to contact the person; null for a telephone call with the settings of its
   *     campaign
   * @return the copy
   */
  public DialRequest withChannel(@Nullable Channel channel) {
    return new DialRequest(
        clientToken, phoneNumber, expiresAt, attributes, traceparent, inDoubt, channel);
  }

  /**
   * Returns your id of this dial.
   *
   * @return the token
   */
  public String clientToken() {
    return clientToken;
  }

  /**
   * Returns the number to dial.
   *
   * @return the number in E.164
   */
  public String phoneNumber() {
    return phoneNumber;
  }

  /**
   * Returns when this dial is no longer wanted.
   *
   * @return the expiration
   */
  public Instant expiresAt() {
    return expiresAt;
  }

  /**
   * Returns the contact attributes.
   *
   * @return an unmodifiable map
   */
  public Map<String, String> attributes() {
    return attributes;
  }

  /**
   * Returns the trace context of this request.
   *
   * @return the W3C trace context; null if it is that of the call
   */
  public @Nullable String traceparent() {
    return traceparent;
  }

  /**
   * Returns whether an earlier attempt with this token may have been made.
   *
   * @return what {@link #withInDoubt} has set
   */
  public boolean inDoubt() {
    return inDoubt;
  }

  /**
   * Returns how to contact the person.
   *
   * @return the channel; null for a telephone call with the settings of its campaign
   */
  public @Nullable Channel channel() {
    return channel;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof DialRequest that
        && clientToken.equals(that.clientToken)
        && phoneNumber.equals(that.phoneNumber)
        && expiresAt.equals(that.expiresAt)
        && attributes.equals(that.attributes)
        && Objects.equals(traceparent, that.traceparent)
        && inDoubt == that.inDoubt
        && Objects.equals(channel, that.channel);
  }

  @Override
  public int hashCode() {
    return Objects.hash(clientToken, phoneNumber, expiresAt);
  }

  /** Returns a text without the phone number, the attributes and the channel. */
  @Override
  public String toString() {
    return "DialRequest[clientToken=%s, expiresAt=%s, traceparent=%s, inDoubt=%s]"
        .formatted(clientToken, expiresAt, traceparent, inDoubt);
  }
}
