import { BoundedCache } from '../lib/bounded-cache.ts';
import { policies } from './cache/policies.ts';

/**
 * How likely a presented secret is right. `clean`: the id had no wrong secret recently. `targeted`: it had, but not from this
 * network. `failing`: it had one from this network.
 */
export type Trust = 'clean' | 'targeted' | 'failing';

/** Wrong secrets for an id from one network that argon2 compares per minute. */
export const MAX_FAILURES_PER_MINUTE = 30;

interface Count {
  failures: number;
  /** By the monotonic clock. */
  endsAtMs: number;
}

/**
 * Remembers which ids had a wrong secret that reached argon2, and from which network. An attacker makes an id `targeted` for
 * its owner, but `failing` only for its own network.
 *
 * It also bounds the failures: a holder of a key, or a thief of the table, can compute wrong secrets that pass the tag.
 */
export class RecentFailures {
  readonly #ids = new BoundedCache<string, true>(policies.failedIds);
  readonly #callers = new BoundedCache<string, true>(policies.failedCallers);
  /** Of the minute that began with the first failure. */
  readonly #counts: BoundedCache<string, Count>;
  readonly #now: () => number;

  /** @param now monotonic time in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#counts = new BoundedCache({ ...policies.failedCallers, monotonicMs: now });
  }

  /** @param network of the caller (`clientNetwork`) */
  trust(id: string, network: string): Trust {
    if (this.#callers.has(`${id} ${network}`)) return 'failing';
    return this.#ids.has(id) ? 'targeted' : 'clean';
  }

  /** Milliseconds until secrets for the id from this network are compared again; 0 if they are now. */
  blockedForMs(id: string, network: string): number {
    const count = this.#counts.get(`${id} ${network}`);
    return count === undefined || count.failures < MAX_FAILURES_PER_MINUTE ? 0 : count.endsAtMs - this.#now();
  }

  recordWrong(id: string, network: string): void {
    const caller = `${id} ${network}`;
    this.#ids.set(id, true);
    this.#callers.set(caller, true);
    const count = this.#counts.get(caller);
    if (count === undefined) {
      const endsAtMs = this.#now() + policies.failedCallers.ttlMs;
      this.#counts.set(caller, { failures: 1, endsAtMs });
    } else count.failures += 1;
  }

  /** The caller has the secret: an earlier wrong one was a mistake. The count stays, or a holder could reset it. */
  recordRight(id: string, network: string): void {
    this.#callers.delete(`${id} ${network}`);
  }
}
