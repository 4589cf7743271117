import { BoundedCache } from './bounded-cache.ts';

interface Window {
  endsAtMs: number;
  count: number;
}

export interface RateWindowOptions {
  /** Events per key and window. */
  max: number;
  windowMs?: number;
  /** Keys that are counted at once. The least recently used are forgotten. */
  maxKeys?: number;
  now: () => number;
}

/** Limits events per key in fixed windows. */
export class RateWindow {
  readonly #options: Required<RateWindowOptions>;
  readonly #windows: BoundedCache<string, Window>;

  constructor(options: RateWindowOptions) {
    this.#options = { windowMs: 60_000, maxKeys: 50_000, ...options };
    this.#windows = new BoundedCache({ maxEntries: this.#options.maxKeys });
  }

  /**
   * Counts one event.
   * @returns `undefined` within the limit, else the seconds until the window ends; then the event is not counted
   */
  take(key: string): number | undefined {
    const { max, windowMs, now } = this.#options;
    const nowMs = now();
    let window = this.#windows.get(key);
    // A window that ends later than a new one would was opened before the clock went back.
    if (window === undefined || window.endsAtMs <= nowMs || window.endsAtMs > nowMs + windowMs) {
      window = { endsAtMs: nowMs + windowMs, count: 0 };
      this.#windows.set(key, window);
    }
    if (window.count >= max) return Math.ceil((window.endsAtMs - nowMs) / 1_000);
    window.count += 1;
    return undefined;
  }

  /** Takes back one event that `take` counted. */
  refund(key: string): void {
    const window = this.#windows.peek(key);
    if (window !== undefined && window.count > 0) window.count -= 1;
  }
}
