import type { IBreaker } from 'cockatiel';

/**
 * Opens after consecutive failures, but only if no call has succeeded for a while. Many calls can fail at once while
 * the server still responds to others, for example new connections during a storm.
 */
export class SilenceBreaker implements IBreaker {
  state: unknown;
  readonly #limits: { failures: number; silenceMs: number };
  #failures = 0;
  #respondedAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: { failures: number; silenceMs: number }) {
    this.#limits = limits;
  }

  /** Whether a call succeeded within `silenceMs`. */
  get responding(): boolean {
    return performance.now() - this.#respondedAtMs < this.#limits.silenceMs;
  }

  /** Whether any call has succeeded. */
  get hasResponded(): boolean {
    return this.#respondedAtMs !== Number.NEGATIVE_INFINITY;
  }

  success(): void {
    this.#failures = 0;
    this.#respondedAtMs = performance.now();
  }

  failure(): boolean {
    this.#failures += 1;
    return this.#failures >= this.#limits.failures && !this.responding;
  }
}
