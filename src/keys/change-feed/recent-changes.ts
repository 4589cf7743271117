import { BoundedCache } from '../../lib/bounded-cache.ts';
import type { Change, ChangeListener } from './change.ts';
import { CLOCK_SKEW_MS } from './change-source.ts';

interface Noted {
  /** Version of a key; for roles a number that differs at each change. */
  mark: number;
  atMs: number;
}

/**
 * What has changed lately, and to which version. It is the fence of every cache: a copy older than a noted change is
 * not stored and not believed, however late it turns up (from a slow read, from Redis, from a restored dump).
 */
export class RecentChanges implements ChangeListener {
  /**
   * Copies that another pod read before this moment may be older than changes that are not remembered here. Before
   * the feed has begun that is any copy.
   */
  trustedSinceMs = Number.POSITIVE_INFINITY;
  /** A change noted at or before this moment may have been forgotten: a read that began earlier is not stored. */
  forgottenUntilMs = Number.NEGATIVE_INFINITY;
  /** Grows when everything that is cached became unreliable; a read that spans it is not stored. */
  generation = 0;
  readonly #now: () => number;
  readonly #keys: BoundedCache<string, Noted>;
  readonly #roles: BoundedCache<string, Noted>;
  #roleChanges = 0;

  /** @param ttlMs longer than any copy of a record can live outside of this process */
  constructor(now: () => number, limits: { ttlMs: number; maxEntries: number }) {
    this.#now = now;
    const cache = () =>
      new BoundedCache<string, Noted>({
        ...limits,
        // Under a flood of changes the oldest is forgotten early: from then on older copies are not trusted unchecked.
        onDrop: (noted, why) => {
          if (why === 'evicted') this.#forget(noted.atMs);
        },
      });
    this.#keys = cache();
    this.#roles = cache();
  }

  /** From now on changes are noted one by one; those since `sinceMs` are handed over next. */
  begin(sinceMs: number): void {
    this.trustedSinceMs = sinceMs;
  }

  apply(change: Change): void {
    const atMs = this.#now();
    if (change.entity === 'everything') {
      // What was noted stays: the replica that we talk to now may be one that is behind the last.
      this.trustedSinceMs = Math.max(this.trustedSinceMs, atMs + CLOCK_SKEW_MS);
      this.generation += 1;
    } else if (change.entity === 'roles') {
      // Not the version: roles of one scope may commit in another order than that of their versions.
      this.#roleChanges += 1;
      this.#roles.set(change.id, { mark: this.#roleChanges, atMs });
    } else if (change.version > this.keyVersion(change.id)) {
      this.#keys.set(change.id, { mark: change.version, atMs });
    }
  }

  /** Newest version of a key that was seen; -1 when nothing was seen of it lately. */
  keyVersion(id: string): number {
    return this.#keys.peek(id)?.mark ?? -1;
  }

  /** A number that is another one after each change of the roles of a scope; -1 when nothing was seen lately. */
  rolesMark(scopeId: string): number {
    return this.#roles.peek(scopeId)?.mark ?? -1;
  }

  /** When a change of the roles of a scope was noted last; minus infinity when nothing was seen lately. */
  rolesChangedAtMs(scopeId: string): number {
    return this.#roles.peek(scopeId)?.atMs ?? Number.NEGATIVE_INFINITY;
  }

  #forget(atMs: number): void {
    this.forgottenUntilMs = Math.max(this.forgottenUntilMs, atMs);
    this.trustedSinceMs = Math.max(this.trustedSinceMs, atMs + CLOCK_SKEW_MS);
  }
}
