import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertKey, revokeKey } from '../../support/keys.ts';
import { type OwnRegion, startOwnRegion } from '../../support/own-region.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { authenticate, startUnreadyRegional, type TestRegional } from '../../support/regional.ts';

/** The smallest queue that Postgres allows: 64 pages of 8 KiB. Few locks and connections, so that the thief can reach the bounds. */
const SMALL_SERVER = {
  max_notify_queue_pages: '64',
  max_connections: '60',
  max_locks_per_transaction: '10',
  max_worker_processes: '12',
  max_wal_senders: '5',
  max_replication_slots: '5',
};

let primary: TestPrimary;
let region: OwnRegion;
beforeAll(async () => {
  primary = await createPrimary();
  region = await startOwnRegion(primary.url, SMALL_SERVER);
});
afterAll(async () => {
  await region?.close();
  await primary?.close();
});

async function logIn(database = 'postgres'): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: Object.assign(new URL(region.replicaUrl), { pathname: `/${database}` }).href,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Sends notifications until the server refuses them. @returns the refusal */
async function fillQueue(thief: pg.Client): Promise<string> {
  for (let round = 0; round < 1_000; round += 1) {
    try {
      await thief.query(
        "SELECT count(pg_notify('noise', repeat('a', 7900) || $1 || g)) FROM generate_series(1, 8) AS g",
        [`${round}.`],
      );
    } catch (error) {
      return (error as Error).message;
    }
  }
  return 'never full';
}

async function arrived(id: string, column: 'id' | 'revoked_at'): Promise<void> {
  await expect
    .poll(
      async () =>
        (await region.pool.query(`SELECT FROM api_keys WHERE id = $1 AND ${column} IS NOT NULL`, [id]))
          .rowCount,
      { timeout: 20_000 },
    )
    .toBe(1);
}

it('a login that fills the queue of notifications stops no change, then or later', async () => {
  const key = await insertKey(primary.pool);
  await arrived(key.id, 'id');
  const listener = await logIn();
  await listener.query('LISTEN noise');
  // A listener in a transaction reads nothing, so the queue cannot shrink.
  await listener.query('BEGIN');
  const thief = await logIn();
  expect(await fillQueue(thief)).toContain('too many notifications');

  await revokeKey(primary.pool, key.id);
  await arrived(key.id, 'revoked_at');

  await thief.end();
  await listener.end();
  const other = await insertKey(primary.pool);
  await arrived(other.id, 'id');
  const { rows } = await region.pool.query('SELECT pg_notification_queue_usage() AS usage');
  expect(rows[0].usage).toBe(0);
  const { rows: failures } = await region.pool.query(
    'SELECT sum(apply_error_count)::int AS count FROM pg_stat_subscription_stats',
  );
  expect(failures[0].count).toBe(0);
});

describe('with a pod', () => {
  let pod: TestRegional;
  const thieves: pg.Client[] = [];
  beforeAll(async () => {
    pod = await startUnreadyRegional(region.replicaUrl);
  });
  afterAll(async () => {
    await Promise.allSettled(thieves.map((thief) => thief.end()));
    await pod?.close();
  });

  /** Opens connections until the server refuses one. @returns the refusal */
  async function openAll(): Promise<string> {
    for (let count = 0; count < 100; count += 1) {
      try {
        thieves.push(await logIn());
      } catch (error) {
        return (error as Error).message;
      }
    }
    return 'never refused';
  }

  /** Takes the locks of tables that a login gets which may read them. */
  async function lockTables(thief: pg.Client): Promise<void> {
    await thief.query('BEGIN');
    await thief.query(
      'LOCK TABLE api_keys, roles, heartbeat, changes, compared_buckets IN ACCESS SHARE MODE',
    );
  }

  it('a login has bounds that it cannot raise, and forgotten transactions of it end', async () => {
    const thief = await logIn();
    const { rows } = await thief.query(
      "SELECT current_setting('temp_file_limit') AS files, current_setting('idle_in_transaction_session_timeout') AS idle",
    );
    expect(rows).toEqual([{ files: '256MB', idle: '1min' }]);
    await expect(thief.query("SET temp_file_limit = '1TB'")).rejects.toThrow('permission denied');
    await expect(thief.query('ALTER ROLE iam_regional CONNECTION LIMIT -1')).rejects.toThrow(
      'permission denied',
    );
    await thief.end();
  });

  it('a login with all its connections, and all locks of the server, delays a revocation by seconds', async () => {
    const key = await insertKey(primary.pool);
    await arrived(key.id, 'id');
    await expect.poll(async () => (await authenticate(pod, key.authorization)).status).toBe(200);
    // In a database in which every login still may take advisory locks.
    const elsewhere = await logIn('template1');
    expect(await openAll()).toBe('too many connections for role "iam_regional"');
    expect((await region.pool.query('SELECT 1 AS works')).rows).toEqual([{ works: 1 }]);
    await Promise.all(thieves.map(lockTables));
    const ended = new Promise<Error>((resolve) => elsewhere.once('error', resolve));
    // Locks of a session stay although the statement fails.
    await expect(
      elsewhere.query('SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000000) AS g'),
    ).rejects.toThrow(/out of shared memory|terminating connection/);
    await revokeKey(primary.pool, key.id);
    await expect
      .poll(async () => (await authenticate(pod, key.authorization)).status, { timeout: 20_000 })
      .toBe(401);
    expect((await ended).message).toContain('terminating connection');
    const metrics = await (await fetch(`${pod.managementUrl}/metrics`)).text();
    expect(Number(/^iam_ended_sessions_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    await elsewhere.end().catch(() => {});
  });
});
