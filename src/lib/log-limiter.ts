import { BoundedCache } from './bounded-cache.ts';

/**
 * Admits one log line per interval and kind, and counts the rest. An outage at thousands of requests per second must not
 * flood the log.
 */
export class LogLimiter {
  readonly #now: () => number;
  readonly #intervalMs: number;
  readonly #kinds = new BoundedCache<string, { nextAtMs: number; suppressed: number }>({ maxEntries: 1_000 });

  constructor(now: () => number, intervalMs = 1_000) {
    this.#now = now;
    this.#intervalMs = intervalMs;
  }

  /** @returns the number of lines suppressed since the last admitted one; `undefined` if this line is suppressed */
  admit(kind: string): number | undefined {
    const nowMs = this.#now();
    const state = this.#kinds.get(kind) ?? { nextAtMs: 0, suppressed: 0 };
    this.#kinds.set(kind, state);
    // A longer wait than the interval is one from before the clock went back.
    if (nowMs < state.nextAtMs && state.nextAtMs <= nowMs + this.#intervalMs) {
      state.suppressed += 1;
      return undefined;
    }
    const { suppressed } = state;
    state.nextAtMs = nowMs + this.#intervalMs;
    state.suppressed = 0;
    return suppressed;
  }
}
