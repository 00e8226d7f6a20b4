/** One connection's part of a `dial()`: the requests that were sent on it and have no answer. */

import type { DialRequest } from "./values.js";

/**
 * A request on an open connection is overdue this many milliseconds after its expiration. The gateway answers
 * when a request expires, and a call to Amazon Connect takes a few seconds. So something between client and
 * gateway holds the answer back.
 */
export const OVERDUE_MS = 60_000;
/** Checks for overdue requests are this many milliseconds apart. */
export const LOOK_EVERY_MS = 30_000;

/** A request without an answer. Times are on the clock of the caller of `DialState`. */
export interface Entry {
  /** Its position in the source. */
  readonly index: number;
  /** The request. */
  readonly request: DialRequest;
  /** When it expires. */
  readonly expires: number;
  /** Answers that were not given to the caller, because they advised to send the request again. */
  tries: number;
}

/** The outstanding requests of one connection, by their index on that connection. */
export class Link {
  readonly sent = new Map<number, Entry>();
  /** Answered by the client; a later answer is ignored. */
  readonly overdue = new Set<number>();
  count = 0;
  /** When the connection was made; nothing is sent before. */
  readyAt: number | undefined;
  heard = false;
  draining = false;
  halfClosed = false;
}

/** Finds overdue requests. */
export class Overdue {
  /** The time of the next check; undefined if none is needed. */
  lookAt: number | undefined;

  /** Removes the overdue requests from their links and returns them. */
  advance(links: ReadonlySet<Link>, now: number): Entry[] {
    const found: Entry[] = [];
    if (this.lookAt !== undefined && now >= this.lookAt) {
      this.lookAt = undefined;
      for (const link of links) found.push(...takeOverdue(link, now));
    }
    this.lookAt ??= hasSent(links) ? now + LOOK_EVERY_MS : undefined;
    return found;
  }
}

function takeOverdue(link: Link, now: number): Entry[] {
  const late = [...link.sent].filter(([, entry]) => entry.expires + OVERDUE_MS <= now);
  for (const [index] of late) {
    link.sent.delete(index);
    link.overdue.add(index);
  }
  return late.map(([, entry]) => entry);
}

function hasSent(links: ReadonlySet<Link>): boolean {
  for (const link of links) if (link.sent.size > 0) return true;
  return false;
}
