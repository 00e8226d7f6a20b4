/** Two small collections that JavaScript lacks. */

/** A queue with two ends, over an array whose first part is already taken. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** How many items it has. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Returns the first item without removing it; undefined if there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Removes and returns the first item; undefined if there is none. */
  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.#head === this.#items.length) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Adds items before the first one, in their order. */
  unshift(items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** Keeps only the items that pass the test. */
  filter(keep: (item: T) => boolean): void {
    this.#items = [...this].filter(keep);
    this.#head = 0;
  }

  /** Iterates over the items, the first one first. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let at = this.#head; at < this.#items.length; at += 1) yield this.#items[at] as T;
  }
}

/** A queue of items by time: a binary heap, whose first item is due first. */
export class DueQueue<T> {
  readonly #items: { readonly at: number; readonly order: number; readonly item: T }[] = [];

  /** How many items it has. */
  get length(): number {
    return this.#items.length;
  }

  /** When the first item is due; undefined if there is none. */
  get dueAt(): number | undefined {
    return this.#items[0]?.at;
  }

  /** Adds an item that is due at a time; among equal times the smaller `order` comes first. */
  add(at: number, order: number, item: T): void {
    const items = this.#items;
    let place = items.length;
    items.push({ at, order, item });
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#swapIfLater(parent, place)) break;
      place = parent;
    }
  }

  /** Removes and returns the first item if it is due; undefined otherwise. */
  takeDue(now: number): T | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.at > now) return undefined;
    const last = items.pop();
    if (items.length > 0 && last !== undefined) {
      items[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      if (left >= this.#items.length) return;
      const child = left + 1 < this.#items.length && this.#isLater(left, left + 1) ? left + 1 : left;
      if (!this.#swapIfLater(place, child)) return;
      place = child;
    }
  }

  #isLater(one: number, other: number): boolean {
    const [first, second] = [this.#items[one], this.#items[other]];
    if (first === undefined || second === undefined) return false;
    return first.at > second.at || (first.at === second.at && first.order > second.order);
  }

  #swapIfLater(upper: number, lower: number): boolean {
    const [first, second] = [this.#items[upper], this.#items[lower]];
    if (first === undefined || second === undefined || !this.#isLater(upper, lower)) return false;
    this.#items[upper] = second;
    this.#items[lower] = first;
    return true;
  }
}
