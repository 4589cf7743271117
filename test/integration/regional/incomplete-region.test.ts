import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { authenticate, startUnreadyRegional, type TestRegional } from '../../support/regional.ts';
import { runStatement } from '../../support/run-statement.ts';
import { unsubscribeRegion } from '../../support/unsubscribe-region.ts';

const KEYS = 2_000;

let primary: TestPrimary;
let region: pg.Pool;
let regionUrl: string;
let replicaUrl: string;
let pod: TestRegional | undefined;
let name: string;
beforeEach(async () => {
  const server = inject('postgres').region.url;
  name = `incomplete_${randomBytes(6).toString('hex')}`;
  primary = await createPrimary();
  await runStatement(server, `CREATE DATABASE ${name}`);
  regionUrl = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  await migrate(regionUrl, 'region');
  await runStatement(
    server,
    "BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_regional LOGIN PASSWORD 'regional-test-password'; COMMIT",
  );
  replicaUrl = Object.assign(new URL(regionUrl), {
    username: 'iam_regional',
    password: 'regional-test-password',
  }).href;
  region = new pg.Pool({ connectionString: regionUrl, max: 2 });
});
afterEach(async () => {
  await pod?.close();
  pod = undefined;
  await unsubscribeRegion(regionUrl, name);
  await region.end();
  await runStatement(inject('postgres').region.url, `DROP DATABASE ${name} WITH (FORCE)`);
  await primary.close();
});

const readiness = async () =>
  (await (await fetch(`${pod?.managementUrl}/readyz`)).json()) as { status: string; obstacles?: string[] };
const ask = async (authorization: string) => {
  const { status, body } = await authenticate(pod as TestRegional, authorization);
  return status === 200 ? '200' : `${status} ${body.error.code}`;
};
const beat = () => primary.pool.query('UPDATE heartbeat SET beat_at = clock_timestamp()');

it('a region without a subscription is not ready, and refuses no key as unknown', async () => {
  pod = await startUnreadyRegional(replicaUrl);
  await expect
    .poll(async () => (await readiness()).obstacles)
    .toEqual([expect.stringContaining('not all rows of the primary')]);
  expect(await ask(authorizationOf(newCredential()))).toBe('503 0x1A4503');
});

it('a region that copies refuses no valid key, and becomes ready by the first heartbeat after the copy', async () => {
  const keys = await insertKeys(primary.pool, KEYS);
  pod = await startUnreadyRegional(replicaUrl, { ARGON2_QUEUE_LIMIT: '10000' });
  await expect.poll(() => ask(keys[0]?.authorization ?? '')).toBe('503 0x1A4503');
  const seen = new Set<string>();
  let copying = true;
  const asking = (async () => {
    for (let at = 0; copying; at = (at + 37) % KEYS) seen.add(await ask(keys[at]?.authorization ?? ''));
  })();
  await subscribeRegion(regionUrl, primary.url, name);
  await expect
    .poll(
      async () => (await region.query("SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'")).rowCount,
      {
        timeout: 20_000,
      },
    )
    .toBe(0);
  expect((await readiness()).status).toBe('unready');
  // A caller without the secret does not learn which ids exist.
  const guess = { ...newCredential(), id: keys[0]?.id ?? '' };
  expect(await ask(authorizationOf(guess))).toBe('503 0x1A4503');
  await beat();
  await expect.poll(async () => (await readiness()).status, { timeout: 5_000 }).toBe('ok');
  copying = false;
  await asking;
  expect([...seen].filter((outcome) => !['200', '503 0x1A4503'].includes(outcome))).toEqual([]);
  expect(seen).toContain('503 0x1A4503');
  expect(await ask(authorizationOf(newCredential()))).toBe('401 0x28D520');
});

it('a pod that starts while the primary is gone is ready, because the region was complete', async () => {
  await subscribeRegion(regionUrl, primary.url, name);
  await expect
    .poll(
      async () => {
        await beat();
        return (await region.query('SELECT FROM heartbeat WHERE complete')).rowCount;
      },
      { timeout: 20_000 },
    )
    .toBe(1);
  await region.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
  pod = await startUnreadyRegional(replicaUrl);
  await expect.poll(async () => (await readiness()).status).toBe('ok');
  await region.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
});

it('shows how old the replica is, and accepts nothing beyond MAX_REPLICATION_AGE_MS', async () => {
  const [key] = (await insertKeys(primary.pool, 1)) as unknown as [{ authorization: string }];
  await subscribeRegion(regionUrl, primary.url, name);
  pod = await startUnreadyRegional(replicaUrl, { MAX_REPLICATION_AGE_MS: '10000' });
  await expect
    .poll(
      async () => {
        await beat();
        return (await readiness()).status;
      },
      { timeout: 20_000 },
    )
    .toBe('ok');
  expect(await ask(key.authorization)).toBe('200');
  await expect.poll(() => ask(key.authorization), { timeout: 15_000 }).toBe('503 0x1A5503');
  expect(await readiness()).toMatchObject({ status: 'ok', replication_age_seconds: expect.any(Number) });
  await beat();
  await expect.poll(() => ask(key.authorization), { timeout: 5_000 }).toBe('200');
});
