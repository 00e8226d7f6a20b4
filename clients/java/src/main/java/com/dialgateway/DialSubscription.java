package com.dialgateway;

import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Passes the answers of one dial to a subscriber, as many as it asks for. The subscriber is called
 * by one thread at a time, of the client's executor.
 */
final class DialSubscription implements Flow.Subscription {
  private final DialSession session;
  private final DialOptions options;
  private final Flow.Subscriber<? super DialResult> subscriber;
  private final AtomicLong demand = new AtomicLong();
  private final AtomicInteger calls = new AtomicInteger();
  private volatile boolean done;
  private volatile @Nullable IllegalArgumentException wrongRequest;

  DialSubscription(
      DialSession session, DialOptions options, Flow.Subscriber<? super DialResult> subscriber) {
    this.session = session;
    this.options = options;
    this.subscriber = subscriber;
  }

  /** Starts the dial, and tells the subscriber. */
  void start() {
    subscriber.onSubscribe(this);
    if (done) {
      return;
    }
    try {
      session.start(this::wake);
    } catch (RuntimeException failure) { // the publisher of requests refuses to be subscribed
      session.failSource(failure);
    }
  }

  @Override
  public void request(long n) {
    if (n <= 0) {
      wrongRequest = new IllegalArgumentException("a subscriber must request at least 1");
    } else {
      demand.accumulateAndGet(n, (a, b) -> a + b < 0 ? Long.MAX_VALUE : a + b);
    }
    wake();
  }

  @Override
  public void cancel() {
    done = true;
    session.runtime().execute(session::close);
  }

  /** Lets a thread of the executor see what there is, unless one is about to. */
  private void wake() {
    if (calls.getAndIncrement() == 0) {
      session.runtime().execute(this::emitAll);
    }
  }

  private void emitAll() {
    int seen = 1;
    while (seen != 0) {
      while (!done && emit()) {}
      seen = calls.addAndGet(-seen);
    }
  }

  /** Passes on what there is. Returns whether there may be more. */
  private boolean emit() {
    IllegalArgumentException wrong = wrongRequest;
    if (wrong != null) {
      fail(wrong);
      return false;
    }
    DialSession.Delivery delivery;
    try {
      delivery = session.poll(demand.get());
    } catch (Throwable failure) { // of the gateway, or of the source
      fail(failure);
      return false;
    }
    return delivery != null && pass(delivery);
  }

  private boolean pass(DialSession.Delivery delivery) {
    try {
      delivery.notices().forEach(options.onNotice());
      for (DialResult result : delivery.results()) {
        if (done) {
          return false;
        }
        subscriber.onNext(result);
      }
      demand.addAndGet(-delivery.results().size());
      if (delivery.finished() && !done) {
        done = true;
        session.closeAfterStreamEnd();
        subscriber.onComplete();
      }
    } catch (RuntimeException brokenRule) { // a subscriber must not throw
      ClientRuntime.logError("a subscriber of dial results threw", brokenRule);
      cancel();
    }
    return !delivery.results().isEmpty() || !delivery.notices().isEmpty();
  }

  private void fail(Throwable failure) {
    done = true;
    session.close();
    subscriber.onError(failure);
  }
}
