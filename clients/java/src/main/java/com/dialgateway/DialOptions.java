package com.dialgateway;

import java.util.Objects;
import java.util.function.Consumer;

/** Options of one dial. Immutable; start with {@link #DEFAULT}. */
public final class DialOptions {
  /** Normal priority; notices are ignored. */
  public static final DialOptions DEFAULT = new DialOptions(Priority.NORMAL, notice -> {});

  private final Priority priority;
  private final Consumer<? super Notice> onNotice;

  private DialOptions(Priority priority, Consumer<? super Notice> onNotice) {
    this.priority = Objects.requireNonNull(priority, "priority");
    this.onNotice = Objects.requireNonNull(onNotice, "onNotice");
  }

  /**
   * Returns a copy with another priority.
   *
   * @param priority how urgent the requests are compared with others at the gateway
   * @return the copy
   */
  public DialOptions withPriority(Priority priority) {
    return new DialOptions(priority, onNotice);
  }

  /**
   * Returns a copy that passes notices on.
   *
   * @param onNotice called with each notice, in the thread that reads the results or calls the
   *     subscriber. The oldest notices are dropped if nobody reads
   * @return the copy
   */
  public DialOptions withOnNotice(Consumer<? super Notice> onNotice) {
    return new DialOptions(priority, onNotice);
  }

  /**
   * Returns the priority.
   *
   * @return what {@link #withPriority} has set
   */
  public Priority priority() {
    return priority;
  }

  Consumer<? super Notice> onNotice() {
    return onNotice;
  }
}
