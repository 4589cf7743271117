import { FairQueue } from './fair-queue.ts';

/** An item and the time at which it was queued. */
interface Queued<T> {
  item: T;
  atMs: number;
}

/**
 * A fair queue that serves its items in order while they are young. An item that has waited for longer than the limit comes
 * after all younger ones, because its caller may no longer wait: serving it first would make the next ones too old as well.
 * Of these late items the newest comes first, and a full queue drops the oldest.
 */
export class AgingQueue<T> {
  readonly #young = new FairQueue<Queued<T>>();
  /** In the order in which they became late. */
  readonly #late: Queued<T>[] = [];
  readonly #limitMs: number;
  readonly #now: () => number;

  /** @param now monotonic time in milliseconds */
  constructor(limitMs: number, now: () => number) {
    this.#limitMs = limitMs;
    this.#now = now;
  }

  get size(): number {
    return this.#young.size + this.#late.length;
  }

  push(owner: readonly string[], item: T): void {
    this.#young.push(owner, { item, atMs: this.#now() });
  }

  /** Removes the next item. Each item becomes late at most once, so this takes constant time on average. */
  shift(): T | undefined {
    const lateBeforeMs = this.#now() - this.#limitMs;
    for (let next = this.#young.shift(); next !== undefined; next = this.#young.shift()) {
      if (next.atMs >= lateBeforeMs) return next.item;
      this.#late.push(next);
    }
    return this.#late.pop()?.item;
  }

  /** Removes the item with the least use: the oldest late one, or the newest of the owner with the most items. */
  drop(): T | undefined {
    return (this.#late.shift() ?? this.#young.dropFromLongest())?.item;
  }
}
