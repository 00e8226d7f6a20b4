package com.dialgateway;

/** What happens to the dial requests of a held campaign. */
public enum HeldRequests {
  /** They wait until the release or their expiration. */
  WAIT,
  /** They are answered with the reason {@link Reason#HELD}. */
  ANSWER
}
