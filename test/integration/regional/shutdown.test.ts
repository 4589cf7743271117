import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { insertKey } from '../../support/keys.ts';
import { authenticate, startRegional } from '../../support/regional.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createDatabases();
});
afterAll(() => databases?.close());

it.each(['on the plain lane', 'through node:http'])(
  'a pod that shuts down is unready while it still answers the requests that it accepted %s',
  async (how) => {
    const key = await insertKey(databases.primary);
    await databases.replicated();
    const regional = await startRegional(databases.replicaUrl, {
      DATABASE_QUERY_TIMEOUT_MS: '20000',
      FAST_LANE: String(how === 'on the plain lane'),
    });
    const holder = await databases.region.connect();
    try {
      // The lookup waits for this lock.
      await holder.query('BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE');
      const pending = authenticate(regional, key.authorization);
      await expect
        .poll(async () => {
          const { rows } = await holder.query(
            `SELECT count(*)::int AS count FROM pg_stat_activity
           WHERE datname = current_database() AND usename = 'iam_regional' AND wait_event_type = 'Lock'`,
          );
          return rows[0].count;
        })
        .toBeGreaterThan(0);

      const closed = regional.close();
      const readiness = await fetch(`${regional.managementUrl}/readyz`);
      expect([readiness.status, await readiness.json()]).toEqual([
        503,
        expect.objectContaining({ status: 'unready', obstacles: ['closing'] }),
      ]);
      await holder.query('COMMIT');
      expect((await pending).status).toBe(200);
      await closed;
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  },
);
