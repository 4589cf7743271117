import { FairQueue } from '../lib/fair-queue.ts';
import { type LoadedKey, OverloadedError } from './key-store.ts';
import type { SecretMatch, SecretVerifier } from './secret-verifier.ts';

/** How much hashing may happen at a time. */
export interface VerifierLimits {
  concurrency: number;
  /** Comparisons that may wait for their turn. */
  queueLimit: number;
}

/** Most results that leave together. */
const LARGEST_GROUP = 8;

/** Told of each comparison: how long it waited for its turn, and how long it ran. */
export type VerifierObserver = (waitSeconds: number, runSeconds: number) => void;

/**
 * Lets a fixed number of comparisons run and a fixed number wait; the next one is refused at once, since a caller
 * that waits longer than its own timeout only makes the queue worse.
 *
 * Keys take turns, and when the queue is full it is the key with the most waiting that gives up a place: a storm of
 * wrong secrets for one key neither delays nor shuts out the others.
 *
 * While many wait, results leave in groups: each time the event loop runs beside argon2 it finds the processor's caches
 * full of argon2's memory, and answering several callers at once costs little more than answering one. A result is held
 * back for seven further comparisons at the most, and for fewer where fewer wait.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #observer: VerifierObserver;
  readonly #waiting = new FairQueue<PromiseWithResolvers<void>>();
  readonly #leaving: (() => void)[] = [];
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
  async match(loaded: LoadedKey, secret: string, digest: string): Promise<SecretMatch> {
    const requestedAtMs = performance.now();
    if (this.#running < this.#limits.concurrency) this.#running += 1;
    else await this.#turnOf(loaded.record.id);
    const startedAtMs = performance.now();
    try {
      return await this.#inner.match(loaded, secret, digest);
    } finally {
      this.#handOn();
      this.#observer((startedAtMs - requestedAtMs) / 1_000, (performance.now() - startedAtMs) / 1_000);
      await this.#leaveTogether();
    }
  }

  /** Whoever waits here is let go by one of the comparisons that are still to come: there are more of them. */
  #leaveTogether(): Promise<void> | undefined {
    const groupSize = Math.min(LARGEST_GROUP, this.#waiting.size / 2);
    if (this.#leaving.length + 1 < groupSize) return new Promise((leave) => this.#leaving.push(leave));
    for (const leave of this.#leaving.splice(0)) leave();
    return undefined;
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
