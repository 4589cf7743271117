import { FairQueue } from './fair-queue.ts';
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
 * Keys take turns, and when the queue is full it is the key with the most waiting that gives up a place: a storm of
 * wrong secrets for one key neither delays nor shuts out the others.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #observer: VerifierObserver;
  readonly #waiting = new FairQueue<PromiseWithResolvers<void>>();
  #running = 0;

  constructor(inner: SecretVerifier, limits: VerifierLimits, observer: VerifierObserver = () => {}) {
    this.#inner = inner;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Comparisons under way and waiting, for metrics. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiting.size };
  }

  /** @throws {OverloadedError} when the queue is full */
  async match(held: HeldKey, secret: string, digest: string): Promise<SecretMatch> {
    const askedAtMs = performance.now();
    if (this.#running < this.#limits.concurrency) this.#running += 1;
    else await this.#turnOf(held.record.id);
    const startedAtMs = performance.now();
    try {
      return await this.#inner.match(held, secret, digest);
    } finally {
      this.#handOn();
      this.#observer((startedAtMs - askedAtMs) / 1_000, (performance.now() - startedAtMs) / 1_000);
    }
  }

  async #turnOf(id: string): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#waiting.push(id, turn);
    if (this.#waiting.size > this.#limits.queueLimit) {
      this.#waiting
        .dropFromLongest()
        ?.reject(new OverloadedError('too many credentials wait to be verified'));
    }
    await turn.promise;
  }

  /** Gives the place to the next one, so that `#running` does not change, or leaves it free. */
  #handOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next.resolve();
  }
}
