import { FairQueue } from '../lib/fair-queue.ts';
import { type LoadedKey, OverloadedError } from './key-store.ts';
import type { SecretMatch, SecretVerifier } from './secret-verifier.ts';

/** Bounds of hashing. */
export interface VerifierLimits {
  concurrency: number;
  /** Maximum number of waiting comparisons. */
  queueLimit: number;
}

/** Maximum number of results that callers receive in one group. */
const MAX_GROUP_SIZE = 8;

/** Receives the waiting time and the running time of each comparison. */
export type VerifierObserver = (waitSeconds: number, runSeconds: number) => void;

/**
 * Bounds the number of running and of waiting comparisons, and sheds beyond: a caller that waits longer than its own
 * timeout only lengthens the queue.
 *
 * Keys take turns. A full queue sheds from the key with the most waiting comparisons, so a storm of wrong secrets for
 * one key neither delays nor sheds the others.
 *
 * While many comparisons wait, callers receive their results in groups. The event loop then finds the processor's
 * caches full of argon2's memory once per group, not once per caller. A result waits for at most seven further
 * comparisons, and for fewer with a shorter queue.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #observer: VerifierObserver;
  readonly #queue = new FairQueue<PromiseWithResolvers<void>>();
  /** Callers whose results wait for their group. */
  readonly #group: (() => void)[] = [];
  #running = 0;

  constructor(inner: SecretVerifier, limits: VerifierLimits, observer: VerifierObserver = () => {}) {
    this.#inner = inner;
    this.#limits = limits;
    this.#observer = observer;
  }

  /** Running and waiting comparisons, for metrics. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#queue.size };
  }

  /** @throws {OverloadedError} if the queue is full */
  async match(loaded: LoadedKey, secret: string, digest: string): Promise<SecretMatch> {
    const requestedAtMs = performance.now();
    if (this.#running < this.#limits.concurrency) this.#running += 1;
    else await this.#enqueue(loaded.record.id);
    const startedAtMs = performance.now();
    try {
      return await this.#inner.match(loaded, secret, digest);
    } finally {
      this.#dequeue();
      this.#observer((startedAtMs - requestedAtMs) / 1_000, (performance.now() - startedAtMs) / 1_000);
      await this.#joinGroup();
    }
  }

  /** A later comparison releases the group: at least twice as many comparisons are queued as results wait here. */
  #joinGroup(): Promise<void> | undefined {
    const groupSize = Math.min(MAX_GROUP_SIZE, this.#queue.size / 2);
    if (this.#group.length + 1 < groupSize) return new Promise((release) => this.#group.push(release));
    for (const release of this.#group.splice(0)) release();
    return undefined;
  }

  async #enqueue(id: string): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#queue.push(id, turn);
    if (this.#queue.size > this.#limits.queueLimit) {
      this.#queue
        .dropFromLongest()
        ?.reject(new OverloadedError('too many credentials are waiting for verification'));
    }
    await turn.promise;
  }

  /** Starts the next comparison in the freed slot, or frees the slot. */
  #dequeue(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next.resolve();
  }
}
