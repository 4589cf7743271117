import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { subscribeRegion } from '../../src/database/subscription.ts';
import { runStatement } from './run-statement.ts';
import { unsubscribeRegion } from './unsubscribe-region.ts';

/** A primary and a regional database for one test file, with logical replication between them. */
export interface TestDatabases {
  /** Superuser pool on the primary. */
  primary: pg.Pool;
  /** Superuser pool on the region. */
  region: pg.Pool;
  primaryUrl: string;
  regionUrl: string;
  /** URL with the login of the regional service, which may only SELECT. */
  replicaUrl: string;
  /** Resolves when the region has applied every current commit of the primary. */
  replicated(): Promise<void>;
  close(): Promise<void>;
}

const REGIONAL_PASSWORD = 'regional-test-password';

/** Without a pause, a loop of queries takes both processors from the replication that it waits for. */
const POLL_MS = 5;

/** Creates both databases on the servers of the run, migrates them and starts replication. */
export async function createDatabases(): Promise<TestDatabases> {
  const servers = inject('postgres');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const primaryUrl = await createDatabase(servers.primary.url, name);
  const regionUrl = await createDatabase(servers.region.url, name);
  await migrate(regionUrl, 'region');
  await migrate(primaryUrl, 'primary');
  await subscribeRegion(regionUrl, primaryUrl, name);

  const primary = new pg.Pool({ connectionString: primaryUrl, max: 10 });
  const region = new pg.Pool({ connectionString: regionUrl, max: 4 });
  for (const pool of [primary, region]) {
    // Some tests stop servers on purpose, and databases are dropped while connections close.
    pool.on('error', () => {});
    pool.on('connect', (client) => void client.on('error', () => {}));
  }
  // Roles belong to the whole server, which test files share, so the changes are serialized.
  await runStatement(
    servers.region.url,
    `BEGIN; SELECT pg_advisory_xact_lock(1); ALTER ROLE iam_regional LOGIN PASSWORD '${REGIONAL_PASSWORD}'; COMMIT`,
  );
  const replica = new URL(regionUrl);
  replica.username = 'iam_regional';
  replica.password = REGIONAL_PASSWORD;

  const replicated = async () => {
    // The heartbeat counts as complete only if it arrives after the tables are copied.
    for (;;) {
      const copied = await region.query("SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'");
      if (copied.rowCount === 0) break;
      await sleep(POLL_MS);
    }
    const { rows } = await primary.query(
      'UPDATE heartbeat SET beat_at = clock_timestamp() RETURNING beat_at::text',
    );
    for (;;) {
      const arrived = await region.query('SELECT FROM heartbeat WHERE beat_at >= $1::timestamptz', [
        rows[0].beat_at,
      ]);
      if (arrived.rowCount === 1) return;
      await sleep(POLL_MS);
    }
  };
  await replicated();
  // Stands for the control plane: without heartbeats, pods would soon refuse no key as unknown. Some tests stop the primary.
  const beating = setInterval(
    () => void primary.query('UPDATE heartbeat SET beat_at = clock_timestamp()').catch(() => {}),
    1_000,
  );

  return {
    primary,
    region,
    primaryUrl,
    regionUrl,
    replicaUrl: replica.href,
    replicated,
    close: async () => {
      clearInterval(beating);
      await unsubscribeRegion(regionUrl, name);
      await Promise.all([primary.end(), region.end()]);
      await dropDatabase(servers.region.url, name);
      await dropDatabase(servers.primary.url, name);
    },
  };
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await runStatement(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await runStatement(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
}
