import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { subscribeRegion } from '../../../../src/database/subscription.ts';
import { startControlPlaneOf, type TestControlPlane } from '../../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../../support/databases.ts';
import { type IssuedKey, insertKey, revokeKey } from '../../../support/keys.ts';
import { metric, outcome } from '../../../support/pods.ts';
import { authenticate, startRegional, type TestRegional } from '../../../support/regional.ts';
import { runStatement } from '../../../support/run-statement.ts';

/** Each test waits until replication counts as stopped, which takes up to 15 s, and for two comparisons. */
vi.setConfig({ testTimeout: 150_000 });
const LONG = { timeout: 60_000, interval: 50 };
/** Age of the newest heartbeat from which an unknown key may be valid. */
const BEHIND_AFTER_MS = 10_000;
const QUERY_TIMEOUT_MS = 1_000;
/** What a loaded machine needs beside these times. */
const MARGIN_MS = 2_000;
const REVOKED = '401 0xD38358';
const MAY_BE_VALID = '503 0x1A4503';

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let pod: TestRegional;
let subscription: string;
const replicator = `replicator_${randomBytes(6).toString('hex')}`;
let replicatorUrl: string;
beforeAll(async () => {
  databases = await createDatabases();
  subscription = new URL(databases.regionUrl).pathname.slice(1);
  // A login of its own, as other files share the server: a test rotates its password.
  await databases.primary.query(`CREATE ROLE ${replicator} LOGIN REPLICATION PASSWORD 'first'`);
  await databases.primary.query(`GRANT iam_replicator TO ${replicator}`);
  replicatorUrl = Object.assign(new URL(databases.primaryUrl), {
    username: replicator,
    password: 'first',
  }).href;
  await subscribeRegion(databases.regionUrl, replicatorUrl, subscription);
  controlPlane = await startControlPlaneOf(databases);
  pod = await startRegional(databases.replicaUrl);
});
afterAll(async () => {
  await pod?.close();
  await controlPlane?.close();
  const url = databases?.primaryUrl ?? '';
  await databases?.close();
  const server = Object.assign(new URL(url), { pathname: '/postgres' }).href;
  await runStatement(server, `DROP ROLE IF EXISTS ${replicator}`);
});

const ask = async (key: IssuedKey) => outcome(await authenticate(pod, key.authorization));
const seconds = (sinceMs: number) => ((performance.now() - sinceMs) / 1_000).toFixed(1);

/** The newest error line about replication since a number of lines. */
function errorLines(sinceLine: number): { message: string; apply_errors: number }[] {
  return pod.logLines
    .slice(sinceLine)
    .map((line) => JSON.parse(line))
    .filter((line) => line['log.level'] === 'error' && line.message.startsWith('no heartbeat arrives'));
}

/** A key that works, for a test to revoke. */
async function workingKey(): Promise<IssuedKey> {
  const key = await insertKey(databases.primary);
  await expect.poll(() => ask(key), LONG).toBe('200');
  return key;
}

/** Waits until the region has compared all parts with digests that were published from now on, twice. */
async function comparedTwice(): Promise<void> {
  for (let times = 0; times < 2; times += 1) {
    const { rows } = await databases.primary.query('SELECT clock_timestamp()::text AS now');
    const compared = async () =>
      (
        await databases.region.query(
          'SELECT FROM digests JOIN compared_parts USING (part) WHERE least(published_at, checked_at) > $1::timestamptz',
          [rows[0].now],
        )
      ).rowCount;
    await expect.poll(compared, LONG).toBe(34);
  }
}

const differing = async () =>
  (await databases.region.query("SELECT kind, bucket FROM compared_buckets WHERE state <> 'matching'")).rows;

/** What stops replication, what pods report about it, and what repairs it. */
const FAULTS: Record<string, { stop: () => Promise<void>; message: RegExp; repair: () => Promise<void> }> = {
  'the subscription is disabled': {
    stop: async () => void (await databases.region.query(`ALTER SUBSCRIPTION ${subscription} DISABLE`)),
    message: /the subscription is disabled: ALTER SUBSCRIPTION … ENABLE/,
    repair: async () => void (await databases.region.query(`ALTER SUBSCRIPTION ${subscription} ENABLE`)),
  },
  'the password of the replication login is rotated': {
    stop: async () => {
      await databases.primary.query(`ALTER ROLE ${replicator} PASSWORD 'second'`);
      await databases.primary.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE usename = $1',
        [replicator],
      );
    },
    message: /does not receive from the primary \(.*the password of iam_replicator/,
    repair: async () => {
      replicatorUrl = Object.assign(new URL(replicatorUrl), { password: 'second' }).href;
      await subscribeRegion(databases.regionUrl, replicatorUrl, subscription);
    },
  },
};

it.each(Object.keys(FAULTS))(
  '%s: pods report it, refuse no key as unknown, and continue after the repair',
  async (name) => {
    const { stop, message, repair } = FAULTS[name] as (typeof FAULTS)[string];
    const revoked = await workingKey();
    const line = pod.logLines.length;
    const stoppedAtMs = performance.now();
    await stop();
    await revokeKey(databases.primary, revoked.id);
    const created = await insertKey(databases.primary);
    await expect
      .poll(() => ask(created), { timeout: BEHIND_AFTER_MS + MARGIN_MS, interval: 50 })
      .toBe(MAY_BE_VALID);
    const undecidedAfter = seconds(stoppedAtMs);
    await expect
      .poll(() => errorLines(line).map((one) => one.message), LONG)
      .toEqual([expect.stringMatching(message)]);
    const reportedAfter = seconds(stoppedAtMs);
    expect([await ask(created), await ask(revoked)]).toEqual([MAY_BE_VALID, '200']);

    const repairedAtMs = performance.now();
    await repair();
    await expect.poll(() => ask(revoked), LONG).toBe(REVOKED);
    await expect.poll(() => ask(created), LONG).toBe('200');
    console.log(
      `[figure] ${name}: unknown keys get 503 after ${undecidedAfter} s, reported after ${reportedAfter} s, revoked and created keys right ${seconds(repairedAtMs)} s after the repair`,
    );
    await comparedTwice();
    expect(await differing()).toEqual([]);
  },
);

it('a row of the region that the primary inserts too: pods report the conflict, and deleting the row repairs it', async () => {
  const revoked = await workingKey();
  await databases.region.query(`ALTER SUBSCRIPTION ${subscription} DISABLE`);
  const conflicting = await insertKey(databases.primary);
  await revokeKey(databases.primary, revoked.id);
  await databases.region.query(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     VALUES ($1, 'by-hand', 'by hand', 'x', '{}', 'someone', 1)`,
    [conflicting.id],
  );
  const before = (await metric(pod, 'iam_apply_errors_total')) ?? 0;
  const line = pod.logLines.length;
  const stoppedAtMs = performance.now();
  await databases.region.query(`ALTER SUBSCRIPTION ${subscription} ENABLE`);
  await expect.poll(() => metric(pod, 'iam_apply_errors_total'), LONG).toBeGreaterThan(before);
  const countedAfter = seconds(stoppedAtMs);
  await expect
    .poll(() => errorLines(line).map((one) => one.message), LONG)
    .toEqual([
      expect.stringMatching(
        /fails to apply a change, and tries again.*; the log of its server has the error/,
      ),
    ]);
  const reportedAfter = seconds(stoppedAtMs);
  expect(errorLines(line)[0]?.apply_errors).toBeGreaterThan(before);
  const { rows } = await databases.region.query(
    "SELECT current_setting('server_version_num')::int >= 180000 AS names",
  );
  if (rows[0].names) expect(errorLines(line)[0]?.message).toContain('(conflicts so far: insert_exists ');

  const repairedAtMs = performance.now();
  await databases.region.query('DELETE FROM api_keys WHERE id = $1', [conflicting.id]);
  await expect.poll(() => ask(conflicting), LONG).toBe('200');
  await expect.poll(() => ask(revoked), LONG).toBe(REVOKED);
  const rightAfter = seconds(repairedAtMs);
  await comparedTwice();
  expect(await differing()).toEqual([]);
  console.log(
    `[figure] apply conflict: counted after ${countedAfter} s, reported after ${reportedAfter} s, keys right ${rightAfter} s after the repair, all rows compared ${seconds(repairedAtMs)} s after it`,
  );
});

it('a statement waits for an exclusive lock behind a long query: callers get 200 or 503 in time, and all is right afterwards', async () => {
  const [warm, revoked] = [await workingKey(), await workingKey()];
  const cold = await insertKey(databases.primary);
  await databases.replicated();
  const line = pod.logLines.length;
  const [query, ddl] = [new pg.Client(databases.regionUrl), new pg.Client(databases.regionUrl)];
  await Promise.all([query.connect(), ddl.connect()]);
  const lockedAtMs = performance.now();
  await query.query('BEGIN');
  await query.query('SELECT count(*) FROM api_keys');
  const altering = ddl.query('ALTER TABLE api_keys ADD COLUMN note text');
  await expect
    .poll(async () => (await databases.region.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount, LONG)
    .toBeGreaterThan(0);
  await revokeKey(databases.primary, revoked.id);
  const slowestMs = { warm: 0, cold: 0 };
  const seen = { warm: new Set<string>(), cold: new Set<string>() };
  const asking = async (kind: 'warm' | 'cold', key: IssuedKey) => {
    const startedAtMs = performance.now();
    seen[kind].add(await ask(key));
    slowestMs[kind] = Math.max(slowestMs[kind], performance.now() - startedAtMs);
  };
  await expect
    .poll(async () => {
      await Promise.all([asking('warm', warm), asking('cold', cold)]);
      return errorLines(line).map((one) => one.message);
    }, LONG)
    .toEqual([
      expect.stringMatching(/the apply worker of the region waits for a lock that session \d+ holds/),
    ]);
  const reportedAfter = seconds(lockedAtMs);
  expect([...seen.warm]).toEqual(['200']);
  expect([...seen.cold]).toEqual(['503 0x1A0503']);
  expect(slowestMs.cold).toBeLessThan(QUERY_TIMEOUT_MS + MARGIN_MS / 2);

  const releasedAtMs = performance.now();
  await query.query('COMMIT');
  await altering;
  await expect.poll(() => ask(revoked), LONG).toBe(REVOKED);
  const revokedAfter = seconds(releasedAtMs);
  await expect.poll(() => ask(cold), LONG).toBe('200');
  console.log(
    `[figure] lock queue in the region: slowest warm call ${slowestMs.warm.toFixed(0)} ms, cold call ${slowestMs.cold.toFixed(0)} ms, reported after ${reportedAfter} s, revoked key refused ${revokedAfter} s and cold key accepted ${seconds(releasedAtMs)} s after the release`,
  );
  await databases.region.query('ALTER TABLE api_keys DROP COLUMN note');
  await Promise.all([query.end(), ddl.end()]);
  await comparedTwice();
  expect(await differing()).toEqual([]);
});
