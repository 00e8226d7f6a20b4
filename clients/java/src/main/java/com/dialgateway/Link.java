package com.dialgateway;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** One connection's part of a dial: the requests that were sent on it and have no answer. */
final class Link {
  /** The requests without an answer, by their index on this connection, in the order of sending. */
  final Map<Long, Entry> sent = new LinkedHashMap<>();

  /** Indexes that the client has answered itself; a later answer is ignored. */
  final Set<Long> overdue = new HashSet<>();

  /** How many requests were sent. */
  long count;

  /** Whether the connection is made; nothing is sent before. */
  boolean ready;

  /** When it was made. */
  long readyAt;

  /** Whether an answer has come over it. */
  boolean heard;

  boolean draining;
  boolean halfClosed;
}
