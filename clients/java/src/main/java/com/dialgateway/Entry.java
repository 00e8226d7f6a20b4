package com.dialgateway;

/**
 * A request without an answer. {@code expiresAt} is in nanoseconds on the clock of {@link
 * DialState}. The message is kept instead of the request: its size is known exactly, and sending it
 * again costs nothing.
 */
final class Entry {
  final long index;
  final com.dialgateway.v1.DialRequest message;
  final long expiresAt;

  /** Answers that were not passed on, because they advised to send the request again. */
  int tries;

  Entry(long index, com.dialgateway.v1.DialRequest message, long expiresAt) {
    this.index = index;
    this.message = message;
    this.expiresAt = expiresAt;
  }

  String token() {
    return message.getClientToken();
  }
}
