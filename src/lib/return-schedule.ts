/** If so many were refused that the next place is later than this, places are given away twice. */
const MAX_SECONDS = 20;

/**
 * Tells refused callers when to return, so that about as many return per second as can be served. Callers that are refused at
 * the same time get times that differ by up to a factor of three: with equal ones they would return together, to be refused
 * again.
 */
export class ReturnSchedule {
  readonly #now: () => number;
  readonly #random: () => number;
  /** Time of the last place that was given away. */
  #lastAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param now monotonic time in milliseconds
   * @param random 0 to less than 1
   */
  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  /**
   * Gives the next place to a caller.
   * @param intervalMs time between two places
   * @param waiting callers that are served before
   * @returns whole seconds, 1 to 30
   */
  next(intervalMs: number, waiting: number): number {
    const now = this.#now();
    const soonestMs = now + Math.max(1_000, waiting * intervalMs);
    const latestMs = now + MAX_SECONDS * 1_000;
    this.#lastAtMs = Math.min(Math.max(this.#lastAtMs + intervalMs, soonestMs), latestMs);
    const seconds = ((this.#lastAtMs - now) / 1_000) * (0.5 + this.#random());
    // Rounded at random: half of the callers with 1.5 s return after one second, the others after two.
    return Math.max(1, Math.floor(seconds + this.#random()));
  }
}
