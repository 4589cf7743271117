import { AgingQueue } from '../lib/aging-queue.ts';
import type { Trust } from './recent-failures.ts';

/** Share of the turns, and of the places of a full queue, of each class. */
const TURNS: readonly Trust[] = ['clean', 'targeted', 'clean', 'failing'];
/** Callers wait for at least two seconds, and the comparison and the response take time as well. */
const WAIT_LIMIT_MS = 1_000;
/** From the least trusted class on. */
const SHED_ORDER: readonly Trust[] = ['failing', 'targeted', 'clean'];

/**
 * A fair queue for each class of trust. While all classes wait, half of the turns and of the places belong to `clean` items
 * and a quarter to each of the others. Unused turns and places belong to the others. In each class, items that have waited for
 * longer than a second come last.
 */
export class TrustQueue<T> {
  readonly #limit: number;
  readonly #queues: Record<Trust, AgingQueue<T>>;
  #turn = 0;

  /**
   * @param limit maximum number of items
   * @param now monotonic time in milliseconds
   */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    const queue = () => new AgingQueue<T>(WAIT_LIMIT_MS, now);
    this.#queues = { clean: queue(), targeted: queue(), failing: queue() };
  }

  get size(): number {
    const { clean, targeted, failing } = this.#queues;
    return clean.size + targeted.size + failing.size;
  }

  sizeOf(trust: Trust): number {
    return this.#queues[trust].size;
  }

  /**
   * Appends an item. A full queue sheds from the least trusted class that has more than its share: an item that waited too
   * long, or the newest item of the longest owner.
   * @returns the shed item, which may be the new one
   */
  push(trust: Trust, owner: readonly string[], item: T): { shed: T; trust: Trust } | undefined {
    this.#queues[trust].push(owner, item);
    if (this.size <= this.#limit) return undefined;
    const from = SHED_ORDER.find((one) => this.sizeOf(one) > this.#limit * shareOf(one)) ?? trust;
    return { shed: this.#queues[from].drop() as T, trust: from };
  }

  /** Removes the next item. @param among the classes that may have a turn */
  shift(among: (trust: Trust) => boolean): { item: T; trust: Trust } | undefined {
    for (let skipped = 0; skipped < TURNS.length; skipped += 1) {
      const trust = TURNS[(this.#turn + skipped) % TURNS.length] as Trust;
      if (!among(trust) || this.sizeOf(trust) === 0) continue;
      this.#turn = (this.#turn + skipped + 1) % TURNS.length;
      return { item: this.#queues[trust].shift() as T, trust };
    }
    return undefined;
  }
}

function shareOf(trust: Trust): number {
  return TURNS.filter((turn) => turn === trust).length / TURNS.length;
}
