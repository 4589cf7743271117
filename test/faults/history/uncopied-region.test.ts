import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlPlaneOf, type TestControlPlane } from '../../support/control-plane.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { revokeKey } from '../../support/keys.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { type Pods, startPods } from '../../support/pods.ts';
import { runStatement } from '../../support/run-statement.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';
import { unsubscribeRegion } from '../../support/unsubscribe-region.ts';

const FORWARDING_SECRETS = 'uncopied-region-test-secret';
const KEYS = 1_000;
const EACH = 100;
const BOUND_MS = 10_000;
/** A heartbeat arrives within a second. Until then the region cannot know that it lacks keys. */
const HEARTBEAT_MS = 2_000;
const REVOKED = '401 0xD38358';
const LONG = { interval: 50, timeout: 90_000 };

let databases: TestDatabases;
let controlPlane: TestControlPlane;
let redis: TestRedis;
let pods: Pods;
beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  controlPlane = await startControlPlaneOf(databases, { FORWARDING_SECRETS });
  pods = await startPods(2, databases.replicaUrl, redis.url, {
    CONTROL_PLANE_URL: controlPlane.url,
    FORWARDING_SECRETS,
  });
});
afterAll(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await databases?.close();
  await redis?.stop();
});

const rowsOf = async (pool: TestDatabases['primary']) =>
  (await pool.query('SELECT id, version, revoked_at FROM api_keys ORDER BY id')).rows;

it('a subscription that was created again without a copy is found to lack changes, and repaired', async () => {
  const keys = await insertKeys(databases.primary, KEYS);
  const [revoked, untouched] = [keys.slice(0, EACH), keys.slice(EACH, 2 * EACH)];
  await expect.poll(() => pods.outcomesOf([...revoked, ...untouched]), LONG).toEqual(new Set(['200']));

  const { rows } = await databases.region.query<{ name: string; connection: string }>(
    `SELECT subname AS name, subconninfo AS connection FROM pg_subscription JOIN pg_database AS d ON d.oid = subdbid
     WHERE datname = current_database()`,
  );
  const [{ name, connection }] = rows as [{ name: string; connection: string }];
  await unsubscribeRegion(databases.regionUrl, name);
  for (const { id } of revoked) await revokeKey(databases.primary, id);
  const created = await insertKeys(databases.primary, EACH);
  await runStatement(
    databases.regionUrl,
    `CREATE SUBSCRIPTION ${name} CONNECTION '${connection.replaceAll("'", "''")}' PUBLICATION iam WITH (copy_data = false)`,
  );
  const subscribedAt = performance.now();
  const since = () => performance.now() - subscribedAt;

  const wrong = new Set<string>();
  let foundAfter: number | undefined;
  await expect
    .poll(async () => {
      const startedAfter = since();
      const outcomes = await pods.outcomesOf(revoked);
      if (outcomes.has('200') && startedAfter > BOUND_MS) wrong.add('200 for a revoked key');
      if (!outcomes.has('200')) foundAfter ??= since();
      for (const answer of await pods.outcomesOf([...created, ...untouched]))
        if (answer.startsWith('401') && startedAfter > HEARTBEAT_MS) wrong.add(`${answer} for a valid key`);
      return outcomes;
    }, LONG)
    .toEqual(new Set([REVOKED]));
  await expect.poll(() => pods.outcomesOf([...created, ...untouched]), LONG).toEqual(new Set(['200']));
  console.log(
    `[figure] copy_data = false: revoked keys refused ${((foundAfter ?? Number.NaN) / 1_000).toFixed(1)} s, all keys right ${(since() / 1_000).toFixed(1)} s after the subscription`,
  );
  expect(await rowsOf(databases.region)).toEqual(await rowsOf(databases.primary));
  expect([...wrong]).toEqual([]);
}, 120_000);
