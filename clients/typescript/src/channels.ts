/**
 * The channels of one client: all calls share one, which is replaced after it fails or its replica drains.
 *
 * A retired channel is kept by its calls in flight until they end; the next call gets a new one. A new channel
 * resolves the gateway's name again and connects again, so a load balancer may choose another replica. It also starts
 * without the growing reconnect pauses of gRPC; the retry policy has its own.
 */

import type { Transport } from "./transport.js";

/** A channel in use. */
export class Lease {
  users = 0;
  /** Set once the gateway has answered the probe on it. */
  probed = false;

  constructor(readonly transport: Transport) {}
}

/** Lends the current channel to calls. */
export class Channels {
  readonly #open: () => Transport;
  readonly #all = new Set<Lease>();
  #current: Lease | undefined;

  constructor(open: () => Transport) {
    this.#open = open;
  }

  /** Returns the current channel, or a new one, for one call. Call `release` after it. */
  acquire(): Lease {
    if (this.#current === undefined) {
      this.#current = new Lease(this.#open());
      this.#all.add(this.#current);
    }
    this.#current.users += 1;
    return this.#current;
  }

  /** Gives this channel to no new call. */
  retire(lease: Lease): void {
    if (this.#current === lease) this.#current = undefined;
  }

  /** Ends one use, and closes a retired channel after the last one. */
  release(lease: Lease): void {
    lease.users -= 1;
    if (lease.users > 0 || lease === this.#current || !this.#all.delete(lease)) return;
    lease.transport.close();
  }

  /** Closes all channels. */
  close(): void {
    for (const lease of this.#all) lease.transport.close();
    this.#all.clear();
    this.#current = undefined;
  }
}
