import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { revokeKey } from '../../../../support/keys.ts';
import { insertKeys } from '../../../../support/many-keys.ts';
import { metric, outcome, type Pods, startPods } from '../../../../support/pods.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { authenticate } from '../../../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const REVOKED = '401 0xD38358';

let databases: TestDatabases;
let redis: TestRedis;
let admin: RedisAdmin;
let pods: Pods;
const oldKey = randomBytes(32).toString('base64');
const newKey = randomBytes(32).toString('base64');

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  admin = new RedisAdmin(redis.url);
  // Every value must be read in time, however busy the machine is: these tests count.
  pods = await startPods(1, databases.replicaUrl, redis.url, {
    CACHE_KEYS: oldKey,
    REDIS_TIMEOUT_MS: '1000',
  });
});
afterAll(async () => {
  await pods?.stop();
  admin?.close();
  await redis?.stop();
  await databases?.close();
});
beforeEach(async () => {
  await admin.client.flushdb();
  await pods.restart({ CACHE_KEYS: oldKey });
});

type Key = Awaited<ReturnType<typeof insertKeys>>[number];

/** Keys that the pod has verified, with what it wrote to Redis about them (three entries each). */
async function verifiedKeys(count: number): Promise<Key[]> {
  const keys = await insertKeys(databases.primary, count);
  await databases.replicated();
  await expectAll(keys, '200');
  await expect.poll(async () => (await admin.client.keys('*:response:*')).length).toBe(count);
  return keys;
}

async function expectAll(keys: readonly Key[], expected: string): Promise<void> {
  for (const key of keys) {
    expect(outcome(await authenticate(pods.all[0] as { url: string }, key.authorization))).toBe(expected);
  }
}

/** Secrets compared and responses by tier since the start of the pod. */
async function work(): Promise<{ argon2: number; redis: number; postgres: number }> {
  const pod = pods.all[0] as Pods['all'][number];
  const granted = (tier: string) =>
    metric(pod, `iam_authentication_requests_total{outcome="granted",tier="${tier}"}`);
  return {
    argon2: (await metric(pod, 'iam_argon2_run_seconds_count')) ?? 0,
    redis: (await granted('redis')) ?? 0,
    postgres: (await granted('postgres')) ?? 0,
  };
}

it('needs neither argon2 nor Postgres after a restart for keys that the region has verified', async () => {
  const keys = await verifiedKeys(20);
  expect(await work()).toEqual({ argon2: 20, redis: 0, postgres: 20 });
  await pods.restart();
  await expectAll(keys, '200');
  expect(await work()).toEqual({ argon2: 0, redis: 20, postgres: 0 });
});

it('needs neither of them if Redis has the credentials but no responses', async () => {
  const keys = await verifiedKeys(20);
  await admin.client.del(...(await admin.client.keys('*:response:*')));
  await pods.restart();
  await expectAll(keys, '200');
  expect(await work()).toEqual({ argon2: 0, redis: 20, postgres: 0 });
  await expect.poll(async () => (await admin.client.keys('*:response:*')).length).toBe(20);
});

it('needs Postgres but no argon2 for a record that is too old to use', async () => {
  const keys = await verifiedKeys(20);
  const storedAtMs = Date.now();
  await expect.poll(() => Date.now() - storedAtMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  await pods.restart({ MAX_STALENESS_MS: '1000', REVALIDATE_AFTER_MS: '500' });
  await expectAll(keys, '200');
  expect(await work()).toEqual({ argon2: 0, redis: 0, postgres: 20 });
});

it('reads two values for a cold authentication, and eight during the rotation of a cache key', async () => {
  const [key] = (await verifiedKeys(1)) as [Key];
  for (const [cacheKeys, reads] of [
    [oldKey, 2],
    [`${newKey},${oldKey}`, 8],
  ] as const) {
    await pods.restart({ CACHE_KEYS: cacheKeys });
    const commands: string[][] = [];
    const monitor = await admin.client.monitor();
    monitor.on('monitor', (_time: string, args: string[]) => commands.push(args));
    await expectAll([key], '200');
    monitor.disconnect();
    const ours = commands
      .filter(([name]) => name?.toLowerCase() !== 'info')
      .map(([name]) => name?.toLowerCase());
    const writes = ours.findIndex((name) => name !== 'getrange');
    expect(writes === -1 ? ours.length : writes).toBe(reads);
    expect((await work()).redis).toBe(1);
  }
});

it('rotates a cache key in two deployments without argon2', async () => {
  const keys = await verifiedKeys(20);
  await pods.restart({ CACHE_KEYS: `${newKey},${oldKey}` });
  await expectAll(keys, '200');
  expect(await work()).toEqual({ argon2: 0, redis: 20, postgres: 0 });
  await expect.poll(async () => (await admin.client.keys('*:credential:*')).length).toBe(40);
  await pods.restart({ CACHE_KEYS: newKey });
  await expectAll(keys, '200');
  expect((await work()).argon2).toBe(0);
});

it('applies a revocation during the rotation of a cache key, for records of either key', async () => {
  const keys = await verifiedKeys(2);
  await pods.restart({ CACHE_KEYS: `${newKey},${oldKey}` });
  await revokeKey(databases.primary, (keys[0] as Key).id);
  await databases.replicated();
  await expect.poll(() => expectAll(keys.slice(0, 1), REVOKED).then(() => true)).toBe(true);
  await pods.restart({ CACHE_KEYS: oldKey });
  await expectAll(keys.slice(0, 1), REVOKED);
  await expectAll(keys.slice(1), '200');
});

it('reads no entry that a removed cache key sealed', async () => {
  const keys = await verifiedKeys(3);
  await pods.restart({ CACHE_KEYS: newKey });
  await expectAll(keys, '200');
  expect(await work()).toEqual({ argon2: 3, redis: 0, postgres: 3 });
});

it('accepts no revoked key from a restored stale dump, in a running pod or after a restart', async () => {
  const keys = await verifiedKeys(30);
  const stale = await admin.dump();
  // Pods also store what they confirm each second.
  expect(stale.size).toBeGreaterThanOrEqual(90);
  const revoked = keys.slice(0, 15);
  for (const key of revoked) await revokeKey(databases.primary, key.id);
  await databases.replicated();
  await expect.poll(() => expectAll(revoked, REVOKED).then(() => true)).toBe(true);
  for (const restart of [false, true, true]) {
    await admin.client.flushdb();
    await admin.restore(stale);
    if (restart) await pods.restart();
    await expectAll(revoked, REVOKED);
    await expectAll(keys.slice(15), '200');
  }
});

it('refuses keys that were revoked while no pod ran, although Redis has them as valid', async () => {
  const keys = await verifiedKeys(10);
  await pods.stop();
  for (const key of keys.slice(0, 5)) await revokeKey(databases.primary, key.id);
  await databases.replicated();
  await pods.restart();
  await expectAll(keys.slice(0, 5), REVOKED);
  await expectAll(keys.slice(5), '200');
});
