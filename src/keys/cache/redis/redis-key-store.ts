import type { RecentChanges } from '../../change-feed/recent-changes.ts';
import { type KeyRecord, ownHash } from '../../key-record.ts';
import type { HeldKey, KeyQuery, KeyStore } from '../../key-store.ts';
import type { Freshness } from '../../change-feed/freshness.ts';
import type { Revalidation } from '../revalidation.ts';
import type { SharedKey, VerifiedKeys } from './verified-keys.ts';

/** What the Redis layer stands on. */
export interface RedisKeyStoreParts {
  inner: KeyStore;
  verified: VerifiedKeys;
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
    const { inner, verified } = this.#parts;
    const cached = await verified.read(query.id, query.digest);
    if (cached?.recordIsUsable) {
      const held = new RedisKey(cached);
      if (this.#isFresh(held) || (await this.#check(held))) return held;
    }
    const held = await inner.get(query);
    if (held === undefined || cached === undefined) return held;
    const { record, confirmedAtMs } = held;
    const verifiedHash = ownHash(record, cached.verifiedHash);
    if (verifiedHash !== undefined) {
      void verified.store({ record, confirmedAtMs, verifiedHash }, query.digest, cached.expiresAtMs);
    }
    return { ...held, verifiedHash };
  }

  #isFresh({ record, confirmedAtMs }: RedisKey): boolean {
    const { freshness, changes } = this.#parts;
    return (
      record.version >= changes.keyVersion(record.id) &&
      confirmedAtMs >= changes.trustedSinceMs &&
      freshness.judge(confirmedAtMs) === 'fresh'
    );
  }

  async #check(held: RedisKey): Promise<boolean> {
    const { changes, revalidation } = this.#parts;
    if (held.record.version < changes.keyVersion(held.record.id)) return false;
    const checked = await revalidation.check(held);
    if (checked.result === 'confirmed') {
      held.confirmedAtMs = checked.atMs;
      return true;
    }
    // Older than what is remembered and Postgres cannot be asked: this may be the copy from before a revocation.
    return checked.result === 'unconfirmed' && held.confirmedAtMs >= changes.trustedSinceMs;
  }
}

class RedisKey implements HeldKey {
  readonly tier = 'redis';
  readonly outdated = false;
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
