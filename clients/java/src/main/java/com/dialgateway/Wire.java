package com.dialgateway;

import com.dialgateway.v1.PutDialRequestsRequest;
import com.dialgateway.v1.StreamDialRequestsRequest;
import com.dialgateway.v1.StreamDialRequestsResponse;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.Timestamp;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Converts between the messages of DialRequestService and the values of this package. */
final class Wire {
  /** The largest message that a gateway reads, in bytes. A larger one ends the stream. */
  static final int MESSAGE_BYTES = 4 << 20;

  /** The largest dial request that a gateway accepts, in bytes; a larger one is REJECTED. */
  static final int DIAL_REQUEST_BYTES = 256 << 10;

  /** The largest message with several requests, in bytes. Proxies often have limits above that. */
  static final int USUAL_MESSAGE_BYTES = 1 << 20;

  /** The largest message that the client reads, in bytes; results may repeat long tokens. */
  static final int RECEIVED_BYTES = 16 << 20;

  // The bytes of a message besides the request and the campaign id: tags, lengths, priority.
  private static final int FRAME_BYTES = 32;
  // The bytes of the field `in_doubt`, which may be set later.
  private static final int MARK_BYTES = 2;

  private static final WireNames<Outcome> OUTCOMES =
      new WireNames<>(Outcome.class, "OUTCOME_", com.dialgateway.v1.Outcome.values());
  private static final WireNames<Reason> REASONS =
      new WireNames<>(Reason.class, "REASON_", com.dialgateway.v1.Reason.values());
  private static final WireNames<RetryAdvice> ADVICE =
      new WireNames<>(RetryAdvice.class, "RETRY_ADVICE_", com.dialgateway.v1.RetryAdvice.values());
  private static final WireNames<NoticeKind> KINDS =
      new WireNames<>(NoticeKind.class, "NOTICE_KIND_", com.dialgateway.v1.NoticeKind.values());

  private Wire() {}

  /** Returns how many bytes one request of a campaign may take. */
  static int largestRequest(String campaign) {
    int room = MESSAGE_BYTES - FRAME_BYTES - campaign.getBytes(StandardCharsets.UTF_8).length;
    return Math.min(room, DIAL_REQUEST_BYTES);
  }

  /** Returns how many bytes a request takes, with {@code in_doubt}. */
  static int sizeOf(com.dialgateway.v1.DialRequest message) {
    return message.getSerializedSize() + (message.getInDoubt() ? 0 : MARK_BYTES);
  }

  /** Returns how many bytes a request takes as an item of a message, with {@code in_doubt}. */
  static int sizeInList(com.dialgateway.v1.DialRequest message) {
    int size = sizeOf(message);
    return 1 + CodedOutputStream.computeUInt32SizeNoTag(size) + size;
  }

  /**
   * Checks a list before it is sent.
   *
   * @throws IllegalArgumentException if it is larger than the messages that a gateway reads
   */
  static void requireSize(PutDialRequestsRequest message) {
    long size = message.getSerializedSize() + (long) MARK_BYTES * message.getDialRequestsCount();
    if (size > MESSAGE_BYTES) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "requests: the list takes %,d bytes as one message, at most %,d are read;"
                  + " send it by dial",
              size,
              MESSAGE_BYTES));
    }
  }

  static com.dialgateway.v1.DialRequest toMessage(DialRequest request) {
    Instant expiresAt = request.expiresAt();
    var message =
        com.dialgateway.v1.DialRequest.newBuilder()
            .setClientToken(request.clientToken())
            .setPhoneNumber(request.phoneNumber())
            .setExpirationTime(
                Timestamp.newBuilder()
                    .setSeconds(expiresAt.getEpochSecond())
                    .setNanos(expiresAt.getNano()))
            .setInDoubt(request.inDoubt());
    if (!request.attributes().isEmpty()) {
      message.putAllAttributes(request.attributes());
    }
    if (request.traceparent() != null) {
      message.setTraceparent(request.traceparent());
    }
    ChannelWire.set(message, request.channel());
    return message.build();
  }

  static StreamDialRequestsRequest streamMessage(
      String campaign, Priority priority, List<com.dialgateway.v1.DialRequest> requests) {
    return StreamDialRequestsRequest.newBuilder()
        .setCampaignId(campaign)
        .setPriority(priority(priority))
        .addAllDialRequests(requests)
        .build();
  }

  static PutDialRequestsRequest putMessage(
      String campaign, Priority priority, List<com.dialgateway.v1.DialRequest> requests) {
    return PutDialRequestsRequest.newBuilder()
        .setCampaignId(campaign)
        .setPriority(priority(priority))
        .addAllDialRequests(requests)
        .build();
  }

  static PutDialRequestsRequest allInDoubt(PutDialRequestsRequest message) {
    PutDialRequestsRequest.Builder marked = message.toBuilder();
    marked.getDialRequestsBuilderList().forEach(request -> request.setInDoubt(true));
    return marked.build();
  }

  static List<DialResult> results(List<com.dialgateway.v1.DialResult> messages) {
    List<DialResult> results = new ArrayList<>(messages.size());
    for (com.dialgateway.v1.DialResult message : messages) {
      results.add(result(message));
    }
    return results;
  }

  /** Returns the notice of a response; null if it has none. */
  static @Nullable Notice notice(StreamDialRequestsResponse response) {
    if (!response.hasNotice()) {
      return null;
    }
    com.dialgateway.v1.Notice sent = response.getNotice();
    return new Notice(
        KINDS.get(sent.getKindValue(), NoticeKind.UNSPECIFIED),
        response.getCampaignId(),
        sent.hasRetryAfter() ? duration(sent.getRetryAfter()) : null,
        sent.getDetail());
  }

  static Reason reason(int number) {
    return REASONS.get(number, Reason.UNSPECIFIED);
  }

  /** Converts a duration. One outside protobuf's range becomes the longest or zero. */
  static Duration duration(com.google.protobuf.Duration sent) {
    try {
      return Duration.ofSeconds(sent.getSeconds(), sent.getNanos());
    } catch (ArithmeticException outOfRange) {
      return sent.getSeconds() < 0 ? Duration.ZERO : Duration.ofSeconds(Long.MAX_VALUE);
    }
  }

  /** Converts an instant. One that Java cannot represent becomes the latest or the earliest. */
  static Instant instant(Timestamp sent) {
    try {
      return Instant.ofEpochSecond(sent.getSeconds(), sent.getNanos());
    } catch (ArithmeticException | DateTimeException outOfRange) {
      return sent.getSeconds() < 0 ? Instant.MIN : Instant.MAX;
    }
  }

  private static DialResult result(com.dialgateway.v1.DialResult message) {
    int outcome = message.getOutcomeValue();
    int reason = message.getReasonValue();
    int advice = message.getRetryAdviceValue();
    return new DialResult(
        message.getClientToken(),
        message.getIndex(),
        // Amazon Connect may have a request whose outcome has no name here.
        OUTCOMES.get(outcome, Outcome.UNKNOWN),
        message.getDialRequestId(),
        REASONS.get(reason, Reason.UNSPECIFIED),
        message.getDetail(),
        ADVICE.get(advice, RetryAdvice.UNSPECIFIED),
        message.hasRetryAfter() ? duration(message.getRetryAfter()) : null,
        message.getAttempts(),
        message.getReplayed(),
        message.getTraceId(),
        unnamed(outcome, reason, advice));
  }

  private static Map<String, Integer> unnamed(int outcome, int reason, int advice) {
    if (OUTCOMES.has(outcome) && REASONS.has(reason) && ADVICE.has(advice)) {
      return Map.of();
    }
    Map<String, Integer> unnamed = new LinkedHashMap<>();
    if (!OUTCOMES.has(outcome)) {
      unnamed.put("outcome", outcome);
    }
    if (!REASONS.has(reason)) {
      unnamed.put("reason", reason);
    }
    if (!ADVICE.has(advice)) {
      unnamed.put("retry_advice", advice);
    }
    return Map.copyOf(unnamed);
  }

  private static com.dialgateway.v1.Priority priority(Priority priority) {
    return switch (priority) {
      case NORMAL -> com.dialgateway.v1.Priority.PRIORITY_NORMAL;
      case HIGH -> com.dialgateway.v1.Priority.PRIORITY_HIGH;
      case BULK -> com.dialgateway.v1.Priority.PRIORITY_BULK;
    };
  }
}
