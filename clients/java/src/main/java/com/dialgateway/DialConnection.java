package com.dialgateway;

import com.dialgateway.v1.DialRequestServiceGrpc;
import com.dialgateway.v1.StreamDialRequestsRequest;
import com.dialgateway.v1.StreamDialRequestsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One connection of a dial: a probe if its channel is new, then one stream.
 *
 * <p>At most one thread at a time sends. A message that could still be filled is sent 2 ms after
 * the one before, so a source that is read fast makes few messages, and a lone request does not
 * wait.
 */
final class DialConnection extends ClientCall.Listener<StreamDialRequestsResponse> {
  /** A message costs the gateway as much as several dial requests. */
  private static final long GATHER_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  private final DialSession session;
  private final Link link;
  private volatile Channels.@Nullable Lease lease;
  private volatile @Nullable ClientCall<?, ?> probe;
  private volatile @Nullable ClientCall<StreamDialRequestsRequest, StreamDialRequestsResponse> call;
  // Guarded by the session's lock.
  private boolean sending;
  private boolean cancelled;
  private boolean ended;
  private boolean gathering;
  private long gatherUntil;
  private long lastSentAt;

  DialConnection(DialSession session, Link link) {
    this.session = session;
    this.link = link;
  }

  Link link() {
    return link;
  }

  /** Takes a channel, and probes it if it is new. */
  void open() {
    session.guarded(
        () -> {
          Channels.Lease taken = session.channels().acquire();
          lease = taken;
          if (taken.probed()) {
            startStream();
            return;
          }
          probe =
              Probe.start(
                  taken,
                  session.context(),
                  Probe.NANOS,
                  session.runtime().executor(),
                  end -> session.guarded(() -> afterProbe(end)));
          cancelIfOver();
        });
  }

  /** Cancels the probe and the stream. */
  void cancel() {
    session.locked(() -> cancelled = true);
    cancelCalls();
  }

  /** Whether its end needs no log: it drains, or was half-closed and has answered everything. */
  boolean endIsExpected() {
    return link.draining || (link.halfClosed && link.sent.isEmpty());
  }

  /** When an empty message is due. Call it in the session's lock. */
  long idleDeadline(long now) {
    if (call == null || ended || link.sent.isEmpty() || !session.state().isCurrent(link)) {
      return Nanos.NEVER;
    }
    long due = lastSentAt + session.idleNanos();
    return due > now
        ? due
        : now + session.idleNanos(); // it is due, and sent as soon as gRPC takes it
  }

  /** Starts to send if there is something to send. Call it in the session's lock. */
  void scheduleSending() {
    ClientCall<?, ?> started = call;
    if (started == null || sending || ended || cancelled || !started.isReady()) {
      return;
    }
    if (gathers()) {
      return;
    }
    if (session.state().maySend(link) || idleMessageIsDue()) {
      sending = true;
      session.runtime().execute(() -> session.guarded(this::send));
    }
  }

  // --- callbacks of gRPC -----------------------------------------------------------------------

  @Override
  public void onReady() {
    session.guarded(() -> session.locked(this::scheduleSending));
  }

  @Override
  public void onMessage(StreamDialRequestsResponse response) {
    session.guarded(() -> handle(response));
    ClientCall<?, ?> started = call;
    if (started != null) {
      started.request(1);
    }
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    session.guarded(() -> end(DialSession.endOf(status, trailers)));
  }

  // --- inside ----------------------------------------------------------------------------------

  private void afterProbe(@Nullable CallEnd end) {
    if (end != null || session.underLock(() -> cancelled)) {
      end(end);
    } else {
      startStream();
    }
  }

  private void startStream() {
    Channels.Lease taken = lease;
    if (taken == null) {
      throw new IllegalStateException("a stream starts after a channel was taken");
    }
    CallOptions options = CallOptions.DEFAULT.withExecutor(session.runtime().executor());
    var started =
        taken.channel().newCall(DialRequestServiceGrpc.getStreamDialRequestsMethod(), options);
    started.start(this, session.context().metadata());
    started.request(2);
    session.locked(
        () -> {
          call = started;
          lastSentAt = session.runtime().now();
          session.state().ready(link, lastSentAt);
          session.reconsider();
        });
    cancelIfOver();
  }

  private void cancelIfOver() {
    if (session.underLock(() -> cancelled)) {
      cancelCalls();
    }
  }

  private void cancelCalls() {
    cancel(probe);
    cancel(call);
  }

  private static void cancel(@Nullable ClientCall<?, ?> call) {
    if (call != null) {
      call.cancel("the dial was closed", null);
    }
  }

  private void handle(StreamDialRequestsResponse response) {
    List<DialResult> results = Wire.results(response.getResultsList());
    Notice notice = Wire.notice(response);
    boolean draining = notice != null && notice.kind() == NoticeKind.DRAINING;
    Channels.Lease taken = lease;
    if (draining && taken != null) {
      session.channels().retire(taken);
    }
    session.locked(
        () -> {
          long now = session.runtime().now();
          session.state().settle(link, results, now);
          if (notice != null) {
            session.add(notice);
          }
          if (draining) {
            session.state().drain(link, now);
          }
          session.reconsider();
        });
  }

  private void end(@Nullable CallEnd end) {
    Channels.Lease taken = lease;
    if (end != null && taken != null) {
      session.channels().retire(taken);
    }
    session.locked(() -> ended = true);
    session.ended(this, end);
    if (taken != null) {
      session.channels().release(taken);
    }
  }

  private void send() {
    ClientCall<StreamDialRequestsRequest, StreamDialRequestsResponse> started = call;
    if (started == null) {
      return;
    }
    try {
      while (true) {
        Turn turn = session.underLock(this::nextTurn);
        if (turn.halfClose()) {
          started.halfClose();
          return;
        }
        List<com.dialgateway.v1.DialRequest> requests = turn.requests();
        if (requests == null) {
          return;
        }
        CallContext context = session.context();
        started.sendMessage(Wire.streamMessage(context.campaign(), context.priority(), requests));
      }
    } catch (IllegalStateException theCallHasEnded) {
      // `onClose` reads its status.
      session.locked(() -> ended = true);
    }
  }

  /** What to send next: a list, perhaps an empty one, or the half-close, or nothing. */
  private record Turn(@Nullable List<com.dialgateway.v1.DialRequest> requests, boolean halfClose) {
    static final Turn NOTHING = new Turn(null, false);
  }

  private Turn nextTurn() {
    ClientCall<?, ?> started = call;
    if (ended || cancelled || started == null || !started.isReady()) {
      sending = false;
      return Turn.NOTHING;
    }
    if (session.state().halfClose(link)) {
      sending = false;
      return new Turn(null, true);
    }
    if (gathers()) {
      sending = false;
      return Turn.NOTHING;
    }
    List<com.dialgateway.v1.DialRequest> requests = session.state().nextChunk(link);
    if (requests.isEmpty() && !idleMessageIsDue()) {
      sending = false;
      return Turn.NOTHING;
    }
    lastSentAt = session.runtime().now();
    gatherUntil = lastSentAt + GATHER_NANOS;
    session.sent();
    return new Turn(requests, false);
  }

  /** Whether the next message may yet be filled; if so, it is looked at again in time. */
  private boolean gathers() {
    if (!session.state().maySend(link) || !session.state().mayFill()) {
      return false;
    }
    ClientRuntime runtime = session.runtime();
    if (runtime.now() >= gatherUntil) {
      return false;
    }
    if (!gathering) {
      gathering = true;
      var unused = runtime.at(gatherUntil, () -> session.guarded(this::endGathering));
    }
    return true;
  }

  private void endGathering() {
    session.locked(
        () -> {
          gathering = false;
          scheduleSending();
        });
  }

  /** Whether the stream waits for answers, and has sent nothing for a while. */
  private boolean idleMessageIsDue() {
    return !link.sent.isEmpty()
        && session.state().isCurrent(link)
        && session.runtime().now() >= lastSentAt + session.idleNanos();
  }
}
