import type { IBreaker } from 'cockatiel';

/**
 * Opens after a number of failures without an answer between them, and only when there has been no answer for a while:
 * many that fail at one moment, as connections that are opened during a storm do, say nothing about a server that
 * answers the others.
 */
export class SilenceBreaker implements IBreaker {
  state: unknown;
  readonly #limits: { failures: number; silenceMs: number };
  #failures = 0;
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: { failures: number; silenceMs: number }) {
    this.#limits = limits;
  }

  /** Somebody has been answered a moment ago. */
  get answering(): boolean {
    return performance.now() - this.#answeredAtMs < this.#limits.silenceMs;
  }

  success(): void {
    this.#failures = 0;
    this.#answeredAtMs = performance.now();
  }

  failure(): boolean {
    this.#failures += 1;
    return this.#failures >= this.#limits.failures && !this.answering;
  }
}
