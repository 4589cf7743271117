import { ReturnSchedule } from '../lib/return-schedule.ts';
import { type LoadedKey, OverloadedError } from './key-store.ts';
import { RecentFailures, type Trust } from './recent-failures.ts';
import type { IsGone, SecretMatch, SecretVerifier } from './secret-verifier.ts';
import { TrustQueue } from './trust-queue.ts';

/** Bounds of hashing. */
export interface VerifierLimits {
  concurrency: number;
  /** Maximum number of waiting comparisons. */
  queueLimit: number;
}

/** Assumed until the first comparison has ended. */
const FIRST_RUN_MS = 5;
/** Weight of the newest comparison in the average of running times. */
const NEWEST_SHARE = 1 / 16;

/** A comparison that waits for a slot. */
interface Waiting {
  turn: PromiseWithResolvers<void>;
  isGone: IsGone;
  id: string;
  network: string;
}

/** Maximum number of results that callers receive in one group. */
const MAX_GROUP_SIZE = 8;

/** Receives the waiting time and the running time of each comparison. */
export type VerifierObserver = (waitSeconds: number, runSeconds: number) => void;

/**
 * Bounds the number of running and of waiting comparisons, and sheds beyond: a caller that waits longer than its own
 * timeout only lengthens the queue. For the same reason a comparison whose caller left while it waited does not run, and
 * one that has waited for too long comes after all others (`AgingQueue`). Shed callers learn when to return
 * (`ReturnSchedule`).
 *
 * Organizations take turns, then the keys of each, then the networks from which the secret of a key came. A full queue
 * sheds from the longest. Ids with recent wrong secrets use at most half of the slots, turns and places while others
 * wait, and the network that sent them has the lowest share (`TrustQueue`). So a storm of wrong secrets delays neither
 * other organizations nor, from another network, the owner of an attacked key. After `MAX_FAILURES_PER_MINUTE`, that network
 * is shed for the rest of the minute.
 *
 * While many comparisons wait, callers receive their results in groups. The event loop then finds the processor's
 * caches full of argon2's memory once per group, not once per caller. A result waits for at most seven further
 * comparisons, and for fewer with a shorter queue of its class.
 */
export class BoundedVerifier implements SecretVerifier {
  readonly #inner: SecretVerifier;
  readonly #limits: VerifierLimits;
  readonly #observer: VerifierObserver;
  readonly #queue: TrustQueue<Waiting>;
  readonly #failures = new RecentFailures();
  /** Maximum number of running comparisons of ids with recent failures: the other slots are free for a clean id at once. */
  readonly #doubtfulLimit: number;
  /** Callers whose results wait for their group. */
  readonly #group: (() => void)[] = [];
  readonly #shed: Record<Trust, number> = { clean: 0, targeted: 0, failing: 0 };
  /** One per class, so that a storm of wrong secrets does not postpone the others. */
  readonly #returns: Record<Trust, ReturnSchedule>;
  #abandoned = 0;
  /** Average time of a comparison. */
  #runMs = FIRST_RUN_MS;
  #running = 0;
  #runningDoubtful = 0;

  /** @param random 0 to less than 1, as `Math.random` */
  constructor(
    inner: SecretVerifier,
    limits: VerifierLimits,
    observer: VerifierObserver = () => {},
    random: () => number = Math.random,
  ) {
    this.#inner = inner;
    this.#limits = limits;
    this.#observer = observer;
    this.#queue = new TrustQueue(limits.queueLimit);
    const returns = () => new ReturnSchedule(() => performance.now(), random);
    this.#returns = { clean: returns(), targeted: returns(), failing: returns() };
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

  /** Comparisons that did not run because their callers left, since the start, for metrics. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** @throws {OverloadedError} if the queue is full, the caller left while it waited, or its network has failed too often */
  async match(
    loaded: LoadedKey,
    secret: string,
    digest: string,
    network = '',
    isGone: IsGone = () => false,
  ): Promise<SecretMatch> {
    const { id } = loaded.record;
    const requestedAtMs = performance.now();
    const blocked = this.#blocked(id, network);
    if (blocked !== undefined) throw blocked;
    const trust = this.#failures.trust(id, network);
    if (this.#maySlot(trust)) this.#takeSlot(trust);
    else await this.#enqueue(trust, loaded, network, isGone);
    const startedAtMs = performance.now();
    try {
      const match = await this.#inner.match(loaded, secret, digest, network);
      this.#runMs += (performance.now() - startedAtMs - this.#runMs) * NEWEST_SHARE;
      if (match === 'none') this.#failures.recordWrong(id, network);
      else this.#failures.recordRight(id, network);
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

  async #enqueue(trust: Trust, { record }: LoadedKey, network: string, isGone: IsGone): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const { id, organizationId } = record;
    const dropped = this.#queue.push(trust, [organizationId, id, network], { turn, isGone, id, network });
    if (dropped !== undefined) this.#refuse(dropped.shed, dropped.trust);
    await turn.promise;
  }

  #refuse({ turn }: Waiting, trust: Trust): void {
    this.#shed[trust] += 1;
    const intervalMs = this.#runMs / this.#limits.concurrency;
    const retryAfterSeconds = this.#returns[trust].next(intervalMs, this.#queue.sizeOf(trust));
    turn.reject(new OverloadedError('too many credentials are waiting for verification', retryAfterSeconds));
  }

  /** The refusal of a network that has failed too often for this id, which it counts; else `undefined`. */
  #blocked(id: string, network: string): OverloadedError | undefined {
    const blockedForMs = this.#failures.blockedForMs(id, network);
    if (blockedForMs <= 0) return undefined;
    this.#shed.failing += 1;
    return new OverloadedError('too many wrong secrets for this key', Math.ceil(blockedForMs / 1_000));
  }

  #maySlot(trust: Trust): boolean {
    if (this.#running >= this.#limits.concurrency) return false;
    return trust === 'clean' || this.#runningDoubtful < this.#doubtfulLimit;
  }

  #takeSlot(trust: Trust): void {
    this.#running += 1;
    if (trust !== 'clean') this.#runningDoubtful += 1;
  }

  /** Frees the slot and starts the next comparison that may have one and whose caller still waits. */
  #freeSlot(trust: Trust): void {
    this.#running -= 1;
    if (trust !== 'clean') this.#runningDoubtful -= 1;
    const shift = () => this.#queue.shift((one) => this.#maySlot(one));
    for (let next = shift(); next !== undefined; next = shift()) {
      const { turn, isGone, id, network } = next.item;
      if (isGone()) {
        this.#abandoned += 1;
        turn.reject(new OverloadedError('the caller left while its credential waited for verification'));
        continue;
      }
      // Others may have failed while it waited.
      const blocked = this.#blocked(id, network);
      if (blocked === undefined) {
        this.#takeSlot(next.trust);
        turn.resolve();
        return;
      }
      turn.reject(blocked);
    }
  }
}
