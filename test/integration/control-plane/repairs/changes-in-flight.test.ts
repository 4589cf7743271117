import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Queries } from '../../../../src/control-plane/database.ts';
import { type ClaimedPart, publishPart } from '../../../../src/control-plane/digests/parts.ts';
import {
  type ClaimedRepair,
  claimRepairs,
  publishRepair,
  requestRepairs,
} from '../../../../src/control-plane/repairs/repair-queue.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { insertKeys } from '../../../support/many-keys.ts';

/** No control plane runs here: the tests decide what commits between a claim, the snapshot of a repair and its commit. */
let databases: TestDatabases;
let bucket: number;
/** In one bucket. The region loses the first, and the tests change the others. */
let keys: string[];
/** One of `keys`, of another organization: a transaction that changes it does not block changes of the others. */
let neighbour: string;
beforeAll(async () => {
  databases = await createDatabases();
  await insertKeys(databases.primary, 6_000);
  const others = await insertKeys(databases.primary, 2_000);
  const { rows } = await databases.primary.query(
    `SELECT bucket, array_agg(id) FILTER (WHERE id <> ALL ($1)) AS ids, max(id) FILTER (WHERE id = ANY ($1)) AS neighbour
     FROM api_keys GROUP BY bucket HAVING count(*) FILTER (WHERE id = ANY ($1)) > 0 AND count(*) >= 6 LIMIT 1`,
    [others.map(({ id }) => id)],
  );
  bucket = rows[0].bucket;
  neighbour = rows[0].neighbour;
  keys = [...rows[0].ids, neighbour];
});
afterAll(async () => {
  await databases?.close();
});
beforeEach(async () => {
  await databases.primary.query('UPDATE api_keys SET revoked_at = NULL WHERE id = ANY ($1)', [keys]);
  await damage();
});

const nothing = async () => {};

const onPool = (pool: pg.Pool | pg.PoolClient): Queries => ({
  query: async (text, values = []) => (await pool.query(text, values as unknown[])).rows,
  onEvent: () => {},
});

/** Removes a key from the region alone, and waits until the bucket counts as diverged. */
async function damage(): Promise<void> {
  await databases.replicated();
  await databases.region.query('DELETE FROM api_keys WHERE id = $1', [keys[0]]);
  await compare();
  await compare();
  expect(await state()).toBe('diverged');
}

async function claimDigest(): Promise<ClaimedPart> {
  const { rows } = await databases.primary.query<ClaimedPart>(
    'UPDATE digests SET claim = claim + 1 WHERE part = $1 RETURNING part, kind, first_bucket, claim',
    [Math.floor(bucket / 32)],
  );
  return rows[0] as ClaimedPart;
}

async function publishDigest(part: ClaimedPart): Promise<void> {
  await publishPart(onPool(databases.primary), part);
  await databases.replicated();
}

async function compare(): Promise<void> {
  await publishDigest(await claimDigest());
}

/** Claims the repair of the bucket. */
async function claim(forced = false): Promise<ClaimedRepair> {
  const primary = onPool(databases.primary);
  await databases.primary.query(
    "UPDATE repairs SET requested_at = NULL, claimed_at = '-infinity', published_at = NULL WHERE claim > 0",
  );
  expect(await requestRepairs(primary, 'keys', [bucket], forced)).toBe(1);
  const claimed = await claimRepairs(primary, 8);
  expect(claimed).toEqual([expect.objectContaining({ kind: 'keys', bucket })]);
  return claimed[0] as ClaimedRepair;
}

interface Moments {
  afterClaim?: () => Promise<unknown>;
  /** After the snapshot of the repair, before its commit. */
  afterSnapshot?: () => Promise<unknown>;
}

async function repair({ afterClaim = nothing, afterSnapshot = nothing }: Moments = {}): Promise<void> {
  const claimed = await claim();
  await afterClaim();
  await pause(100);
  await inTransaction(async (client) => {
    expect(await publishRepair(onPool(client), claimed)).toBeGreaterThan(0);
    await afterSnapshot();
  });
  await databases.replicated();
}

/** Ends the connection on an error, and so the locks. */
async function inTransaction(work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await databases.primary.connect();
  try {
    await client.query("BEGIN; SET LOCAL lock_timeout = '5s'");
    await work(client);
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function state(): Promise<string> {
  const { rows } = await databases.region.query(
    "SELECT state FROM compared_buckets WHERE kind = 'keys' AND bucket = $1",
    [bucket],
  );
  return rows[0]?.state ?? 'matching';
}

async function revokedInRegion(): Promise<string[]> {
  const { rows } = await databases.region.query(
    'SELECT id FROM api_keys WHERE revoked_at IS NOT NULL AND id = ANY ($1)',
    [keys],
  );
  return rows.map(({ id }) => id);
}

async function hasKey(id: string | undefined): Promise<boolean> {
  return (await databases.region.query('SELECT FROM api_keys WHERE id = $1', [id])).rowCount === 1;
}

const revoke = (id: string | undefined, on: pg.Pool | pg.PoolClient = databases.primary) =>
  on.query('UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1', [id]);

it('a repair restores the row, and the bucket matches at the next digest that was claimed later', async () => {
  const former = await claimDigest();
  await repair();
  expect(await hasKey(keys[0])).toBe(true);
  expect(await state()).toBe('diverged');
  await publishDigest(former);
  expect(await state(), 'a digest that was claimed before the repair says nothing').toBe('diverged');
  await compare();
  expect(await state()).toBe('matching');
});

it('a bucket is requested and claimed again after the clock of the primary went back', async () => {
  await databases.primary.query(
    `UPDATE repairs SET requested_at = NULL, claimed_at = clock_timestamp() + interval '1 hour',
       published_at = clock_timestamp() + interval '1 hour'`,
  );
  expect(await requestRepairs(onPool(databases.primary), 'keys', [bucket])).toBe(1);
  const [claimed] = await claimRepairs(onPool(databases.primary), 8);
  expect(claimed).toMatchObject({ kind: 'keys', bucket });
  await publishRepair(onPool(databases.primary), claimed as ClaimedRepair);
  await databases.replicated();
  expect(await hasKey(keys[0])).toBe(true);
  await databases.primary.query("UPDATE repairs SET claimed_at = '-infinity', published_at = NULL");
});

it('revocations that commit between the claim and the commit of a repair stay', async () => {
  await inTransaction(async (slow) => {
    await revoke(neighbour, slow);
    await repair({
      afterClaim: () => revoke(keys[1]),
      afterSnapshot: async () => {
        await revoke(keys[2]);
        await slow.query('COMMIT');
      },
    });
  });
  expect((await revokedInRegion()).sort()).toEqual([keys[1], keys[2], neighbour].sort());
  expect(await hasKey(keys[0])).toBe(true);
  await compare();
  expect(await state()).toBe('matching');
});

it('a key that is created after the snapshot of a repair stays', async () => {
  const { rows } = await databases.primary.query(
    `SELECT id FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, 50000)) AS new
     WHERE key_bucket(id) = $1 LIMIT 1`,
    [bucket],
  );
  await repair({
    afterSnapshot: () =>
      databases.primary.query(
        `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
         SELECT $1, organization_id, 'new', 'x', '{}', 'user-1', 0 FROM api_keys WHERE id = $2`,
        [rows[0].id, keys[1]],
      ),
  });
  expect(await hasKey(rows[0].id)).toBe(true);
  await compare();
  expect(await state()).toBe('matching');
});

it('a revocation of the missing key after the snapshot keeps the bucket diverged until another repair', async () => {
  // Postgres skips the update of a row that the region does not have.
  await repair({ afterSnapshot: () => revoke(keys[0]) });
  expect(await hasKey(keys[0])).toBe(true);
  await compare();
  expect(await state()).toBe('diverged');
  await repair();
  expect(await revokedInRegion()).toEqual([keys[0]]);
  await compare();
  expect(await state()).toBe('matching');
});

it('starts a new generation if it removes a row or lowers a version, and not if it only adds rows', async () => {
  const breaks = async () =>
    (await databases.region.query("SELECT FROM history_breaks WHERE reason = 'repair'")).rowCount ?? 0;
  const before = await breaks();
  await repair();
  expect(await breaks()).toBe(before);
  await databases.region.query('UPDATE api_keys SET version = version + 5, revoked_at = NULL WHERE id = $1', [
    keys[1],
  ]);
  await compare();
  await compare();
  await repair();
  expect(await breaks()).toBe(before + 1);
  await compare();
  expect(await state()).toBe('matching');
});

it('does nothing to a bucket that is not known to differ, unless it is forced: then the bucket counts as diverged', async () => {
  await repair();
  await compare();
  expect(await state()).toBe('matching');
  await databases.region.query('DELETE FROM api_keys WHERE id = $1', [keys[0]]);
  await repair();
  expect(await hasKey(keys[0])).toBe(false);
  expect(await state()).toBe('matching');
  const claimed = await claim(true);
  await publishRepair(onPool(databases.primary), claimed);
  await databases.replicated();
  expect(await hasKey(keys[0])).toBe(true);
  expect(await state()).toBe('diverged');
  await compare();
  expect(await state()).toBe('matching');
});

it('a claim that another process has taken over publishes nothing', async () => {
  const claimed = await claim();
  await databases.primary.query("UPDATE repairs SET claimed_at = '-infinity' WHERE bucket = $1", [bucket]);
  await claimRepairs(onPool(databases.primary), 8);
  expect(await publishRepair(onPool(databases.primary), claimed)).toBeUndefined();
});

it('a repair that fails does not stop replication', async () => {
  await databases.region.query('ALTER TABLE compared_buckets RENAME TO hidden');
  try {
    await repair();
    await revoke(keys[1]);
    await databases.replicated();
    expect(await revokedInRegion()).toEqual([keys[1]]);
    expect(await hasKey(keys[0])).toBe(false);
  } finally {
    await databases.region.query('ALTER TABLE hidden RENAME TO compared_buckets');
  }
  await repair();
  expect(await hasKey(keys[0])).toBe(true);
});

describe('a revocation that only the region has', () => {
  const lost = async () =>
    (await databases.region.query('SELECT key_id FROM lost_revocations ORDER BY seq')).rows.map(
      ({ key_id }) => key_id,
    );
  beforeEach(async () => {
    await databases.region.query('DELETE FROM lost_revocations');
    await revoke(keys[1], databases.region);
  });

  it('is recorded when a repair undoes it, and no other row that the repair writes or removes', async () => {
    await revoke(keys[2]);
    await databases.replicated();
    await databases.region.query("UPDATE api_keys SET description = 'differs', version = 1 WHERE id = $1", [
      keys[2],
    ]);
    const { rows } = await databases.region.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version, revoked_at)
       SELECT id, 'lost', 'lost', 'x', '{}', 'user-1', 1, clock_timestamp()
       FROM (SELECT gen_random_uuid()::text AS id FROM generate_series(1, 50000)) AS new
       WHERE key_bucket(id) = $1 LIMIT 1 RETURNING id`,
      [bucket],
    );
    await repair();
    expect(await hasKey(rows[0].id)).toBe(false);
    expect(await revokedInRegion()).toEqual([keys[2]]);
    expect(await lost()).toEqual([keys[1]]);
  });

  it('is recorded when a change of the key arrives before a repair', async () => {
    await databases.primary.query("UPDATE api_keys SET description = 'changed' WHERE id = $1", [keys[1]]);
    await databases.replicated();
    expect(await revokedInRegion()).toEqual([]);
    expect(await lost()).toEqual([keys[1]]);
  });

  it('is not recorded when a person undoes it in the region', async () => {
    await databases.region.query('UPDATE api_keys SET revoked_at = NULL WHERE id = $1', [keys[1]]);
    expect(await lost()).toEqual([]);
  });

  it('is recorded for the newest 10,000', async () => {
    await databases.region.query(
      `INSERT INTO lost_revocations (key_id, organization_id, revoked_at)
       SELECT 'former', 'former', now() FROM generate_series(1, 10000)`,
    );
    await repair();
    const ids = await lost();
    expect([ids.length, ids.at(-1)]).toEqual([10_000, keys[1]]);
  });

  it('does not stop replication if it cannot be recorded', async () => {
    await databases.region.query('ALTER TABLE lost_revocations RENAME TO hidden');
    try {
      await repair();
      expect(await revokedInRegion()).toEqual([]);
      await revoke(keys[2]);
      await databases.replicated();
      expect(await revokedInRegion()).toEqual([keys[2]]);
    } finally {
      await databases.region.query('ALTER TABLE hidden RENAME TO lost_revocations');
    }
  });

  it('is readable for pods, which cannot change it', async () => {
    const pod = new pg.Client({ connectionString: databases.replicaUrl });
    await pod.connect();
    try {
      await pod.query('SELECT key_id, organization_id, revoked_at, noticed_at FROM lost_revocations');
      await expect(pod.query('DELETE FROM lost_revocations')).rejects.toThrow('permission denied');
    } finally {
      await pod.end();
    }
  });
});

it('leaves a copy of the rows neither on the primary nor in the region', async () => {
  await repair();
  for (const server of [databases.primary, databases.region]) {
    const { rows } = await server.query(
      'SELECT count(rows)::int AS rows, count(published_at)::int AS published FROM repairs',
    );
    expect(rows[0]).toEqual({ rows: 0, published: 1 });
  }
});
