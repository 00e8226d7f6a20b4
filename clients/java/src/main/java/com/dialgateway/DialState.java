package com.dialgateway;

import io.grpc.Status;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The state of one dial over any number of connections, without I/O, clock or randomness of its
 * own.
 *
 * <pre>
 * source --take()--> waiting --nextChunk()--> sent on a link --settle()--> answered --takeAnswers()-->
 *                       ^                           |  |
 *                       +---------- lost() ---------+  |   the connection ended first: in doubt
 *                       +---- advance() --- pausing <--+   the answer advised to send it again
 * </pre>
 *
 * <p>A link is one connection's part: the requests sent on it without an answer, by their index on
 * that connection. At most one link is current: new requests go there. Other links are read until
 * they end; they are draining or half-closed.
 *
 * <p>{@link DialSession} drives this object. It calls {@link #advance} after every event and at
 * every {@link #deadline}. Each request is answered exactly once, under its index in the source.
 * Not thread-safe. Times are in nanoseconds.
 */
final class DialState {
  private static final Comparator<Pausing> EARLIEST_FIRST =
      Comparator.comparingLong(Pausing::until).thenComparingLong(pausing -> pausing.entry().index);

  /** A request that is sent again at a time. */
  private record Pausing(long until, Entry entry) {}

  private final int window;
  private final int chunk;
  private final int largest;
  private final RetryPolicy policy;
  private final DoubleSupplier jitter;
  private final Map<Long, Entry> open = new LinkedHashMap<>();
  private final Deque<Entry> waiting = new ArrayDeque<>();
  private final PriorityQueue<Pausing> pausing = new PriorityQueue<>(EARLIEST_FIRST);
  private final Deque<DialResult> answers = new ArrayDeque<>();
  private final Set<Link> links = new HashSet<>();
  private final InDoubtTokens inDoubt;
  private final Reconnection reconnection;
  private final Overdue overdue = new Overdue();
  private @Nullable Link current;
  private @Nullable CallEnd failure;
  private long taken;
  private boolean sourceEnded;

  /**
   * Creates the state of a new dial.
   *
   * @param window how many requests may be read from the source whose answers the caller does not
   *     have yet
   * @param chunk how many requests are sent in one message at most
   * @param policy what is sent again, and until when
   * @param jitter returns numbers from 0 to 1
   * @param largest how many bytes one request may take in a message; a larger one is answered here
   */
  DialState(int window, int chunk, RetryPolicy policy, DoubleSupplier jitter, int largest) {
    this.window = window;
    this.chunk = Math.min(chunk, window);
    this.policy = policy;
    this.jitter = jitter;
    this.largest = largest;
    this.inDoubt = new InDoubtTokens(window);
    this.reconnection = new Reconnection(policy, jitter);
  }

  // --- the source ------------------------------------------------------------------------------

  /** Whether one more request may be read: the window has room, and no full chunk is waiting. */
  boolean hasRoom() {
    return room() > 0 && waiting.size() < chunk;
  }

  /** Whether more requests may come at once: the source is read, and has not ended. */
  boolean mayFill() {
    return hasRoom() && !sourceEnded;
  }

  /** How many more requests the window has room for. */
  int room() {
    return window - open.size() - answers.size();
  }

  /**
   * Adds a request of the source.
   *
   * @param message the request
   * @param expiresIn the nanoseconds until it expires, from {@code now}. It is kept on the
   *     monotonic clock of {@code now}, so that a change of the system's time does not matter
   * @param now the time
   */
  void take(com.dialgateway.v1.DialRequest message, long expiresIn, long now) {
    if (open.isEmpty()) {
      reconnection.nothingOutstanding();
    }
    Entry entry = new Entry(taken, message, now + expiresIn);
    taken++;
    open.put(entry.index, entry);
    int size = Wire.sizeOf(message);
    if (size > largest) {
      answer(entry, Answers.tooLarge(entry, size, largest, inDoubt.includes(message)));
    } else {
      waiting.addLast(entry);
    }
  }

  /** Notes that the source has no more requests. */
  void endSource() {
    sourceEnded = true;
  }

  // --- time ------------------------------------------------------------------------------------

  /** Does the work that is due; returns whether {@link #connect} must be called now. */
  boolean advance(long now) {
    while (!pausing.isEmpty() && pausing.element().until() <= now) {
      waiting.addLast(pausing.remove().entry());
    }
    if (unreachable() && reconnection.failures() > 0) { // before, the gateway may yet answer
      answerExpired(now);
      giveUp(now);
    }
    for (Entry entry : overdue.advance(links, now)) {
      inDoubt.add(entry.token());
      answer(entry, Answers.overdue(entry));
    }
    boolean wanted = current == null && !waiting.isEmpty();
    return wanted && failure == null && now >= reconnection.connectAt();
  }

  /** The time of the next {@link #advance}; {@link Nanos#NEVER} if only an event requires it. */
  long deadline() {
    long deadline = overdue.lookAt();
    if (!pausing.isEmpty()) {
      deadline = Math.min(deadline, pausing.element().until());
    }
    if (unreachable()) {
      if (current == null) {
        deadline = Math.min(deadline, reconnection.connectAt());
      }
      if (reconnection.failures() > 0) {
        deadline = Math.min(deadline, reconnection.giveUpAt());
        for (Entry entry : waiting) {
          deadline = Math.min(deadline, entry.expiresAt);
        }
      }
    }
    return deadline;
  }

  // --- connections -----------------------------------------------------------------------------

  /** Returns a new link, which becomes the current one. */
  Link connect(long now) {
    Link link = new Link();
    current = link;
    links.add(link);
    reconnection.connecting(now);
    return link;
  }

  /** Notes that the connection of a link is made, so that requests sent from now on may arrive. */
  void ready(Link link, long now) {
    if (!link.ready) {
      link.ready = true;
      link.readyAt = now;
    }
  }

  /** Returns the next requests to send on a ready link, and notes them as sent; empty for none. */
  List<com.dialgateway.v1.DialRequest> nextChunk(Link link) {
    if (link != current || waiting.isEmpty()) {
      return List.of();
    }
    List<com.dialgateway.v1.DialRequest> messages =
        new ArrayList<>(Math.min(chunk, waiting.size()));
    long size = 0;
    while (!waiting.isEmpty() && messages.size() < chunk) {
      Entry entry = waiting.element();
      size += Wire.sizeInList(entry.message);
      if (!messages.isEmpty() && size > Wire.USUAL_MESSAGE_BYTES) {
        break;
      }
      waiting.remove();
      link.sent.put(link.count, entry);
      link.count++;
      messages.add(inDoubt.marked(entry.message));
    }
    return messages;
  }

  /** Whether a ready link has something to do: {@link #halfClose}, or else {@link #nextChunk}. */
  boolean maySend(Link link) {
    return link == current && (!waiting.isEmpty() || allSent());
  }

  /** Half-closes a link if all requests have been sent; it is then no longer current. */
  boolean halfClose(Link link) {
    if (link != current || !allSent()) {
      return false;
    }
    link.halfClosed = true;
    current = null;
    return true;
  }

  /** Whether new requests go to this link. */
  boolean isCurrent(Link link) {
    return link == current;
  }

  /** Notes that the gateway reads nothing more from a link: new requests go to another one. */
  void drain(Link link, long now) {
    if (!policy.reconnect()) {
      return;
    }
    link.draining = true;
    if (link == current) {
      current = null;
      reconnection.drained(link, now);
    }
  }

  /**
   * Matches each result to its request, by its index on this link and by token.
   *
   * @throws ProtocolException for a result that belongs to no outstanding request. After it the
   *     caller could get two answers for one request, or a wrong one
   */
  void settle(Link link, List<DialResult> results, long now) {
    for (DialResult result : results) {
      if (!link.overdue.isEmpty() && link.overdue.remove(result.index())) {
        continue;
      }
      Entry entry = link.sent.get(result.index());
      if (entry == null || !entry.token().equals(result.clientToken())) {
        String message = "a result for index %d belongs to no unanswered request";
        throw new ProtocolException(
            CallEnd.of((Status.Code) null, message.formatted(result.index())), unanswered());
      }
      link.sent.remove(result.index());
      reconnection.answered(link);
      settleOne(entry, result, now);
    }
  }

  /** Notes that a connection has ended, with a failure or with OK. Its requests wait again. */
  void lost(Link link, @Nullable CallEnd end, long now) {
    links.remove(link);
    List<Entry> left = new ArrayList<>(link.sent.values());
    link.sent.clear();
    for (int i = left.size() - 1; i >= 0; i--) {
      waiting.addFirst(left.get(i));
    }
    if (end == null || !end.nothingTaken()) {
      left.forEach(entry -> inDoubt.add(entry.token()));
    }
    if (link == current) {
      current = null;
    }
    CallEnd reported = end;
    if (end == null && !left.isEmpty()) {
      reported = CallEnd.of((Status.Code) null, "the gateway ended the stream too early");
    }
    if (link.draining || reported == null || (link.halfClosed && left.isEmpty())) {
      return;
    }
    if (!reconnection.failed(link, reported, now)) {
      failure = reported;
    }
  }

  // --- the caller ------------------------------------------------------------------------------

  /** Returns at most {@code max} answers. They no longer count against the window. */
  List<DialResult> takeAnswers(long max) {
    int count = (int) Math.min(max, answers.size());
    List<DialResult> taken = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      taken.add(answers.remove());
    }
    return taken;
  }

  /** Whether {@link #takeAnswers} would return any. */
  boolean hasAnswers() {
    return !answers.isEmpty();
  }

  /** Whether the source has ended and the caller has all answers. */
  boolean finished() {
    return sourceEnded && open.isEmpty() && answers.isEmpty();
  }

  /** Whether the source has ended and every request has its answer. */
  boolean settled() {
    return sourceEnded && open.isEmpty();
  }

  /** The error that ends the dial, if any. */
  @Nullable CallEnd failure() {
    return failure;
  }

  /** The tokens of all requests without an answer, and those of them that are in doubt. */
  Unanswered unanswered() {
    Set<Long> sent = new HashSet<>();
    links.forEach(link -> link.sent.values().forEach(entry -> sent.add(entry.index)));
    Predicate<Entry> doubtful =
        entry -> sent.contains(entry.index) || inDoubt.includes(entry.message);
    Collection<Entry> entries = open.values();
    return new Unanswered(
        entries.stream().map(Entry::token).toList(),
        entries.stream().filter(doubtful).map(Entry::token).toList());
  }

  /** Whether requests wait and there is no connection to send them on. */
  boolean unreachable() {
    boolean connected = current != null && current.ready;
    return !waiting.isEmpty() && !connected && failure == null;
  }

  // --- inside ----------------------------------------------------------------------------------

  int rememberedDoubts() {
    return inDoubt.size();
  }

  /** Whether nothing is left to send, as long as no draining link ends before its answers. */
  private boolean allSent() {
    if (!sourceEnded || !waiting.isEmpty() || !pausing.isEmpty()) {
      return false;
    }
    return links.stream().noneMatch(link -> link.draining && !link.sent.isEmpty());
  }

  private void settleOne(Entry entry, DialResult result, long now) {
    if (result.outcome() == Outcome.ACCEPTED) {
      answer(entry, result);
      return;
    }
    if (result.outcome() == Outcome.UNKNOWN) {
      inDoubt.add(result.clientToken());
    }
    if (!isSentAgain(entry, result, now)) {
      answer(entry, Answers.ofAllAttempts(result, inDoubt.includes(entry.message)));
    }
  }

  /** Schedules a request to be sent again, if the policy and its expiration allow that. */
  private boolean isSentAgain(Entry entry, DialResult result, long now) {
    OptionalLong pause = policy.resubmitAfterNanos(result, entry.tries, jitter.getAsDouble());
    if (pause.isEmpty() || now + pause.getAsLong() >= entry.expiresAt) {
      return false;
    }
    entry.tries++;
    pausing.add(new Pausing(now + pause.getAsLong(), entry));
    return true;
  }

  private void answer(Entry entry, DialResult result) {
    open.remove(entry.index);
    answers.add(result.index() == entry.index ? result : result.withIndex(entry.index));
  }

  private void answerExpired(long now) {
    waiting.removeIf(
        entry -> {
          boolean expired = entry.expiresAt <= now;
          if (expired) {
            answer(entry, Answers.expired(entry, inDoubt.includes(entry.message)));
          }
          return expired;
        });
  }

  private void giveUp(long now) {
    if (!waiting.isEmpty() && now >= reconnection.giveUpAt()) {
      failure = reconnection.unreachableError();
    }
  }
}
