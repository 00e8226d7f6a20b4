/** What every call of one client needs to know. */

import type { CallFailed } from "./errors.js";
import type { CallMetadata } from "./transport.js";
import type { Priority } from "./values.js";

/** The clocks of a call, in milliseconds. */
export interface Clock {
  /** A monotonic clock. */
  now(): number;
  /** The time since the epoch. */
  wall(): number;
}

/** The clocks of Node.js. */
export const SYSTEM_CLOCK: Clock = { now: () => performance.now(), wall: () => Date.now() };

/** Campaign, priority and metadata of one call, and the clock of its waits. */
export interface CallContext {
  /** The campaign of all its requests. */
  readonly campaignId: string;
  /** How urgent its requests are. */
  readonly priority: Priority;
  /** Sent with each call. */
  readonly metadata: CallMetadata;
  /** The clocks of its waits. */
  readonly clock: Clock;
  /**
   * After this many milliseconds without a message, a stream that waits for answers sends an empty one. A ping
   * reaches only the next proxy. A message reaches the gateway, so proxies see that the stream is in use, and report
   * it if the gateway has ended.
   */
  readonly idleMessageMs: number;
  /** Receives the failure with which a connection has ended, unless that was expected. */
  readonly onConnectionLost: (failure: CallFailed) => void;
}
