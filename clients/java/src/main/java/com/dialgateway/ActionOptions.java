package com.dialgateway;

import java.util.Objects;

/** Options of a hold or a purge. Immutable; start with {@link #DEFAULT}. */
public final class ActionOptions {
  /** Held requests wait, and a campaign that the gateway does not know is held in advance. */
  public static final ActionOptions DEFAULT = new ActionOptions(HeldRequests.WAIT, false);

  private final HeldRequests heldRequests;
  private final boolean knownOnly;

  private ActionOptions(HeldRequests heldRequests, boolean knownOnly) {
    this.heldRequests = Objects.requireNonNull(heldRequests, "heldRequests");
    this.knownOnly = knownOnly;
  }

  /**
   * Returns a copy with another treatment of held requests.
   *
   * @param heldRequests what happens to the requests of a held campaign; a purge ignores it
   * @return the copy
   */
  public ActionOptions withHeldRequests(HeldRequests heldRequests) {
    return new ActionOptions(heldRequests, knownOnly);
  }

  /**
   * Returns a copy that refuses campaigns that the gateway does not know, with NOT_FOUND.
   *
   * @param knownOnly whether to refuse them
   * @return the copy
   */
  public ActionOptions withKnownOnly(boolean knownOnly) {
    return new ActionOptions(heldRequests, knownOnly);
  }

  HeldRequests heldRequests() {
    return heldRequests;
  }

  boolean knownOnly() {
    return knownOnly;
  }
}
