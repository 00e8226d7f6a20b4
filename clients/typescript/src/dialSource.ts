/** The source of a `dial()`: anything that can be iterated, with or without waiting. */

import { asDialRequest, type DialRequest, type DialRequestInit } from "./values.js";

/** Where `dial()` reads its dial requests from: an array, a generator, an async generator, an object stream. */
export type Requests = Iterable<DialRequestInit> | AsyncIterable<DialRequestInit>;

/** Reads a source, and closes it once. */
export class DialSource {
  readonly #requests: Requests;
  #iterator: Iterator<DialRequestInit> | AsyncIterator<DialRequestInit> | undefined;
  #pending = false;
  #over = false;

  /** The source is not touched before the first `next()`. */
  constructor(requests: Requests) {
    this.#requests = requests;
  }

  /**
   * Returns the next request, undefined at the end, or a promise of it if the source makes its reader wait. Throws or
   * rejects with the error of the source, and with that of an item that is no dial request.
   */
  next(): DialRequest | undefined | Promise<DialRequest | undefined> {
    this.#iterator ??= open(this.#requests);
    let step: IteratorResult<DialRequestInit> | Promise<IteratorResult<DialRequestInit>>;
    try {
      step = this.#iterator.next();
    } catch (error) {
      this.#over = true; // an iterator that throws has ended
      throw error;
    }
    return "then" in step ? this.#wait(step) : this.#taken(step);
  }

  /**
   * Closes the source like the end of a loop does: its `return()` is called. Resolves after that, unless the source is
   * still busy with its next request.
   */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    try {
      const closed = this.#iterator?.return?.();
      if (this.#pending) Promise.resolve(closed).catch(() => undefined);
      else await closed;
    } catch {
      // Its reader has left, as after a `break`; nobody waits for this error.
    }
  }

  async #wait(step: Promise<IteratorResult<DialRequestInit>>): Promise<DialRequest | undefined> {
    this.#pending = true;
    let result: IteratorResult<DialRequestInit>;
    try {
      result = await step;
    } catch (error) {
      this.#over = true;
      throw error;
    } finally {
      this.#pending = false;
    }
    return this.#taken(result);
  }

  #taken(step: IteratorResult<DialRequestInit>): DialRequest | undefined {
    if (step.done !== true) return asDialRequest(step.value);
    this.#over = true;
    return undefined;
  }
}

function open(requests: Requests): Iterator<DialRequestInit> | AsyncIterator<DialRequestInit> {
  if (Symbol.asyncIterator in requests) return requests[Symbol.asyncIterator]();
  return requests[Symbol.iterator]();
}
