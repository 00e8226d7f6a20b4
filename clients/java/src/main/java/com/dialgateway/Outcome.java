package com.dialgateway;

/**
 * The outcome of a dial request. Only with {@link #ACCEPTED} and {@link #UNKNOWN} may Amazon
 * Connect dial. An outcome that only a newer gateway knows is read as {@link #UNKNOWN}.
 */
public enum Outcome {
  /** Amazon Connect has the request. */
  ACCEPTED,
  /** Refused permanently: the same request would be refused again. */
  REJECTED,
  /** It expired first. Amazon Connect does not have it. */
  EXPIRED,
  /** Amazon Connect does not have it. The same token may be sent again. */
  NOT_ACCEPTED,
  /**
   * Amazon Connect may have it. Send the same token again to find out; nobody is dialed twice by
   * that.
   */
  UNKNOWN
}
