import type { Freshness } from '../../change-feed/freshness.ts';
import type { RecentChanges } from '../../change-feed/recent-changes.ts';
import { type KeyRecord, ownHash } from '../../key-record.ts';
import { type KeyQuery, type KeyStore, type LoadedKey, OutdatedRowError } from '../../key-store.ts';
import type { VersionFences } from '../fences.ts';
import type { Revalidation } from '../revalidation.ts';
import type { SharedKey, VerifiedKeys } from './verified-keys.ts';

export interface RedisKeyStoreDeps {
  inner: KeyStore;
  verified: VerifiedKeys;
  freshness: Freshness;
  changes: RecentChanges;
  revalidation: Revalidation;
  fences: VersionFences;
}

/**
 * Reads Redis before Postgres (L2). The store uses a record from Redis only if this pod knows no newer version of the
 * key and the record is at least as recent as the recorded changes. Otherwise it checks the version in Postgres, or
 * loads the record from there. So neither a stale dump nor a replayed value makes a revoked key valid again.
 *
 * Nor does an older copy of the replica: a row does not count if another pod has seen a newer version. The absence of a row counts,
 * because repairs remove rows.
 */
export class RedisKeyStore implements KeyStore {
  readonly #deps: RedisKeyStoreDeps;

  constructor(deps: RedisKeyStoreDeps) {
    this.#deps = deps;
  }

  /** @throws {OutdatedRowError} if Postgres lacks a version that another pod has seen */
  async get(query: KeyQuery): Promise<LoadedKey | undefined> {
    const { inner, verified, changes } = this.#deps;
    const { history } = changes;
    let [cached, newest] = await this.#read(query);
    if (cached?.recordIsUsable && newest !== undefined && cached.record.version >= newest) {
      const loaded = new RedisKey(cached);
      if (this.#isFresh(loaded) || (await this.#revalidate(loaded))) return loaded;
    }
    let loaded = await inner.get(query);
    // Redis was late. Another attempt costs much less than argon2.
    if (cached === undefined || newest === undefined) [cached, newest] = await this.#read(query);
    // Of a former history: the caller repeats the read.
    if (history === changes.history && isBehind(loaded, newest)) {
      // The change may have arrived since the read, or another standby may have it.
      loaded = await inner.get(query);
      if (isBehind(loaded, newest)) throw new OutdatedRowError(query.id);
    }
    if (loaded === undefined || !cached) return loaded;
    const { record, confirmedAtMs } = loaded;
    const verifiedHash = ownHash(record, cached.verifiedHash);
    if (verifiedHash !== undefined && history === changes.history) {
      verified.store({ record, confirmedAtMs, verifiedHash }, query.digest, cached.expiresAtMs);
    }
    return { ...loaded, verifiedHash };
  }

  #read({ id, digest }: KeyQuery) {
    const { verified, fences } = this.#deps;
    return Promise.all([verified.read(id, digest), fences.newestVersion(id)]);
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

function isBehind(loaded: LoadedKey | undefined, newest = -1): boolean {
  return loaded !== undefined && loaded.record.version < newest;
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
