import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Interner } from '../../../src/keys/cache/interner.ts';
import { FencedCache } from '../../../src/keys/cache/redis/fenced-cache.ts';
import { RedisKeyStore } from '../../../src/keys/cache/redis/redis-key-store.ts';
import { RedisLink } from '../../../src/keys/cache/redis/redis-link.ts';
import { VerifiedKeys } from '../../../src/keys/cache/redis/verified-keys.ts';
import { Revalidation } from '../../../src/keys/cache/revalidation.ts';
import { QuarantinedKeyError } from '../../../src/keys/key-record.ts';
import {
  type KeyStore,
  type LoadedKey,
  StoreUnavailableError,
  type Tier,
} from '../../../src/keys/key-store.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type KeyStores, startKeyStores } from '../../support/key-stores.ts';
import { type IssuedKey, insertKey, newCredential, projectRoles, revokeKey } from '../../support/keys.ts';
import { noVersions } from '../../support/no-versions.ts';
import { keyRecord } from '../../support/records.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';

const SLOW_POLL = { timeout: 10_000 };

let databases: TestDatabases;
let redis: TestRedis;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
});
afterAll(async () => {
  await redis?.stop();
  await databases?.close();
});

/** What every key store is built from here: a pod's own stores, and a Redis layer of its own. */
interface Layers {
  stores: KeyStores;
  redisStore: KeyStore;
}

const stores: [string, Tier, (layers: Layers) => KeyStore][] = [
  ['Postgres', 'postgres', ({ stores }) => stores.postgres],
  ['Redis over Postgres', 'redis', ({ redisStore }) => redisStore],
  ['memory over Postgres', 'memory', ({ stores }) => stores.memory],
];

/** Stores a memo for each loaded key, as the verifier does after a successful comparison. */
function verifying(store: KeyStore, verified: VerifiedKeys): KeyStore {
  return {
    get: async (query) => {
      const loaded = await store.get(query);
      if (loaded?.tier === 'postgres' && loaded.verifiedHash === undefined) {
        verified.store({ ...loaded, verifiedHash: loaded.record.secretHash }, query.digest);
        await expect.poll(() => verified.read(query.id, query.digest)).toBeTruthy();
      }
      return loaded;
    },
  };
}

describe.each(stores)('KeyStore contract: %s', (_name, tier, pick) => {
  let stores: KeyStores;
  let link: RedisLink;
  let store: KeyStore;

  beforeEach(async () => {
    stores = await startKeyStores(databases);
    link = new RedisLink({
      url: redis.url,
      cluster: false,
      timeoutMs: 1_000,
      onUnavailable: () => {},
      onAvailable: () => {},
      onRefused: () => {},
    });
    const { postgres, changes, freshness } = stores;
    const fenced = new FencedCache(link, [randomBytes(32)], Date.now, { isRight: true }, changes, 900_000);
    const verified = new VerifiedKeys(fenced, Date.now, changes, 900_000, new Interner(1_000));
    const revalidation = new Revalidation(postgres, freshness, Date.now);
    const redisStore = new RedisKeyStore({
      inner: postgres,
      verified,
      freshness,
      changes,
      revalidation,
      fences: noVersions,
    });
    store = pick({ stores, redisStore: verifying(redisStore, verified) });
  });
  afterEach(async () => {
    await stores.stop();
    link.close();
  });

  /** Repeats the lookup, so that the result comes from the nearest tier of this store. */
  async function get(id: string): Promise<LoadedKey | undefined> {
    let loaded: LoadedKey | undefined;
    for (let times = 0; times < 3; times += 1) loaded = await store.get({ id, digest: `digest of ${id}` });
    return loaded;
  }

  async function newKey(fields: Parameters<typeof insertKey>[1] = {}): Promise<IssuedKey> {
    const key = await insertKey(databases.primary, fields);
    await databases.replicated();
    return key;
  }

  it('returns every field of a key, equal at every lookup', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000);
    const roleAssignments = projectRoles('security', 'p1', ['viewer']);
    const key = await newKey({ expiresAt, internal: true, roleAssignments });
    const first = await store.get({ id: key.id, digest: 'one' });
    expect(first?.record).toEqual(
      keyRecord(key.id, expect.any(Number), {
        organizationId: key.organizationId,
        secretHash: expect.stringMatching(/^\$argon2id\$/),
        roleAssignments: expect.objectContaining(roleAssignments),
        internal: true,
        createdBy: 'user-1',
        createdAtMs: expect.any(Number),
        expiresAtMs: expiresAt.getTime(),
      }),
    );
    expect((await get(key.id))?.record).toEqual(first?.record);
  });

  it('returns the time at which Postgres confirmed the record', async () => {
    const key = await newKey();
    const requestedAtMs = Date.now();
    expect((await store.get({ id: key.id, digest: 'one' }))?.confirmedAtMs).toBeGreaterThanOrEqual(
      requestedAtMs,
    );
    expect((await get(key.id))?.confirmedAtMs).toBeLessThanOrEqual(Date.now());
  });

  it('returns a known key from its nearest tier', async () => {
    const key = await newKey();
    await expect.poll(async () => (await get(key.id))?.tier, SLOW_POLL).toBe(tier);
  });

  it('returns undefined for an id that does not exist', async () => {
    expect(await get(newCredential().id)).toBeUndefined();
  });

  it('returns a revoked key as revoked, also if the revocation follows a lookup', async () => {
    const revoked = await newKey({ revokedAt: new Date() });
    expect((await get(revoked.id))?.record.revokedAtMs).toEqual(expect.any(Number));

    const key = await newKey();
    expect((await get(key.id))?.record.revokedAtMs).toBeNull();
    await revokeKey(databases.primary, key.id);
    await databases.replicated();
    await expect
      .poll(async () => (await get(key.id))?.record.revokedAtMs, SLOW_POLL)
      .toEqual(expect.any(Number));
  });

  it('returns a key that was created after a lookup of its id', async () => {
    const key = await insertKey(databases.primary);
    await get(key.id);
    await expect.poll(async () => (await get(key.id))?.record.id, SLOW_POLL).toBe(key.id);
  });

  it('returns equal results to concurrent lookups', async () => {
    const key = await newKey();
    const loaded = await Promise.all(
      Array.from({ length: 50 }, (_, nth) => store.get({ id: key.id, digest: `digest ${nth % 5}` })),
    );
    expect(new Set(loaded.map((one) => one?.record.version)).size).toBe(1);
  });

  it('quarantines a broken row at every lookup, and recovers with the row', async () => {
    const key = await newKey();
    await databases.region.query(`UPDATE api_keys SET role_assignments = '"broken"' WHERE id = $1`, [key.id]);
    await expect
      .poll(() => get(key.id).catch((error) => error), SLOW_POLL)
      .toBeInstanceOf(QuarantinedKeyError);
    await expect(get(key.id)).rejects.toThrow(QuarantinedKeyError);
    await databases.primary.query(`UPDATE api_keys SET created_by = 'repaired' WHERE id = $1`, [key.id]);
    await databases.replicated();
    await expect
      .poll(async () => (await get(key.id).catch(() => undefined))?.record.createdBy, SLOW_POLL)
      .toBe('repaired');
  });

  it('fails with StoreUnavailableError, not with an absent key, when Postgres cannot be read', async () => {
    const key = await newKey();
    await databases.region.query('ALTER TABLE api_keys RENAME TO hidden');
    try {
      await expect(store.get({ id: key.id, digest: 'one' })).rejects.toThrow(StoreUnavailableError);
    } finally {
      await databases.region.query('ALTER TABLE hidden RENAME TO api_keys');
    }
    expect((await get(key.id))?.record.id).toBe(key.id);
  });
});
