import { type LoadedKey, OverloadedError } from './key-store.ts';
import { RecentFailures, type Trust } from './recent-failures.ts';
import type { SecretMatch, SecretVerifier } from './secret-verifier.ts';
import { TrustQueue } from './trust-queue.ts';

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
 * Organizations take turns, then the keys of each, then the networks from which the secret of a key came. A full queue
 * sheds from the longest. Ids with recent wrong secrets use at most half of the slots, turns and places while others
 * wait, and the network that sent them has the lowest share (`TrustQueue`). So a storm of wrong secrets delays neither
 * other organizations nor, from another network, the owner of an attacked key.
 *
 * While many comparisons wait, callers receive their results in groups. The event loop then finds the processor's
 * caches full of argon2's memory once per group, not once per caller. A result waits for at most seven further
 * comparisons, and for fewer with a shorter queue of its class.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #observer: VerifierObserver;
  readonly #queue: TrustQueue<PromiseWithResolvers<void>>;
  readonly #failures = new RecentFailures();
  /** Maximum number of running comparisons of ids with recent failures: the other slots are free for a clean id at once. */
  readonly #doubtfulLimit: number;
  /** Callers whose results wait for their group. */
  readonly #group: (() => void)[] = [];
  readonly #shed: Record<Trust, number> = { clean: 0, targeted: 0, failing: 0 };
  #running = 0;
  #runningDoubtful = 0;

  constructor(inner: SecretVerifier, limits: VerifierLimits, observer: VerifierObserver = () => {}) {
    this.#inner = inner;
    this.#limits = limits;
    this.#observer = observer;
    this.#queue = new TrustQueue(limits.queueLimit);
    this.#doubtfulLimit = Math.max(1, Math.floor(limits.concurrency / 2));
  }

  /** Running and waiting comparisons, for metrics. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#queue.size };
  }

  /** Shed comparisons since the start, for metrics. */
  get shed(): Readonly<Record<Trust, number>> {
    return this.#shed;
  }

  /** @throws {OverloadedError} if the queue is full */
  async match(loaded: LoadedKey, secret: string, digest: string, peer = ''): Promise<SecretMatch> {
    const { id } = loaded.record;
    const requestedAtMs = performance.now();
    const trust = this.#failures.trust(id, peer);
    if (this.#maySlot(trust)) this.#takeSlot(trust);
    else await this.#enqueue(trust, loaded, peer);
    const startedAtMs = performance.now();
    try {
      const match = await this.#inner.match(loaded, secret, digest, peer);
      if (match === 'none') this.#failures.recordWrong(id, peer);
      else this.#failures.recordRight(id, peer);
      return match;
    } finally {
      this.#freeSlot(trust);
      this.#observer((startedAtMs - requestedAtMs) / 1_000, (performance.now() - startedAtMs) / 1_000);
      await this.#joinGroup(trust);
    }
  }

  /** A later comparison releases the group: at least twice as many comparisons are queued as results wait here. */
  #joinGroup(trust: Trust): Promise<void> | undefined {
    const groupSize = Math.min(MAX_GROUP_SIZE, this.#queue.sizeOf(trust) / 2);
    if (this.#group.length + 1 < groupSize) return new Promise((release) => this.#group.push(release));
    for (const release of this.#group.splice(0)) release();
    return undefined;
  }

  async #enqueue(trust: Trust, { record }: LoadedKey, peer: string): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const dropped = this.#queue.push(trust, [record.organizationId, record.id, peer], turn);
    if (dropped !== undefined) {
      this.#shed[dropped.trust] += 1;
      dropped.shed.reject(new OverloadedError('too many credentials are waiting for verification'));
    }
    await turn.promise;
  }

  #maySlot(trust: Trust): boolean {
    if (this.#running >= this.#limits.concurrency) return false;
    return trust === 'clean' || this.#runningDoubtful < this.#doubtfulLimit;
  }

  #takeSlot(trust: Trust): void {
    this.#running += 1;
    if (trust !== 'clean') this.#runningDoubtful += 1;
  }

  /** Frees the slot and starts the next comparison that may have one. */
  #freeSlot(trust: Trust): void {
    this.#running -= 1;
    if (trust !== 'clean') this.#runningDoubtful -= 1;
    const next = this.#queue.shift((one) => this.#maySlot(one));
    if (next === undefined) return;
    this.#takeSlot(next.trust);
    next.item.resolve();
  }
}
