import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { endBlockingSessions } from '../../../../src/keys/change-feed/login-sessions.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { insertKey, revokeKey } from '../../../support/keys.ts';
import { authenticate, startRegional, type TestRegional } from '../../../support/regional.ts';

let databases: TestDatabases;
let pod: TestRegional;
let thief: pg.Client;
beforeAll(async () => {
  databases = await createDatabases();
  pod = await startRegional(databases.replicaUrl);
  thief = new pg.Client({ connectionString: databases.replicaUrl });
  await thief.connect();
});
afterAll(async () => {
  await thief?.end();
  await pod?.close();
  await databases?.close();
});

it('a revocation arrives while the read-only login of the region holds every lock of a table that it can get', async () => {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  await expect.poll(async () => (await authenticate(pod, key.authorization)).status).toBe(200);
  await thief.query('BEGIN');
  await thief.query('LOCK TABLE api_keys, roles, changes, heartbeat IN ACCESS SHARE MODE');
  await revokeKey(databases.primary, key.id);
  await expect
    .poll(async () => (await authenticate(pod, key.authorization)).status, { timeout: 5_000 })
    .toBe(401);
  await thief.query('ROLLBACK');
});

it.each([
  'LOCK TABLE change_order IN ACCESS SHARE MODE',
  'LOCK TABLE api_keys IN SHARE MODE',
  'LOCK TABLE changes IN ROW EXCLUSIVE MODE',
  'SELECT FROM heartbeat FOR UPDATE',
  'SELECT FROM compared_buckets FOR UPDATE',
  "UPDATE compared_buckets SET state = 'matching'",
  'SELECT FROM digests',
  'SELECT pg_advisory_lock(7306401, 1)',
  'SELECT pg_try_advisory_xact_lock_shared(1)',
  "SELECT pg_logical_emit_message(false, 'x', 'x')",
  'CREATE TEMPORARY TABLE t (a int)',
  'CREATE TABLE t (a int)',
  'SELECT lo_create(0)',
  "SELECT lo_from_bytea(0, 'x')",
])('the read-only login of the region may not run: %s', async (statement) => {
  await thief.query('BEGIN');
  try {
    await expect(thief.query(statement)).rejects.toThrow('permission denied');
  } finally {
    await thief.query('ROLLBACK');
  }
});

describe('a pod', () => {
  const end = async (as: pg.ClientBase, seconds: number) =>
    (await as.query<{ ended: number }>(endBlockingSessions(seconds))).rows[0]?.ended;
  let other: pg.Client;
  let failed: Promise<Error>;
  const stayInTransaction = async (url: string) => {
    other = new pg.Client({ connectionString: url });
    failed = new Promise((resolve) => other.on('error', resolve));
    await other.connect();
    await other.query('BEGIN; LOCK TABLE api_keys IN ACCESS SHARE MODE');
  };
  afterEach(() => other.end());

  it('ends a session of its login that stays in a transaction for too long', async () => {
    await stayInTransaction(databases.replicaUrl);
    expect(await end(thief, 30)).toBe(0);
    await expect.poll(() => end(thief, 0.1)).toBe(1);
    expect((await failed).message).toContain('terminating connection');
  });

  it('ends no session if its login may write, because iam migrate may use the same', async () => {
    await stayInTransaction(databases.regionUrl);
    const client = await databases.region.connect();
    expect(await end(client, 0)).toBe(0);
    client.release();
    await other.query('SELECT FROM api_keys');
  });
});
