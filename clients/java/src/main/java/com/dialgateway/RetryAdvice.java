package com.dialgateway;

/** Whether and how to send a dial again. */
public enum RetryAdvice {
  /** Not necessary: the request was accepted. Also an advice that only a newer gateway knows. */
  UNSPECIFIED,
  /** Send it again with the same token. */
  SAME_TOKEN,
  /** The token belongs to another dial. If this one is also wanted, give it its own token. */
  NEW_TOKEN,
  /** Do not send it again unchanged. */
  NEVER
}
