/**
 * The state of one `dial()` over any number of connections, without I/O, clock or randomness of its own.
 *
 * ```text
 * source --take()--> waiting --nextChunk()--> sent on a link --settle()--> answered --takeAnswers()-->
 *                       ^                            |  |
 *                       +---------- lost() ----------+  |   the connection ended first: in doubt
 *                       +---- advance() --- pausing <---+   the answer advised to send it again
 * ```
 *
 * A link is one connection's part: the requests sent on it without an answer, by their index on that connection. At
 * most one link is current: new requests go there. Other links are read until they end; they are draining or
 * half-closed.
 *
 * `DialStream` drives this object. It calls `advance()` after every event and at every `deadline()`. Each request is
 * answered exactly once, under its index in the source. Times are in milliseconds.
 */

import { Deque, DueQueue } from "./collections.js";
import { type CallFailed, ProtocolError, StreamBroken } from "./errors.js";
import { expiredResult, InDoubtTokens, overdueResult, resultOfAllAttempts, tooLargeResult } from "./inDoubt.js";
import { type Entry, Link, Overdue } from "./link.js";
import { Reconnection } from "./reconnection.js";
import { NOTHING_TAKEN, resubmitAfterMs, type RetryPolicy } from "./retry.js";
import type { DialRequest, DialResult } from "./values.js";
import { sizeOf, USUAL_MESSAGE_BYTES } from "./wire.js";

/** What a `DialState` must know. */
export interface DialLimits {
  /** How many requests may be read from the source whose answers the caller does not have yet. */
  readonly window: number;
  /** How many requests are sent in one message at most. */
  readonly chunk: number;
  /** How many bytes one request may take in a message; a larger one is answered here. */
  readonly largest: number;
  /** What is sent again, and until when. */
  readonly policy: RetryPolicy;
  /** Returns numbers from 0 to 1. */
  readonly jitter: () => number;
}

/** The requests of one `dial()` and its links. */
export class DialState {
  /** The error that ends the call, if any. */
  failure: CallFailed | undefined;
  readonly #limits: DialLimits;
  readonly #chunk: number;
  #taken = 0;
  #sourceEnded = false;
  readonly #open = new Map<number, Entry>();
  readonly #waiting = new Deque<Entry>();
  readonly #pausing = new DueQueue<Entry>();
  #answers: DialResult[] = [];
  readonly #inDoubt: InDoubtTokens;
  readonly #links = new Set<Link>();
  #current: Link | undefined;
  readonly #reconnection: Reconnection;
  readonly #overdue = new Overdue();

  constructor(limits: DialLimits) {
    this.#limits = limits;
    this.#chunk = Math.min(limits.chunk, limits.window);
    this.#inDoubt = new InDoubtTokens(limits.window);
    this.#reconnection = new Reconnection(limits.policy, limits.jitter);
  }

  // --- the source ---------------------------------------------------------------------------------

  /** Whether one more request may be read: the window has room, and no full chunk is waiting. */
  get hasRoom(): boolean {
    const held = this.#open.size + this.#answers.length;
    return held < this.#limits.window && this.#waiting.length < this.#chunk;
  }

  /** Whether a full chunk waits to be sent. */
  get hasFullChunk(): boolean {
    return this.#waiting.length >= this.#chunk;
  }

  /**
   * Adds a request from the source. `wall` is `now` in milliseconds since the epoch. The request's expiration is
   * given in that, and kept on the monotonic clock of `now`, so that a change of the system's time does not matter.
   */
  take(request: DialRequest, now: number, wall: number): void {
    if (this.#open.size === 0) this.#reconnection.nothingOutstanding();
    const expires = now + (request.expiresAt.getTime() - wall);
    const entry: Entry = { index: this.#taken, request, expires, tries: 0 };
    this.#taken += 1;
    this.#open.set(entry.index, entry);
    const { largest } = this.#limits;
    const size = request.mostBytes > largest ? sizeOf(request) : 0;
    if (size > largest) {
      this.#answer(entry, tooLargeResult(request, entry.index, size, largest, this.#inDoubt.includes(request)));
    } else {
      this.#waiting.push(entry);
    }
  }

  /** Notes that the source has no more requests. */
  endSource(): void {
    this.#sourceEnded = true;
  }

  // --- time ---------------------------------------------------------------------------------------

  /** Does the work that is due at `now`; returns whether the caller must call `connect()` now. */
  advance(now: number): boolean {
    for (let entry = this.#pausing.takeDue(now); entry !== undefined; entry = this.#pausing.takeDue(now)) {
      this.#waiting.push(entry);
    }
    if (this.unreachable && this.#reconnection.failures > 0) {
      // Before a failure the gateway may yet answer.
      this.#answerExpired(now);
      this.#giveUp(now);
    }
    this.#answerOverdue(now);
    const wanted = this.#current === undefined && this.#waiting.length > 0;
    return wanted && this.failure === undefined && now >= this.#reconnection.connectAt;
  }

  /** Returns the time of the next call of `advance()`; undefined if only an event makes it necessary. */
  deadline(): number | undefined {
    let soonest = Math.min(this.#pausing.dueAt ?? Infinity, this.#overdue.lookAt ?? Infinity);
    if (this.unreachable) {
      if (this.#current === undefined) soonest = Math.min(soonest, this.#reconnection.connectAt);
      if (this.#reconnection.failures > 0) {
        for (const entry of this.#waiting) soonest = Math.min(soonest, entry.expires);
        soonest = Math.min(soonest, this.#reconnection.giveUpAt ?? Infinity);
      }
    }
    return soonest === Infinity ? undefined : soonest;
  }

  // --- connections --------------------------------------------------------------------------------

  /** Returns a new link, which becomes the current one. */
  connect(now: number): Link {
    const link = new Link();
    this.#current = link;
    this.#links.add(link);
    this.#reconnection.connecting(now);
    return link;
  }

  /** Notes that the connection of a link is made, so that requests sent from now on may arrive. */
  ready(link: Link, now: number): void {
    link.readyAt ??= now;
  }

  /** Returns the next requests to send on a ready link, and notes them as sent; empty for none. */
  nextChunk(link: Link): DialRequest[] {
    if (link !== this.#current) return [];
    const requests: DialRequest[] = [];
    let size = 0;
    for (let entry = this.#waiting.first; entry !== undefined; entry = this.#waiting.first) {
      size += entry.request.mostBytes;
      if (requests.length === this.#chunk || (requests.length > 0 && size > USUAL_MESSAGE_BYTES)) break;
      this.#waiting.shift();
      link.sent.set(link.count, entry);
      link.count += 1;
      requests.push(this.#inDoubt.marked(entry.request));
    }
    return requests;
  }

  /** Half-closes a link if all requests have been sent; it is then no longer current. */
  halfClose(link: Link): boolean {
    if (link !== this.#current || !this.#allSent) return false;
    link.halfClosed = true;
    this.#current = undefined;
    return true;
  }

  /** Whether new requests go to this link. */
  isCurrent(link: Link): boolean {
    return link === this.#current;
  }

  /** Notes that the gateway reads nothing more from a link: new requests go to another one. */
  drain(link: Link, now: number): void {
    if (!this.#limits.policy.reconnect) return;
    link.draining = true;
    if (link !== this.#current) return;
    this.#current = undefined;
    this.#reconnection.drained(link, now);
  }

  /**
   * Matches each result to its request, by its index on this link and by token.
   *
   * @throws ProtocolError for a result that belongs to no outstanding request. After it the caller could get two
   * answers for one request, or a wrong one.
   */
  settle(link: Link, results: readonly DialResult[], now: number): void {
    for (const result of results) {
      if (link.overdue.delete(result.index)) continue;
      const entry = link.sent.get(result.index);
      if (entry?.request.clientToken !== result.clientToken) {
        const text = `a result for index ${String(result.index)} belongs to no unanswered request`;
        throw new ProtocolError(text, { code: "OK" });
      }
      link.sent.delete(result.index);
      this.#reconnection.answered(link);
      this.#settleOne(entry, result, now);
    }
  }

  /** Notes that a connection has ended, with `failure` or with OK. Outstanding requests wait again. */
  lost(link: Link, failure: CallFailed | undefined, now: number): void {
    this.#links.delete(link);
    if (link === this.#current) this.#current = undefined;
    const complete = link.sent.size === 0;
    this.#waitAgain(link, !NOTHING_TAKEN.has(failure?.reason));
    const ended = failure ?? (complete ? undefined : endedTooEarly());
    if (link.draining || ended === undefined || (link.halfClosed && complete)) return;
    if (!this.#reconnection.failed(link, ended, now)) this.failure = ended;
  }

  // --- the caller ---------------------------------------------------------------------------------

  /** Returns the answers so far. They no longer count against the window. */
  takeAnswers(): DialResult[] {
    const answers = this.#answers;
    if (answers.length > 0) this.#answers = [];
    return answers;
  }

  /** Whether `takeAnswers()` would return any. */
  get hasAnswers(): boolean {
    return this.#answers.length > 0;
  }

  /** Whether the source has ended and the caller has all answers. */
  get finished(): boolean {
    return this.#sourceEnded && this.#open.size === 0 && this.#answers.length === 0;
  }

  /** The tokens of all requests without an answer, oldest first. */
  get unanswered(): string[] {
    return Array.from(this.#open.values(), (entry) => entry.request.clientToken);
  }

  /** Those of `unanswered` that Amazon Connect may have: they were sent, or the caller says so. */
  get inDoubt(): string[] {
    const sent = new Set<number>();
    for (const link of this.#links) for (const entry of link.sent.values()) sent.add(entry.index);
    return [...this.#open.values()]
      .filter((entry) => sent.has(entry.index) || this.#inDoubt.includes(entry.request))
      .map((entry) => entry.request.clientToken);
  }

  /** How many tokens are remembered as in doubt. */
  get remembered(): number {
    return this.#inDoubt.size;
  }

  /** Whether requests wait and there is no connection to send them on. */
  get unreachable(): boolean {
    const connected = this.#current?.readyAt !== undefined;
    return this.#waiting.length > 0 && !connected && this.failure === undefined;
  }

  // --- inside -------------------------------------------------------------------------------------

  /** Whether nothing is left to send, as long as no draining link ends before its answers. */
  get #allSent(): boolean {
    if (!this.#sourceEnded || this.#waiting.length > 0 || this.#pausing.length > 0) return false;
    for (const link of this.#links) if (link.draining && link.sent.size > 0) return false;
    return true;
  }

  /** Puts the requests of a link that has ended before all others. */
  #waitAgain(link: Link, inDoubt: boolean): void {
    const unanswered = [...link.sent.values()];
    link.sent.clear();
    if (inDoubt) for (const entry of unanswered) this.#inDoubt.add(entry.request.clientToken);
    if (unanswered.length > 0) this.#waiting.unshift(unanswered);
  }

  #settleOne(entry: Entry, result: DialResult, now: number): void {
    let answer = result;
    if (result.outcome !== "ACCEPTED") {
      if (result.outcome === "UNKNOWN") this.#inDoubt.add(result.clientToken);
      if (this.#isSentAgain(entry, result, now)) return;
      answer = resultOfAllAttempts(result, this.#inDoubt.includes(entry.request));
    }
    this.#answer(entry, answer.index === entry.index ? answer : { ...answer, index: entry.index });
  }

  /** Schedules a request to be sent again, if the policy and its expiration allow that. */
  #isSentAgain(entry: Entry, result: DialResult, now: number): boolean {
    const pause = resubmitAfterMs(this.#limits.policy, result, entry.tries, this.#limits.jitter());
    if (pause === undefined || now + pause >= entry.expires) return false;
    entry.tries += 1;
    this.#pausing.add(now + pause, entry.index, entry);
    return true;
  }

  #answer(entry: Entry, result: DialResult): void {
    this.#open.delete(entry.index);
    this.#answers.push(result);
  }

  #answerExpired(now: number): void {
    this.#waiting.filter((entry) => {
      if (entry.expires > now) return true;
      const { request, index } = entry;
      this.#answer(entry, expiredResult(request, index, this.#inDoubt.includes(request)));
      return false;
    });
  }

  #answerOverdue(now: number): void {
    for (const entry of this.#overdue.advance(this.#links, now)) {
      this.#inDoubt.add(entry.request.clientToken);
      this.#answer(entry, overdueResult(entry.request, entry.index));
    }
  }

  #giveUp(now: number): void {
    const { giveUpAt } = this.#reconnection;
    if (giveUpAt !== undefined && now >= giveUpAt && this.#waiting.length > 0) {
      this.failure = this.#reconnection.unreachableError();
    }
  }
}

function endedTooEarly(): StreamBroken {
  return new StreamBroken("the gateway ended the stream too early", { code: "OK" });
}
