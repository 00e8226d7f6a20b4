package com.dialgateway;

/** Where the requests of a dial come from. */
interface DialSource {
  /** Starts to read: calls {@link DialSession#offer} and the other methods for sources. */
  void start(DialSession session);

  /** Notes that the session may have more room. Does not block. */
  void roomChanged();

  /** Reads no more, and waits a moment until a read has ended. */
  void close();
}
