package com.dialgateway;

import java.util.Objects;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/** Reads a publisher: asks for as many requests as the window has room for. */
final class PublisherSource implements DialSource, Flow.Subscriber<DialRequest> {
  private final Flow.Publisher<? extends DialRequest> requests;
  private volatile @Nullable DialSession session;
  // Guarded by this object's monitor.
  private Flow.@Nullable Subscription subscription;
  private long asked;
  private boolean closed;

  PublisherSource(Flow.Publisher<? extends DialRequest> requests) {
    this.requests = requests;
  }

  @Override
  public void start(DialSession session) {
    this.session = session;
    requests.subscribe(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    Objects.requireNonNull(subscription, "subscription");
    synchronized (this) {
      if (this.subscription == null && !closed) {
        this.subscription = subscription;
      }
    }
    if (this.subscription == subscription) {
      roomChanged();
    } else {
      subscription.cancel();
    }
  }

  @Override
  public void onNext(DialRequest request) {
    synchronized (this) {
      asked--;
    }
    session().offer(request);
  }

  @Override
  public void onError(Throwable thrown) {
    session().failSource(Objects.requireNonNull(thrown, "thrown"));
  }

  @Override
  public void onComplete() {
    session().endSource();
  }

  @Override
  public void roomChanged() {
    DialSession current = session;
    if (current == null) {
      return;
    }
    int room = current.room();
    Flow.Subscription asking;
    long count;
    synchronized (this) {
      asking = subscription;
      count = room - asked;
      // A few larger requests cost less than many small ones.
      if (asking == null || closed || count < 1 || (asked > 0 && count < room / 4)) {
        return;
      }
      asked += count;
    }
    asking.request(count);
  }

  @Override
  public void close() {
    Flow.Subscription closing;
    synchronized (this) {
      closed = true;
      closing = subscription;
    }
    if (closing != null) {
      closing.cancel();
    }
  }

  private DialSession session() {
    return Objects.requireNonNull(session, "a publisher calls after subscribe()");
  }
}
