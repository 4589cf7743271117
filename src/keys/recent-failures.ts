import { BoundedCache } from '../lib/bounded-cache.ts';
import { policies } from './cache/policies.ts';

/**
 * How likely a presented secret is right. `clean`: the id had no wrong secret recently. `targeted`: it had, but not from this
 * network. `failing`: it had one from this network.
 */
export type Trust = 'clean' | 'targeted' | 'failing';

/**
 * Remembers which ids had a wrong secret that reached argon2, and from which network. An attacker makes an id `targeted` for
 * its owner, but `failing` only for its own network.
 */
export class RecentFailures {
  readonly #ids = new BoundedCache<string, true>(policies.failedIds);
  readonly #callers = new BoundedCache<string, true>(policies.failedCallers);

  /** @param peer network of the caller */
  trust(id: string, peer: string): Trust {
    if (this.#callers.has(`${id} ${peer}`)) return 'failing';
    return this.#ids.has(id) ? 'targeted' : 'clean';
  }

  recordWrong(id: string, peer: string): void {
    this.#ids.set(id, true);
    this.#callers.set(`${id} ${peer}`, true);
  }

  /** The caller has the secret: an earlier wrong one was a mistake. */
  recordRight(id: string, peer: string): void {
    this.#callers.delete(`${id} ${peer}`);
  }
}
