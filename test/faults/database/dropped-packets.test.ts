import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { beforeAll, expect, it } from 'vitest';
import { REPLICATOR_LOGIN, setLoginPassword } from '../../../src/database/logins.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { subscribeRegion } from '../../../src/database/subscription.ts';
import { insertKey, revokeKey } from '../../support/keys.ts';
import { type Pods, startPods } from '../../support/pods.ts';
import { runStatement } from '../../support/run-statement.ts';
import { createDistantHost, type DistantHost } from '../../support/servers/distant-host.ts';
import { type DistantPostgres, startDistantPostgres } from '../../support/servers/distant-postgres.ts';
import { createScratchDirectory, startTestPostgres } from '../../support/servers/postgres.ts';

/** The rest of the outage, after both sides should have noticed it. */
const DROP_MS = 13_000;
const DETECTION_MS = 10_000;
/** In docs/failure-modes.md: from the moment that packets pass again. */
const RECOVERY_MS = 15_000;
const BEAT_MS = 1_000;

let host: DistantHost;
let primary: DistantPostgres;
let primaryPool: pg.Pool;
/** Subscribed as `iam migrate` does it. */
let region: pg.Pool;
let regionUrl: string;
/** Subscribed to the same primary without parameters and as another login: the guard is missing on both sides. */
let unguarded: pg.Pool;
let pods: Pods;

const poolOf = (url: string) => {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  pool.on('error', () => {});
  return pool;
};

beforeAll(async () => {
  const scratch = await createScratchDirectory('dropped-packets');
  host = await createDistantHost();
  primary = await startDistantPostgres(host, scratch);
  // The defaults of Postgres, which the other tests shorten.
  const { server, access } = await startTestPostgres(join(scratch, 'region'), {
    wal_retrieve_retry_interval: '5s',
    wal_receiver_status_interval: '10s',
  });
  regionUrl = server.url('region');
  const unguardedUrl = server.url('unguarded');
  for (const name of ['region', 'unguarded']) {
    await runStatement(access.url, `CREATE DATABASE ${name}`);
    await migrate(server.url(name), 'region');
  }
  await migrate(primary.url('postgres'), 'primary');
  await setLoginPassword(primary.url('postgres'), REPLICATOR_LOGIN, 'replicator-test-password');
  const replicator = new URL(primary.networkUrl('postgres'));
  replicator.username = REPLICATOR_LOGIN.name;
  replicator.password = 'replicator-test-password';
  await subscribeRegion(regionUrl, replicator.href, 'region');
  await runStatement(
    unguardedUrl,
    `CREATE SUBSCRIPTION unguarded CONNECTION '${primary.networkUrl('postgres')}' PUBLICATION iam WITH (streaming = on)`,
  );
  primaryPool = poolOf(primary.url('postgres'));
  region = poolOf(regionUrl);
  unguarded = poolOf(unguardedUrl);
  pods = await startPodsAfterHeartbeat();
  return async () => {
    await pods.stop();
    await Promise.all([primaryPool.end(), region.end(), unguarded.end()]);
    await server.stop('immediate');
    await primary.stop();
    await host.remove();
    await rm(scratch, { recursive: true, force: true });
  };
});

const beat = () => primaryPool.query('UPDATE heartbeat SET beat_at = clock_timestamp()');

/** Pods are ready after a heartbeat that follows the copy. */
async function startPodsAfterHeartbeat(): Promise<Pods> {
  const stopBeating = beatEverySecond();
  try {
    return await startPods(1, regionUrl);
  } finally {
    await stopBeating();
  }
}

/** As the control plane does. @returns a function that stops it */
function beatEverySecond(): () => Promise<void> {
  const stop = new AbortController();
  const done = (async () => {
    while (!stop.signal.aborted) {
      await beat();
      await sleep(BEAT_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return async () => {
    stop.abort();
    await done;
  };
}

const workerOf = async (pool: pg.Pool): Promise<number | null> => {
  const { rows } = await pool.query(
    `SELECT pid FROM pg_stat_subscription WHERE relid IS NULL
       AND subid = (SELECT oid FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))`,
  );
  return rows[0]?.pid ?? null;
};
const isSlotActive = async (name: string): Promise<boolean> => {
  const { rows } = await primaryPool.query('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [
    name,
  ]);
  return rows[0].active;
};
const rowIn = async (pool: pg.Pool, id: string) =>
  (await pool.query('SELECT FROM api_keys WHERE id = $1', [id])).rowCount;
const LOADED = { timeout: 30_000, interval: 50 };

it('notices on both sides within 10 s that packets are dropped, and applies a revocation once they pass again', async () => {
  const key = await insertKey(primaryPool);
  for (const pool of [region, unguarded]) await expect.poll(() => rowIn(pool, key.id), LOADED).toBe(1);
  expect(await pods.outcomes(key.authorization)).toEqual(['200']);
  const workers = { region: await workerOf(region), unguarded: await workerOf(unguarded) };
  const stopBeating = beatEverySecond();
  await sleep(2 * BEAT_MS);

  await host.drop();
  const droppedAt = performance.now();
  const secondsSince = (at: number) => (performance.now() - at) / 1_000;
  await revokeKey(primaryPool, key.id);
  const within = { timeout: DETECTION_MS, interval: 50 };
  const seconds = async (condition: Promise<unknown>) => {
    await condition;
    return secondsSince(droppedAt);
  };
  const [regionSeconds, primarySeconds] = await Promise.all([
    seconds(expect.poll(() => workerOf(region), within).not.toBe(workers.region)),
    seconds(expect.poll(() => isSlotActive('region'), within).toBe(false)),
  ]);
  await sleep(DROP_MS - (performance.now() - droppedAt));
  // Without the parameters, neither side has noticed.
  expect(await workerOf(unguarded)).toBe(workers.unguarded);
  expect(await isSlotActive('unguarded')).toBe(true);
  expect(await pods.outcomes(key.authorization), 'the change cannot arrive').toEqual(['200']);

  await host.restore();
  const restoredAt = performance.now();
  await expect
    .poll(() => pods.outcomes(key.authorization), { timeout: RECOVERY_MS, interval: 50 })
    .toEqual(['401 0xD38358']);
  await stopBeating();
  console.log(
    `[figure] packets dropped for ${DROP_MS / 1_000} s: noticed by the region after ${regionSeconds.toFixed(1)} s, by the primary after ${primarySeconds.toFixed(1)} s; revocation refused ${secondsSince(restoredAt).toFixed(1)} s after they passed again`,
  );
}, 120_000);
