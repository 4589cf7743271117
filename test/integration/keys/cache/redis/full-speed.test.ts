import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { Load } from '../../../../support/load.ts';
import { insertKeys } from '../../../../support/many-keys.ts';
import { metric, type Pods, startPods } from '../../../../support/pods.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const KEYS = 3_000;
const CALLERS = 32;

let databases: TestDatabases;
let redis: TestRedis;
let admin: RedisAdmin;
let pods: Pods;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  admin = new RedisAdmin(redis.url);
  // With the default timeout: the callers share the event loop with the pod, so many reads take longer.
  pods = await startPods(1, databases.replicaUrl, redis.url);
});
afterAll(async () => {
  await pods?.stop();
  admin?.close();
  await redis?.stop();
  await databases?.close();
});

const ofPod = async (name: string) => (await metric(pods.all[0] as Pods['all'][number], name)) ?? 0;

it('stores every key that it verifies at full speed, and needs almost no argon2 for them after a restart', async () => {
  const keys = await insertKeys(databases.primary, KEYS);
  await databases.replicated();
  const authorizations = keys.map(({ authorization }) => authorization);
  const fill = new Load();
  await fill.callAll(pods.all[0] as Pods['all'][number], authorizations, CALLERS);
  expect(fill.report().outcomes).toEqual({ 200: KEYS });
  const stored = async (kind: string) => (await admin.client.keys(`*:${kind}:*`)).length;
  for (const kind of ['credential', 'response'])
    await expect.poll(() => stored(kind), { timeout: 5_000 }).toBe(KEYS);

  await pods.restart();
  const again = new Load();
  await again.callAll(pods.all[0] as Pods['all'][number], authorizations, CALLERS);
  expect(again.report().outcomes).toEqual({ 200: KEYS });
  expect(await ofPod('iam_argon2_run_seconds_count')).toBeLessThan(KEYS / 100);
  expect(await ofPod('iam_redis_commands_total{result="skipped"}')).toBe(0);
}, 120_000);
