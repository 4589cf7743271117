import { expect, it } from 'vitest';
import { RedisKeyStore } from '../../../../../src/keys/cache/redis/redis-key-store.ts';
import type { SharedKey, VerifiedKeys } from '../../../../../src/keys/cache/redis/verified-keys.ts';
import type { Revalidation } from '../../../../../src/keys/cache/revalidation.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../../src/keys/change-feed/recent-changes.ts';
import { type LoadedKey, OutdatedRowError } from '../../../../../src/keys/key-store.ts';
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

/**
 * @param replies of Redis, in turn
 * @param versions the fences of the key, in turn; -1 if unset
 */
function storeWith(replies: (SharedKey | null | undefined)[], versions?: (number | undefined)[]) {
  const reads: string[] = [];
  const verified = {
    read: async (id: string) => {
      reads.push(id);
      return replies.shift();
    },
    store: () => {},
  } as unknown as VerifiedKeys;
  const changes = new RecentChanges(now, { ttlMs: 1, maxEntries: 1 });
  const rows = { reads: 0, duringRead: () => {} };
  const store = new RedisKeyStore({
    inner: {
      get: async () => {
        rows.reads += 1;
        rows.duringRead();
        return loaded;
      },
    },
    verified,
    freshness: new Freshness(now, { revalidateAfterMs: 1, maxStalenessMs: 1 }),
    changes,
    revalidation: {} as Revalidation,
    fences: versions === undefined ? noVersions : { newestVersion: async () => versions.shift() },
  });
  return { store, reads, rows, changes };
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

it('asks Redis again when only its reply about the fence was late, and refuses a row that is behind it', async () => {
  const { store, reads } = storeWith([null, null], [undefined, 2]);
  await expect(store.get({ id: 'id', digest: 'd' })).rejects.toThrow(OutdatedRowError);
  expect(reads.length).toBe(2);
});

it('asks Redis again when only its reply about the credential was late', async () => {
  const { store, reads } = storeWith([undefined, shared], [1, 1]);
  expect((await store.get({ id: 'id', digest: 'd' }))?.verifiedHash).toBe(record.secretHash);
  expect(reads.length).toBe(2);
});

it('uses the row when Redis does not reply about the fence twice', async () => {
  const { store } = storeWith([null, null], [undefined, undefined]);
  expect((await store.get({ id: 'id', digest: 'd' }))?.record).toBe(record);
});

it('reads a row once more only if it is behind the fence', async () => {
  const { store, rows } = storeWith([null], [1]);
  await store.get({ id: 'id', digest: 'd' });
  expect(rows.reads).toBe(1);
  const behind = storeWith([null], [2]);
  await expect(behind.store.get({ id: 'id', digest: 'd' })).rejects.toThrow(OutdatedRowError);
  expect(behind.rows.reads).toBe(2);
});

it('does not compare a row with a fence of the history before', async () => {
  const { store, rows, changes } = storeWith([null], [2]);
  rows.duringRead = () => {
    changes.history = 'next';
  };
  expect((await store.get({ id: 'id', digest: 'd' }))?.record).toBe(record);
  expect(rows.reads).toBe(1);
});
