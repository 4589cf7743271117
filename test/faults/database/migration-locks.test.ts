import { randomBytes } from 'node:crypto';
import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { migrate } from '../../../src/database/migrate.ts';
import { iam } from '../../support/iam.ts';
import { insertKey } from '../../support/keys.ts';
import { migrateAsOlderRelease } from '../../support/older-schema.ts';
import { runStatement } from '../../support/run-statement.ts';

const WAIT = { timeout: 20_000 };
/** The schema before the digests, whose migration alters `api_keys`. */
const OLDER = 8;

const name = () => `locks_${randomBytes(6).toString('hex')}`;
let database: string;
let url: string;
let pool: pg.Pool;
let other: pg.Client;
let otherPid: number;
beforeEach(async () => {
  database = name();
  const server = inject('postgres').primary.url;
  await runStatement(server, `CREATE DATABASE ${database}`);
  url = Object.assign(new URL(server), { pathname: `/${database}` }).href;
  await migrateAsOlderRelease(url, 'primary', OLDER);
  pool = new pg.Pool({ connectionString: url, max: 4 });
  other = new pg.Client({ connectionString: url, application_name: 'report' });
  await other.connect();
  otherPid = (await other.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
});
afterEach(async () => {
  await other.end();
  await pool.end();
  await runStatement(inject('postgres').primary.url, `DROP DATABASE ${database} WITH (FORCE)`);
});

const waiting = async () =>
  (
    await pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
  ).rowCount;

it('behind a slow transaction, a migration names its session, and writers and heartbeat wait for less than a second', async () => {
  const key = await insertKey(pool);
  await other.query('BEGIN');
  await other.query('SELECT count(*) FROM api_keys');
  const reports: string[] = [];
  const migration = migrate(url, 'primary', { report: (message) => void reports.push(message) });
  let slowestMs = 0;
  const write = async () => {
    const startedAtMs = performance.now();
    await pool.query("UPDATE api_keys SET description = 'written' WHERE id = $1", [key.id]);
    await pool.query('UPDATE heartbeat SET beat_at = clock_timestamp()');
    slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
  };
  const endsAtMs = performance.now() + 5_000;
  while (performance.now() < endsAtMs || reports.length === 0) await write();
  expect(reports).toEqual([
    expect.stringMatching(
      new RegExp(
        `^waiting for a lock that pid ${otherPid} \\(user postgres, report, transaction of \\d+ s\\) holds; trying again$`,
      ),
    ),
  ]);
  const releasedAtMs = performance.now();
  await other.query('COMMIT');
  expect(await migration).toEqual(expect.arrayContaining(['0013_digests', '0014_digests']));
  console.log(
    `[figure] a migration behind a slow transaction: writers and heartbeat waited for at most ${slowestMs.toFixed(0)} ms; applied ${((performance.now() - releasedAtMs) / 1_000).toFixed(1)} s after its end`,
  );
  // The timeout of a lock, and the time that a loaded machine needs for two statements.
  expect(slowestMs).toBeLessThan(1_000);
});

it('a migration gives up, applies nothing of what waited, and can be repeated', async () => {
  await other.query('BEGIN');
  await other.query('SELECT count(*) FROM api_keys');
  await expect(migrate(url, 'primary', { giveUpAfterMs: 2_000 })).rejects.toThrow(
    new RegExp(`could not get a lock that pid ${otherPid} \\(user postgres, report, .*pg_terminate_backend`),
  );
  const columns = await pool.query(
    "SELECT FROM information_schema.columns WHERE column_name = 'bucket' AND table_name = 'api_keys'",
  );
  expect(columns.rowCount).toBe(0);
  expect(await waiting()).toBe(0);
  await other.query('COMMIT');
  expect(await migrate(url, 'primary')).toContain('0013_digests');
});

it('"iam migrate" says that it waits for another migration, and for which session', async () => {
  await other.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID]);
  const running = iam(['migrate', 'primary'], { MIGRATE_DATABASE_URL: url });
  const isWaiting = async () =>
    (
      await pool.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'iam-migrate'",
      )
    ).rowCount;
  await expect.poll(isWaiting, WAIT).toBe(1);
  const { promise: reported, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 2_500);
  await reported;
  expect(await isWaiting()).toBe(1);
  await other.query('SELECT pg_advisory_unlock_all()');
  const { exitCode, stdout, stderr } = await running;
  expect(stderr).toBe(
    `waiting for another migration, which holds the lock: pid ${otherPid} (user postgres, report)\n`,
  );
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('applied 0013_digests')]);
});
