package com.dialgateway;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Finds requests that were sent on an open connection, have expired long ago and have no answer.
 * The gateway answers when a request expires, and a call to Amazon Connect takes a few seconds; so
 * something between client and gateway holds the answer back.
 */
final class Overdue {
  static final long OVERDUE_NANOS = TimeUnit.SECONDS.toNanos(60);
  static final long LOOK_EVERY_NANOS = TimeUnit.SECONDS.toNanos(30);

  private long lookAt = Nanos.NEVER;

  /** The time of the next check; {@link Nanos#NEVER} if none is needed. */
  long lookAt() {
    return lookAt;
  }

  /** Removes the overdue requests from their links and returns them. */
  List<Entry> advance(Collection<Link> links, long now) {
    List<Entry> found = List.of();
    if (now >= lookAt) {
      lookAt = Nanos.NEVER;
      found = new ArrayList<>();
      for (Link link : links) {
        removeOverdue(link, now, found);
      }
    }
    if (lookAt == Nanos.NEVER && links.stream().anyMatch(link -> !link.sent.isEmpty())) {
      lookAt = now + LOOK_EVERY_NANOS;
    }
    return found;
  }

  private static void removeOverdue(Link link, long now, List<Entry> found) {
    Iterator<Map.Entry<Long, Entry>> sent = link.sent.entrySet().iterator();
    while (sent.hasNext()) {
      Map.Entry<Long, Entry> next = sent.next();
      if (next.getValue().expiresAt + OVERDUE_NANOS <= now) {
        link.overdue.add(next.getKey());
        found.add(next.getValue());
        sent.remove();
      }
    }
  }
}
