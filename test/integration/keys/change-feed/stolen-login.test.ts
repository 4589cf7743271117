import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it('a revocation arrives while the read-only login of the region holds every lock that it can get', async () => {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  await expect.poll(async () => (await authenticate(pod, key.authorization)).status).toBe(200);
  await thief.query('BEGIN');
  await thief.query('SELECT pg_advisory_lock(7306401, 1), pg_advisory_lock(0)');
  await thief.query('LOCK TABLE api_keys, roles, changes, heartbeat IN ACCESS SHARE MODE');
  await revokeKey(databases.primary, key.id);
  await expect
    .poll(async () => (await authenticate(pod, key.authorization)).status, { timeout: 5_000 })
    .toBe(401);
  await thief.query('ROLLBACK');
  await thief.query('SELECT pg_advisory_unlock_all()');
});

it.each([
  'LOCK TABLE change_order IN ACCESS SHARE MODE',
  'LOCK TABLE api_keys IN SHARE MODE',
  'LOCK TABLE changes IN ROW EXCLUSIVE MODE',
  'SELECT FROM heartbeat FOR UPDATE',
  'SELECT FROM compared_buckets FOR UPDATE',
  "UPDATE compared_buckets SET state = 'matching'",
  'SELECT FROM digests',
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
