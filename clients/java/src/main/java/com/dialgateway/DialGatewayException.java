package com.dialgateway;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Any failure of a call to the gateway. A dial request that is refused is no failure but a {@link
 * DialResult}.
 *
 * <pre>
 * DialGatewayException
 * ├── ClientClosedException             the client was closed before or during the call
 * ├── CallInterruptedException          the thread that waited was interrupted
 * └── CallFailedException               the gateway or the connection ended the call
 *     ├── GatewayUnavailableException   the gateway is unreachable or shutting down
 *     ├── GatewayOverloadedException    the gateway has no room for this call
 *     ├── CallTimeoutException          no answer within the timeout of a put
 *     ├── AccessDeniedException         this caller may not do this
 *     └── StreamBrokenException         the stream ended for another reason
 *         └── ProtocolException         the gateway broke the contract
 * </pre>
 *
 * <p>Send the requests in {@link #unanswered()} again with the same tokens; nobody is dialed twice
 * by that. No message contains a phone number or an attribute.
 */
public abstract sealed class DialGatewayException extends RuntimeException
    permits ClientClosedException, CallInterruptedException, CallFailedException {
  private static final long serialVersionUID = 1L;

  /** The tokens without an answer. */
  private final transient Unanswered unanswered;

  DialGatewayException(String message, @Nullable Throwable cause, Unanswered unanswered) {
    super(unanswered.explain(message), cause);
    this.unanswered = unanswered;
  }

  /**
   * Returns the tokens of the requests without an answer.
   *
   * @return the tokens, oldest first
   */
  public final List<String> unanswered() {
    return unanswered == null ? List.of() : unanswered.tokens();
  }

  /**
   * Returns those of {@link #unanswered()} that Amazon Connect may have, because they were sent or
   * the caller said so. The others were never sent.
   *
   * @return the tokens, oldest first
   */
  public final List<String> inDoubt() {
    return unanswered == null ? List.of() : unanswered.inDoubt();
  }
}
