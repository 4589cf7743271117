import type { Freshness } from '../../change-feed/freshness.ts';
import type { RecentChanges } from '../../change-feed/recent-changes.ts';
import { type KeyRecord, ownHash } from '../../key-record.ts';
import type { KeyQuery, KeyStore, LoadedKey } from '../../key-store.ts';
import type { Revalidation } from '../revalidation.ts';
import type { SharedKey, VerifiedKeys } from './verified-keys.ts';

export interface RedisKeyStoreDeps {
  inner: KeyStore;
  verified: VerifiedKeys;
  freshness: Freshness;
  changes: RecentChanges;
  revalidation: Revalidation;
}

/**
 * Reads Redis before Postgres (L2). The store uses a record from Redis only if this pod knows no newer version of the
 * key and the record is at least as recent as the recorded changes. Otherwise it checks the version in Postgres, or
 * loads the record from there. So neither a stale dump nor a replayed value makes a revoked key valid again.
 */
export class RedisKeyStore implements KeyStore {
  readonly #deps: RedisKeyStoreDeps;

  constructor(deps: RedisKeyStoreDeps) {
    this.#deps = deps;
  }

  async get(query: KeyQuery): Promise<LoadedKey | undefined> {
    const { inner, verified, changes } = this.#deps;
    const { history } = changes;
    let cached = await verified.read(query.id, query.digest);
    if (cached?.recordIsUsable) {
      const loaded = new RedisKey(cached);
      if (this.#isFresh(loaded) || (await this.#revalidate(loaded))) return loaded;
    }
    const loaded = await inner.get(query);
    if (loaded === undefined) return loaded;
    // Redis was late. Another attempt costs much less than argon2.
    if (cached === undefined) cached = await verified.read(query.id, query.digest);
    if (!cached) return loaded;
    const { record, confirmedAtMs } = loaded;
    const verifiedHash = ownHash(record, cached.verifiedHash);
    if (verifiedHash !== undefined && history === changes.history) {
      verified.store({ record, confirmedAtMs, verifiedHash }, query.digest, cached.expiresAtMs);
    }
    return { ...loaded, verifiedHash };
  }

  #isFresh({ record, confirmedAtMs }: RedisKey): boolean {
    const { freshness, changes } = this.#deps;
    return (
      record.version >= changes.keyVersion(record.id) &&
      confirmedAtMs >= changes.trustedSinceMs &&
      freshness.judge(confirmedAtMs) === 'fresh'
    );
  }

  async #revalidate(loaded: RedisKey): Promise<boolean> {
    const { changes, revalidation } = this.#deps;
    if (loaded.record.version < changes.keyVersion(loaded.record.id)) return false;
    const checked = await revalidation.check(loaded);
    if (checked.result === 'confirmed') {
      loaded.confirmedAtMs = checked.atMs;
      return true;
    }
    // Without Postgres, a record older than the recorded changes may be the copy from before a revocation.
    return checked.result === 'unconfirmed' && loaded.confirmedAtMs >= changes.trustedSinceMs;
  }
}

class RedisKey implements LoadedKey {
  readonly tier = 'redis';
  readonly superseded = false;
  readonly stale = false;
  readonly record: KeyRecord;
  confirmedAtMs: number;
  readonly verifiedHash: string;

  constructor({ record, confirmedAtMs, verifiedHash }: SharedKey) {
    this.record = record;
    this.confirmedAtMs = confirmedAtMs;
    this.verifiedHash = verifiedHash;
  }
}
