import { type HeldKey, OverloadedError } from './key-store.ts';
import type { SecretMatch, SecretVerifier } from './secret-verifier.ts';

/** How much hashing may happen at a time. */
export interface VerifierLimits {
  concurrency: number;
  /** Comparisons that may wait for their turn. */
  queueLimit: number;
}

/** Told of each comparison: how long it waited for its turn, and how long it ran. */
export type VerifierObserver = (waitSeconds: number, runSeconds: number) => void;

/**
 * Lets a fixed number of comparisons run and a fixed number wait; the next one is refused at once, since a caller
 * that waits longer than its own timeout only makes the queue worse.
 *
 * One key may fill at most half of the queue: a storm of wrong secrets for it does not shut out everybody else.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #waiting: (() => void)[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #observer: VerifierObserver;
  #running = 0;

  constructor(inner: SecretVerifier, limits: VerifierLimits, observer: VerifierObserver = () => {}) {
    this.#inner = inner;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Comparisons under way and waiting, for metrics. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiting.length };
  }

  /** @throws {OverloadedError} when the queue is full */
  async match(held: HeldKey, secret: string, digest: string): Promise<SecretMatch> {
    const { id } = held.record;
    const askedAtMs = performance.now();
    await this.#enter(id);
    const startedAtMs = performance.now();
    try {
      return await this.#inner.match(held, secret, digest);
    } finally {
      this.#leave(id);
      this.#observer((startedAtMs - askedAtMs) / 1_000, (performance.now() - startedAtMs) / 1_000);
    }
  }

  async #enter(id: string): Promise<void> {
    const { concurrency, queueLimit } = this.#limits;
    const ofKey = this.#byKey.get(id) ?? 0;
    const mustWait = this.#running >= concurrency;
    if (mustWait && (this.#waiting.length >= queueLimit || ofKey > queueLimit / 2)) {
      throw new OverloadedError('too many credentials wait to be verified');
    }
    this.#byKey.set(id, ofKey + 1);
    if (mustWait) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
  }

  /** Hands the place on to the one that has waited longest, so that `#running` does not change. */
  #leave(id: string): void {
    const ofKey = (this.#byKey.get(id) ?? 1) - 1;
    if (ofKey === 0) this.#byKey.delete(id);
    else this.#byKey.set(id, ofKey);
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
