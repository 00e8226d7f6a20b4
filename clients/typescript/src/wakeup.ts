/** Waiting: for a flag, for some time, for a promise that somebody settles. */

/** A flag that can be awaited, with an optional time-out. */
export class Wakeup {
  #isSet = false;
  #waiting: (() => void)[] = [];

  /** Sets the flag, and wakes all who wait. */
  set(): void {
    this.#isSet = true;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Clears the flag. */
  clear(): void {
    this.#isSet = false;
  }

  /** Resolves with true when the flag is set, and with false after `timeoutMs` milliseconds. */
  wait(timeoutMs?: number): Promise<boolean> {
    if (this.#isSet) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : after(timeoutMs, () => {
              this.#waiting = this.#waiting.filter((each) => each !== wake);
              resolve(false);
            });
      const wake = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#waiting.push(wake);
    });
  }
}

// The longest time of a timer of Node.js; a longer one would end at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls a function after some milliseconds, or earlier if the time is longer than timers can be. */
export function after(ms: number, act: () => void): NodeJS.Timeout {
  return setTimeout(act, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
}

/** Resolves when a promise does, or after some milliseconds. The promise must not reject. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = after(ms, resolve);
  });
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}

/** A promise, and the functions that settle it. */
export interface Deferred<T> {
  /** The promise. */
  readonly promise: Promise<T>;
  /** Fulfills it. */
  readonly resolve: (value: T) => void;
  /** Rejects it. */
  readonly reject: (error: unknown) => void;
}

/** Returns a promise that its owner settles. Node.js 20 has no `Promise.withResolvers()`. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
