/**
 * The unary call `put()`.
 *
 * An attempt that ends with UNAVAILABLE, INTERNAL or CANCELLED (not by the client) is repeated with the same tokens. A
 * new connection is probed before the list is sent, so an unreachable gateway leaves no request in doubt. If an attempt
 * fails after the list was sent, its requests are in doubt: the gateway may have sent them to Amazon Connect before
 * the connection broke.
 */

import type { CallContext } from "./callContext.js";
import type { Channels, Lease } from "./channels.js";
import { type CallFailed, DialGatewayError, fromStatus } from "./errors.js";
import { DialRequestService, type PutDialRequestsRequest } from "./gen/dialgateway/v1/dial_request_service_pb.js";
import { InDoubtTokens, matchResults } from "./inDoubt.js";
import { probe } from "./probe.js";
import { NOTHING_TAKEN, pauseMs, RECONNECT_STATUSES, type RetryPolicy } from "./retry.js";
import type { DialRequest, DialResult } from "./values.js";
import { Wakeup } from "./wakeup.js";
import { checkSize, putMessage, results } from "./wire.js";

/** The longest time of a call: 31 years. grpc-js never ends a call whose deadline is more than 11,400 years away. */
const LONGEST_ATTEMPT_MS = 1e12;

/** The attempts of one unary call, without I/O. */
export class PutAttempts {
  readonly message: PutDialRequestsRequest;
  readonly #context: CallContext;
  readonly #requests: readonly DialRequest[];
  readonly #policy: RetryPolicy;
  readonly #jitter: () => number;
  readonly #began: number;
  readonly #deadline: number;
  readonly #inDoubt: InDoubtTokens;
  #tries = 0;

  /** Throws RangeError for a list that is too large. `timeoutMs` is the time for all attempts together. */
  constructor(
    context: CallContext,
    requests: readonly DialRequest[],
    timeoutMs: number,
    policy: RetryPolicy,
    jitter: () => number,
  ) {
    this.message = putMessage(context.campaignId, requests, context.priority);
    checkSize(this.message);
    this.#context = context;
    this.#requests = requests;
    this.#policy = policy;
    this.#jitter = jitter;
    this.#began = context.clock.now();
    this.#deadline = this.#began + timeoutMs;
    this.#inDoubt = new InDoubtTokens(requests.length);
  }

  /** How long the next attempt may take. */
  get msLeft(): number {
    return Math.min(Math.max(this.#deadline - this.#context.clock.now(), 0), LONGEST_ATTEMPT_MS);
  }

  /** Returns the results, in the order of the requests. Throws ProtocolError if they do not match. */
  match(answers: readonly DialResult[]): DialResult[] {
    return matchResults(answers, this.#requests, this.#inDoubt);
  }

  /**
   * Returns the milliseconds to wait before the next attempt; throws `failure` if there is none. `sent`: whether the
   * list had been sent when the attempt failed.
   */
  pauseAfter(failure: CallFailed, sent: boolean): number {
    if (sent && !NOTHING_TAKEN.has(failure.reason)) this.markAll();
    const pause = (failure.retryAfterMs ?? 0) + pauseMs(this.#policy, this.#tries, this.#jitter());
    this.#tries += 1;
    const nextAt = this.#context.clock.now() + pause;
    const givenUp = nextAt >= this.#began + (this.#policy.giveUpAfterMs ?? Infinity);
    const mayRepeat = this.#policy.reconnect && RECONNECT_STATUSES.has(failure.code);
    if (!mayRepeat || givenUp || nextAt >= this.#deadline) throw this.withUnanswered(failure);
    return pause;
  }

  /** Adds the tokens without an answer to an error of the client, and returns it. */
  withUnanswered(error: unknown): unknown {
    if (error instanceof DialGatewayError) {
      error.unanswered = this.#requests.map((request) => request.clientToken);
      error.inDoubt = this.#requests
        .filter((request) => this.#inDoubt.includes(request))
        .map((request) => request.clientToken);
    }
    return error;
  }

  /** Notes that the list was sent, so that Amazon Connect may have its requests. */
  markAll(): void {
    for (const request of this.#requests) this.#inDoubt.add(request.clientToken);
    for (const dialRequest of this.message.dialRequests) dialRequest.inDoubt = true;
  }
}

/** One `put()`. */
export class Put {
  readonly #channels: Channels;
  readonly #context: CallContext;
  readonly #attempts: PutAttempts;
  readonly #aborted = new Wakeup();
  #error: unknown;
  #isAborted = false;
  #cancel: () => void = () => undefined;

  constructor(channels: Channels, context: CallContext, attempts: PutAttempts) {
    this.#channels = channels;
    this.#context = context;
    this.#attempts = attempts;
  }

  /** Repeats the call until there is an answer, or an error that a further attempt would not change. */
  async run(): Promise<DialResult[]> {
    for (;;) {
      const outcome = await this.#tryOnce();
      if (typeof outcome !== "number") return outcome;
      await this.#aborted.wait(outcome);
      this.#throwIfAborted();
    }
  }

  /** Makes `run()` reject with this error. */
  abort(error: unknown): void {
    this.#isAborted = true;
    this.#error = error;
    this.#cancel();
    this.#aborted.set();
  }

  async #tryOnce(): Promise<DialResult[] | number> {
    const lease = this.#channels.acquire();
    try {
      return await this.#attempt(lease);
    } finally {
      this.#channels.release(lease);
    }
  }

  /** Makes one attempt. Returns the answers, or the pause before the next attempt in milliseconds. */
  async #attempt(lease: Lease): Promise<DialResult[] | number> {
    const attempts = this.#attempts;
    const onCancel = this.#cancelWith.bind(this);
    let failure = await probe(lease, this.#context, attempts.msLeft, onCancel);
    this.#throwIfAborted();
    const sent = failure === undefined;
    if (failure === undefined) {
      const options = { metadata: this.#context.metadata, timeoutMs: attempts.msLeft };
      const call = lease.transport.unary(DialRequestService.method.putDialRequests, attempts.message, options);
      onCancel(call.cancel);
      const end = await call.end;
      if ("response" in end) return attempts.match(results(end.response.results));
      failure = fromStatus(end.failure);
    }
    this.#channels.retire(lease);
    if (this.#isAborted && sent) attempts.markAll();
    this.#throwIfAborted();
    const pause = attempts.pauseAfter(failure, sent);
    this.#context.onConnectionLost(failure);
    return pause;
  }

  #cancelWith(cancel: () => void): void {
    this.#cancel = cancel;
    if (this.#isAborted) cancel();
  }

  #throwIfAborted(): void {
    if (this.#isAborted) throw this.#attempts.withUnanswered(this.#error);
  }
}
