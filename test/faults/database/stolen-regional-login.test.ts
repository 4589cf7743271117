import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { insertKey, revokeKey } from '../../support/keys.ts';
import { type OwnRegion, startOwnRegion } from '../../support/own-region.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';

/** The smallest queue that Postgres allows: 64 pages of 8 KiB. */
const SMALL_QUEUE = { max_notify_queue_pages: '64' };

let primary: TestPrimary;
let region: OwnRegion;
beforeAll(async () => {
  primary = await createPrimary();
  region = await startOwnRegion(primary.url, SMALL_QUEUE);
});
afterAll(async () => {
  await region?.close();
  await primary?.close();
});

async function logIn(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: region.replicaUrl });
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
