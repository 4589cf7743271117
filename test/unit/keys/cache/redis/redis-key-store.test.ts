import { expect, it } from 'vitest';
import { RedisKeyStore } from '../../../../../src/keys/cache/redis/redis-key-store.ts';
import type { SharedKey, VerifiedKeys } from '../../../../../src/keys/cache/redis/verified-keys.ts';
import type { Revalidation } from '../../../../../src/keys/cache/revalidation.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../../src/keys/change-feed/recent-changes.ts';
import type { LoadedKey } from '../../../../../src/keys/key-store.ts';
import { noVersions } from '../../../../support/no-versions.ts';
import { keyRecord } from '../../../../support/records.ts';

const now = () => 1_000;
const record = keyRecord('id', 1);
const loaded: LoadedKey = { record, tier: 'postgres', confirmedAtMs: 1_000, superseded: false, stale: false };
const shared: SharedKey = {
  record,
  confirmedAtMs: 0,
  verifiedHash: record.secretHash,
  recordIsUsable: false,
  expiresAtMs: 2_000,
};

/** @param replies of Redis, in turn */
function storeWith(replies: (SharedKey | null | undefined)[]) {
  const reads: string[] = [];
  const verified = {
    read: async (id: string) => {
      reads.push(id);
      return replies.shift();
    },
    store: () => {},
  } as unknown as VerifiedKeys;
  const store = new RedisKeyStore({
    inner: { get: async () => loaded },
    verified,
    freshness: new Freshness(now, { revalidateAfterMs: 1, maxStalenessMs: 1 }),
    changes: new RecentChanges(now, { ttlMs: 1, maxEntries: 1 }),
    revalidation: {} as Revalidation,
    fences: noVersions,
  });
  return { store, reads };
}

it.each([
  ['asks Redis again when its reply was late, so that argon2 is not needed', [undefined, shared], 2, true],
  ['asks Redis once when it has nothing', [null], 1, false],
  ['asks Redis at most twice', [undefined, undefined, shared], 2, false],
])('%s', async (_name, replies, count, verified) => {
  const { store, reads } = storeWith(replies);
  const found = await store.get({ id: 'id', digest: 'd' });
  expect(found?.record).toBe(record);
  expect(found?.verifiedHash).toBe(verified ? record.secretHash : undefined);
  expect(reads.length).toBe(count);
});
