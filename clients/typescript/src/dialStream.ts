/**
 * One `dial()`: it reads the source, runs the calls and drives one `DialState`.
 *
 * ```text
 * source --#readSource--> DialState --#write--> gRPC --#runCall--> DialState --receive()--> caller
 *                             ^--#update: opens a link when one is needed
 * ```
 *
 * The source is read until it has to wait, a chunk is full or the window is full. Only then are requests sent. So
 * chunks are as full as the source allows, and no request waits for others to join it.
 */

import type { CallContext } from "./callContext.js";
import type { Channels, Lease } from "./channels.js";
import type { DialState } from "./dialState.js";
import { type CallFailed, DialGatewayError, fromStatus } from "./errors.js";
import {
  DialRequestService,
  type StreamDialRequestsRequest,
  type StreamDialRequestsResponse,
} from "./gen/dialgateway/v1/dial_request_service_pb.js";
import type { Link } from "./link.js";
import { probe, PROBE_MS } from "./probe.js";
import { DialSource, type Requests } from "./dialSource.js";
import type { RpcStatus, StreamCall } from "./transport.js";
import type { DialResult, Notice } from "./values.js";
import { after, atMost, deferred, Wakeup } from "./wakeup.js";
import { notice, results, streamMessage } from "./wire.js";

/** Milliseconds that the gateway has to end a stream after its last answer, before the client cancels it. */
const STREAM_END_MS = 1000;
// Notices kept for a caller that does not read; the oldest are dropped first.
const MAX_NOTICES = 256;

/** The calls of one `dial()`. Call `start()` once, and `close()` at its end. */
export class DialStream {
  readonly #channels: Channels;
  readonly #context: CallContext;
  readonly #source: DialSource;
  readonly #state: DialState;
  readonly #room = new Wakeup(); // the source may be read
  readonly #toSend = new Wakeup(); // the writer may have something to send
  readonly #forCaller = new Wakeup(); // there may be an answer, a notice or a failure
  readonly #runs = new Set<Promise<void>>();
  readonly #cancels = new Set<() => void>();
  #notices: Notice[] = [];
  #failed = false;
  #failure: unknown;
  #stopped = false;
  #finishing = false;
  #flushing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(channels: Channels, context: CallContext, requests: Requests, state: DialState) {
    this.#channels = channels;
    this.#context = context;
    this.#source = new DialSource(requests);
    this.#state = state;
  }

  /** Begins to read the source. */
  start(): void {
    void this.#readSource();
  }

  // --- the caller ---------------------------------------------------------------------------------

  /** Returns the next results, or undefined at the end. Throws the error that ended the stream. */
  async receive(onNotice: ((notice: Notice) => void) | undefined): Promise<DialResult[] | undefined> {
    for (;;) {
      for (const each of this.#takeNotices()) onNotice?.(each);
      const answers = this.#state.takeAnswers();
      if (answers.length > 0) {
        this.#room.set();
        return answers;
      }
      if (this.#state.finished) {
        await this.#waitForEnd();
        return undefined;
      }
      if (this.#failed) throw this.#withUnanswered(this.#failure);
      if (this.#state.failure !== undefined) throw this.#withUnanswered(this.#state.failure);
      this.#forCaller.clear();
      await this.#forCaller.wait();
    }
  }

  /** Ends the stream: `receive()` throws this error after the answers that have arrived. */
  abort(error: unknown): void {
    this.#fail(error);
    this.#stop();
  }

  /** Cancels everything, and resolves when all calls have ended and the source is closed. */
  async close(): Promise<void> {
    this.#stop();
    await Promise.all([...this.#runs, this.#source.close()]);
  }

  #takeNotices(): Notice[] {
    const notices = this.#notices;
    if (notices.length > 0) this.#notices = [];
    return notices;
  }

  #withUnanswered(error: unknown): unknown {
    if (error instanceof DialGatewayError) {
      error.unanswered = this.#state.unanswered;
      error.inDoubt = this.#state.inDoubt;
    }
    return error;
  }

  // The gateway would count a cancelled stream as aborted, although it is about to end by itself.
  async #waitForEnd(): Promise<void> {
    this.#finishing = true;
    clearTimeout(this.#timer);
    this.#toSend.set();
    if (this.#runs.size > 0) await atMost(STREAM_END_MS, Promise.all(this.#runs));
  }

  #fail(error: unknown): void {
    if (!this.#failed) {
      this.#failed = true;
      this.#failure = error;
    }
    this.#forCaller.set();
  }

  #stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const cancel of this.#cancels) cancel();
    this.#wakeAll();
  }

  // --- the source ---------------------------------------------------------------------------------

  async #readSource(): Promise<void> {
    try {
      while (!this.#stopped) {
        if (!this.#state.hasRoom) {
          this.#room.clear();
          await this.#room.wait();
          continue;
        }
        const step = this.#source.next();
        const request = step instanceof Promise ? await step : step; // a plain source needs no turn of the loop
        if (request === undefined) break;
        this.#take(request);
      }
      this.#state.endSource();
    } catch (error) {
      this.#fail(error);
    }
    this.#update();
  }

  #take(request: NonNullable<Awaited<ReturnType<DialSource["next"]>>>): void {
    const { clock } = this.#context;
    this.#state.take(request, clock.now(), clock.wall());
    if (this.#state.hasAnswers) this.#forCaller.set(); // a request that is too large is answered at once
    if (this.#state.unreachable) this.#update();
    if (this.#state.hasFullChunk) this.#toSend.set();
    else this.#flushSoon();
  }

  /** Lets the writer run as soon as the source has no further request ready. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#toSend.set();
    });
  }

  // --- connections --------------------------------------------------------------------------------

  /** Opens a link if one is needed, wakes everybody, and sets the timer for what is due next. */
  #update(): void {
    if (this.#stopped || this.#finishing) return;
    const { clock } = this.#context;
    const now = clock.now();
    if (this.#state.advance(now)) this.#start(this.#state.connect(now));
    this.#wakeAll();
    clearTimeout(this.#timer);
    const deadline = this.#state.failure === undefined ? this.#state.deadline() : undefined;
    if (deadline === undefined) return;
    this.#timer = after(deadline - clock.now(), () => {
      this.#update();
    });
  }

  #wakeAll(): void {
    this.#room.set();
    if (!this.#flushing) this.#toSend.set();
    this.#forCaller.set();
  }

  #start(link: Link): void {
    const run = this.#runLink(link)
      .catch((error: unknown) => {
        this.#fail(error);
      })
      .finally(() => {
        this.#runs.delete(run);
      });
    this.#runs.add(run);
  }

  async #runLink(link: Link): Promise<void> {
    const lease = this.#channels.acquire();
    try {
      const failure = (await this.#probe(lease)) ?? (await this.#runCall(link, lease));
      if (failure !== undefined) this.#channels.retire(lease);
      if (this.#stopped) return;
      this.#report(failure, link);
      this.#state.lost(link, failure, this.#context.clock.now());
      this.#update();
    } finally {
      this.#channels.release(lease);
    }
  }

  async #probe(lease: Lease): Promise<CallFailed | undefined> {
    let cancel: (() => void) | undefined;
    try {
      return await probe(lease, this.#context, PROBE_MS, (cancelProbe) => {
        cancel = cancelProbe;
        this.#cancels.add(cancel);
      });
    } finally {
      if (cancel !== undefined) this.#cancels.delete(cancel);
    }
  }

  /** Runs a link's call to its end. Returns the failure that ended it, undefined for OK. */
  async #runCall(link: Link, lease: Lease): Promise<CallFailed | undefined> {
    if (this.#stopped) return undefined;
    const ended = deferred<RpcStatus>();
    const call = lease.transport.bidi(DialRequestService.method.streamDialRequests, this.#context.metadata, {
      onMessage: (response) => {
        this.#handleResponse(response, link, lease, ended.reject);
      },
      onEnd: ended.resolve,
    });
    this.#cancels.add(call.cancel);
    this.#state.ready(link, this.#context.clock.now());
    const writing = { over: false };
    this.#write(call, link, writing).catch(ended.reject);
    try {
      const status = await ended.promise;
      return status.code === "OK" ? undefined : fromStatus(status);
    } finally {
      writing.over = true;
      this.#toSend.set();
      this.#cancels.delete(call.cancel);
      call.cancel();
    }
  }

  #handleResponse(
    response: StreamDialRequestsResponse,
    link: Link,
    lease: Lease,
    onFailure: (error: unknown) => void,
  ): void {
    if (this.#stopped) return;
    const now = this.#context.clock.now();
    try {
      this.#state.settle(link, results(response.results), now);
    } catch (error) {
      onFailure(error);
      return;
    }
    const sent = notice(response);
    if (sent !== undefined) {
      if (this.#notices.length === MAX_NOTICES) this.#notices.shift();
      this.#notices.push(sent);
      if (sent.kind === "DRAINING") {
        this.#channels.retire(lease);
        this.#state.drain(link, now);
      }
    }
    this.#update();
  }

  #report(failure: CallFailed | undefined, link: Link): void {
    const finished = link.halfClosed && link.sent.size === 0;
    if (failure !== undefined && !link.draining && !finished) this.#context.onConnectionLost(failure);
  }

  async #write(
    call: StreamCall<StreamDialRequestsRequest>,
    link: Link,
    writing: { readonly over: boolean },
  ): Promise<void> {
    const { campaignId, priority, idleMessageMs } = this.#context;
    const state = this.#state;
    while (!writing.over && state.isCurrent(link) && !state.halfClose(link)) {
      const chunk = state.nextChunk(link);
      if (chunk.length > 0) {
        this.#room.set();
        await call.write(streamMessage(campaignId, chunk, priority));
        continue;
      }
      this.#toSend.clear();
      const woken = await this.#toSend.wait(idleMessageMs);
      if (!woken && link.sent.size > 0) await call.write(streamMessage(campaignId, [], priority));
    }
    if (link.halfClosed && !writing.over) call.halfClose();
  }
}
