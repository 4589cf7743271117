import { LRUCache } from 'lru-cache';
import type { Change, ChangeListener } from './change.ts';

interface Noted {
  version: number;
  atMs: number;
}

/**
 * What has changed lately, and to which version. It is the fence of every cache: a copy older than a noted change is
 * not stored and not believed, however late it turns up (from a slow read, from Redis, from a restored dump).
 */
export class RecentChanges implements ChangeListener {
  /** Copies read before this moment may be older than changes that are no longer remembered. */
  trustedSinceMs = Number.NEGATIVE_INFINITY;
  /** Grows when everything that is cached became unreliable; a read that spans it is not stored. */
  generation = 0;
  readonly #now: () => number;
  readonly #keys: LRUCache<string, Noted>;
  readonly #roles: LRUCache<string, Noted>;

  /** @param lifeMs longer than any copy of a record can live outside of this process */
  constructor(now: () => number, limits: { lifeMs: number; maxEntries: number }) {
    this.#now = now;
    const cache = () =>
      new LRUCache<string, Noted>({
        max: limits.maxEntries,
        ttl: limits.lifeMs,
        // Under a flood of changes the oldest is forgotten early: from then on older copies are not trusted unchecked.
        dispose: (noted, _id, reason) => {
          if (reason === 'evict') this.trustedSinceMs = Math.max(this.trustedSinceMs, noted.atMs);
        },
      });
    this.#keys = cache();
    this.#roles = cache();
  }

  apply(change: Change): void {
    if (change.entity === 'everything') {
      this.trustedSinceMs = this.#now();
      this.generation += 1;
      return;
    }
    const noted = change.entity === 'key' ? this.#keys : this.#roles;
    if (change.version > (noted.peek(change.id)?.version ?? -1)) {
      noted.set(change.id, { version: change.version, atMs: this.#now() });
    }
  }

  /** Newest version of a key that was seen; -1 when nothing was seen of it lately. */
  keyVersion(id: string): number {
    return this.#keys.peek(id)?.version ?? -1;
  }

  /** Newest version among the roles of a scope that was seen; -1 when nothing was seen of it lately. */
  rolesVersion(scopeId: string): number {
    return this.#roles.peek(scopeId)?.version ?? -1;
  }
}
