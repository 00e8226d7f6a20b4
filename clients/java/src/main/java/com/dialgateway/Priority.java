package com.dialgateway;

/** How urgent dial requests are compared with others at the same gateway. */
public enum Priority {
  /** The default. */
  NORMAL,
  /** Before {@link #NORMAL}: a person is waiting. */
  HIGH,
  /** After {@link #NORMAL}: any time before the expiration is acceptable. */
  BULK
}
