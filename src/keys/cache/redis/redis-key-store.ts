import type { RecentChanges } from '../../change-feed/recent-changes.ts';
import { hashNamed } from '../../key-record.ts';
import type { HeldKey, KeyQuery, KeyStore } from '../../key-store.ts';
import type { Freshness } from '../freshness.ts';
import type { Revalidation } from '../revalidation.ts';
import type { RegionCache } from './region-cache.ts';

/** What the Redis layer stands on. */
export interface RedisKeyStoreParts {
  inner: KeyStore;
  cache: RegionCache;
  freshness: Freshness;
  changes: RecentChanges;
  revalidation: Revalidation;
}

/**
 * Looks into Redis before Postgres (L2). A record from there is believed only if no newer version of the key was
 * seen and if it is no older than the changes that are remembered; otherwise its version is checked, or it is left.
 * So neither a stale dump nor a replayed value brings a revoked key back.
 */
export class RedisKeyStore implements KeyStore {
  readonly #parts: RedisKeyStoreParts;

  constructor(parts: RedisKeyStoreParts) {
    this.#parts = parts;
  }

  async get(query: KeyQuery): Promise<HeldKey | undefined> {
    const { inner, cache } = this.#parts;
    const { record: cached, verifiedDigest } = await cache.read(query.id, query.digest);
    if (cached !== undefined) {
      const { record, confirmedAtMs, secretDigest } = cached;
      const verifiedHash =
        secretDigest === verifiedDigest ? record.secretHash : hashNamed(record, verifiedDigest);
      const held = await this.#admit({
        record,
        confirmedAtMs,
        tier: 'redis',
        outdated: false,
        stale: false,
        verifiedHash,
      });
      if (held !== undefined) return held;
    }
    const held = await inner.get(query);
    if (held === undefined) return undefined;
    void cache.storeRecord(held.record, held.confirmedAtMs);
    return { ...held, verifiedHash: hashNamed(held.record, verifiedDigest) };
  }

  async #admit(held: HeldKey): Promise<HeldKey | undefined> {
    const { freshness, changes, revalidation } = this.#parts;
    if (held.record.version < changes.keyVersion(held.record.id)) return undefined;
    const remembered = held.confirmedAtMs >= changes.trustedSinceMs;
    if (remembered && freshness.judge(held.confirmedAtMs) === 'fresh') return held;
    const checked = await revalidation.check(held);
    if (checked.result === 'confirmed') return { ...held, confirmedAtMs: checked.atMs };
    // Older than what is remembered and Postgres cannot be asked: this may be the copy from before a revocation.
    return checked.result === 'unconfirmed' && remembered ? held : undefined;
  }
}
