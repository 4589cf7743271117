import { BoundedCache } from './bounded-cache.ts';

const INTERVAL_MS = 1_000;

/**
 * Lets one line a second through for each kind of event and counts the rest: an outage at thousands of requests a
 * second is one event to whoever reads the log, and must not become a second outage.
 */
export class LogLimiter {
  readonly #now: () => number;
  readonly #kinds = new BoundedCache<string, { nextAtMs: number; suppressed: number }>({ maxEntries: 1_000 });

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many lines were kept back since the last one that was let through; `undefined` to keep this one back too. */
  admit(kind: string): number | undefined {
    const nowMs = this.#now();
    const state = this.#kinds.get(kind) ?? { nextAtMs: 0, suppressed: 0 };
    this.#kinds.set(kind, state);
    if (nowMs < state.nextAtMs) {
      state.suppressed += 1;
      return undefined;
    }
    const { suppressed } = state;
    state.nextAtMs = nowMs + INTERVAL_MS;
    state.suppressed = 0;
    return suppressed;
  }
}
