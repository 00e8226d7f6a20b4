package com.dialgateway;

import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * The tokens of requests that Amazon Connect may have: they were sent on a connection that ended
 * before their answer, or were answered UNKNOWN. When it is full, the oldest token is forgotten.
 */
final class InDoubtTokens {
  /** Tokens that are remembered beyond those of outstanding requests; a few megabytes at most. */
  private static final int REMEMBERED = 10_000;

  private final int maxTokens;
  private final Set<String> tokens = new LinkedHashSet<>();

  /**
   * Creates an empty set.
   *
   * @param outstanding how many requests may be without an answer; there is always room for five
   *     times as many
   */
  InDoubtTokens(int outstanding) {
    this.maxTokens = (int) Math.min(Integer.MAX_VALUE, Math.max(REMEMBERED, 5L * outstanding));
  }

  /** Notes that Amazon Connect may have the request with this token. */
  void add(String token) {
    tokens.remove(token);
    tokens.add(token);
    if (tokens.size() > maxTokens) {
      Iterator<String> oldest = tokens.iterator();
      oldest.next();
      oldest.remove();
    }
  }

  /** Returns the message to send: with {@code in_doubt} set if the request is in doubt. */
  com.dialgateway.v1.DialRequest marked(com.dialgateway.v1.DialRequest message) {
    if (message.getInDoubt() || !tokens.contains(message.getClientToken())) {
      return message;
    }
    return message.toBuilder().setInDoubt(true).build();
  }

  /** Whether Amazon Connect may have the request from an earlier attempt. */
  boolean includes(com.dialgateway.v1.DialRequest message) {
    return message.getInDoubt() || tokens.contains(message.getClientToken());
  }

  int size() {
    return tokens.size();
  }
}
