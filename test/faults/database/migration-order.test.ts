import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { startTestControlPlane, type TestControlPlane } from '../../support/control-plane.ts';
import { type IssuedKey, insertKey, revokeKey } from '../../support/keys.ts';
import { migrateAsOlderRelease } from '../../support/older-schema.ts';
import { outcome } from '../../support/pods.ts';
import { controlPlaneUrl } from '../../support/primary.ts';
import { authenticate, startUnreadyRegional, type TestRegional } from '../../support/regional.ts';
import { runStatement } from '../../support/run-statement.ts';
import { unsubscribeRegion } from '../../support/unsubscribe-region.ts';

vi.setConfig({ testTimeout: 120_000 });
const LONG = { timeout: 60_000, interval: 50 };

/** The release before the digests. */
const OLDER = { primary: 8, region: 5 };

const name = `order_${randomBytes(6).toString('hex')}`;
const servers = inject('postgres');
const at = (url: string, login: object = {}) =>
  Object.assign(new URL(url), { pathname: `/${name}`, ...login }).href;
const primaryUrl = at(servers.primary.url);
const regionUrl = at(servers.region.url);
const replicaUrl = at(servers.region.url, { username: 'iam_regional', password: 'regional-test-password' });

let primary: pg.Pool;
let region: pg.Pool;
let controlPlane: TestControlPlane;
let pod: TestRegional;
beforeAll(async () => {
  await runStatement(servers.primary.url, `CREATE DATABASE ${name}`);
  await runStatement(servers.region.url, `CREATE DATABASE ${name}`);
  await migrateAsOlderRelease(regionUrl, 'region', OLDER.region);
  await migrateAsOlderRelease(primaryUrl, 'primary', OLDER.primary);
  await subscribeRegion(regionUrl, primaryUrl, name);
  await runStatement(
    servers.region.url,
    "BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_regional LOGIN PASSWORD 'regional-test-password'; COMMIT",
  );
  primary = new pg.Pool({ connectionString: primaryUrl, max: 4 });
  region = new pg.Pool({ connectionString: regionUrl, max: 2 });
});
afterAll(async () => {
  await pod?.close();
  await controlPlane?.close();
  await unsubscribeRegion(regionUrl, name);
  await Promise.all([primary.end(), region.end()]);
  await runStatement(servers.region.url, `DROP DATABASE ${name} WITH (FORCE)`);
  await runStatement(servers.primary.url, `DROP DATABASE ${name} WITH (FORCE)`);
});

async function readiness(service: { managementUrl: string }): Promise<{ status: number; obstacles: string }> {
  const response = await fetch(`${service.managementUrl}/readyz`);
  const { obstacles = [] } = (await response.json()) as { obstacles?: string[] };
  return { status: response.status, obstacles: obstacles.join('\n') };
}
const READY = { status: 200, obstacles: '' };

const ask = async (key: IssuedKey) => outcome(await authenticate(pod, key.authorization));

it('a new control plane on an older schema is not ready, and says what to run, until it was run', async () => {
  const url = await controlPlaneUrl(primaryUrl);
  controlPlane = await startTestControlPlane({}, { pool: primary, url: primaryUrl, controlPlaneUrl: url });
  await expect
    .poll(() => readiness(controlPlane), LONG)
    .toEqual({
      status: 503,
      obstacles: expect.stringContaining(
        'the schema of the database is older than this release: run "iam migrate primary"',
      ),
    });
});

it('after "iam migrate primary" alone, a new pod on the older region is not ready, and nothing is lost until the region is migrated', async () => {
  const revoked = await insertKey(primary);
  await migrate(primaryUrl, 'primary');
  const primaryAtMs = performance.now();
  await expect.poll(() => readiness(controlPlane), LONG).toEqual(READY);
  console.log(
    `[figure] control plane ready ${(performance.now() - primaryAtMs).toFixed(0)} ms after "iam migrate primary"`,
  );

  pod = await startUnreadyRegional(replicaUrl);
  await expect
    .poll(async () => (await readiness(pod)).obstacles, LONG)
    .toContain('the schema of the database is older than this release: run "iam migrate region"');
  // The control plane publishes digests, and the region has no table for them.
  const errors = async () =>
    Number(
      (
        await region.query('SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = $1', [
          name,
        ])
      ).rows[0]?.apply_error_count,
    );
  await expect.poll(errors, LONG).toBeGreaterThan(0);
  await revokeKey(primary, revoked.id);
  const created = await insertKey(primary);
  expect((await readiness(pod)).status).toBe(503);

  const migratedAtMs = performance.now();
  await migrate(regionUrl, 'region');
  await expect.poll(() => readiness(pod), LONG).toEqual(READY);
  const readyAfterMs = performance.now() - migratedAtMs;
  await expect.poll(() => ask(revoked), LONG).toBe('401 0xD38358');
  await expect.poll(() => ask(created), LONG).toBe('200');
  console.log(
    `[figure] wrong order of migrations: pod ready ${(readyAfterMs / 1_000).toFixed(1)} s, both keys right ${((performance.now() - migratedAtMs) / 1_000).toFixed(1)} s after "iam migrate region" began`,
  );
});

it('services stay ready and start on a schema that is newer than they are', async () => {
  for (const pool of [primary, region]) {
    await pool.query(
      "INSERT INTO schema_migrations (name, run_on) VALUES ('9999_of_a_later_release', now())",
    );
    await pool.query('ALTER TABLE api_keys ADD COLUMN of_a_later_release text');
  }
  const next = await startUnreadyRegional(replicaUrl);
  try {
    await expect.poll(() => readiness(next), LONG).toEqual(READY);
    const key = await insertKey(primary);
    await expect.poll(async () => outcome(await authenticate(next, key.authorization)), LONG).toBe('200');
    expect([await readiness(pod), await readiness(controlPlane)]).toEqual([READY, READY]);
  } finally {
    await next.close();
  }
});
