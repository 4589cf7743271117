import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { revokeKey } from '../../../../support/keys.ts';
import { insertKeys } from '../../../../support/many-keys.ts';
import { metric, outcome, type Pods, startPods } from '../../../../support/pods.ts';
import { authenticate } from '../../../../support/regional.ts';
import {
  canStartCluster,
  startTestRedisCluster,
  type TestRedisCluster,
} from '../../../../support/servers/redis-cluster.ts';

describe.skipIf(!canStartCluster())('Redis Cluster', () => {
  let databases: TestDatabases;
  let directory: string;
  let cluster: TestRedisCluster;
  let pods: Pods;
  const oldKey = randomBytes(32).toString('base64');
  const newKey = randomBytes(32).toString('base64');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'regional-iam-cluster-'));
    [databases, cluster] = await Promise.all([
      createDatabases(),
      startTestRedisCluster(directory, 'p%ss word'),
    ]);
    pods = await startPods(1, databases.replicaUrl, cluster.url, {
      REDIS_CLUSTER: 'true',
      REDIS_TIMEOUT_MS: '1000',
      CACHE_KEYS: oldKey,
    });
  });
  afterAll(async () => {
    await pods?.stop();
    await cluster?.stop();
    await databases?.close();
    await rm(directory, { recursive: true, force: true });
  });

  type Key = Awaited<ReturnType<typeof insertKeys>>[number];
  const pod = () => pods.all[0] as Pods['all'][number];

  async function restart(cacheKeys: string): Promise<void> {
    await pods.restart({ CACHE_KEYS: cacheKeys });
    const stray = (await insertKeys(databases.primary, 1))[0] as Key;
    // Ready does not wait for Redis.
    await expect
      .poll(async () => {
        await authenticate(pod(), stray.authorization);
        return metric(pod(), 'iam_redis_commands_total{result="ok"}');
      })
      .toBeGreaterThan(0);
  }

  async function outcomes(keys: readonly Key[]): Promise<string[]> {
    return Promise.all(keys.map(async (key) => outcome(await authenticate(pod(), key.authorization))));
  }

  async function onNodes<T>(work: (node: Redis) => Promise<T>): Promise<T[]> {
    return Promise.all(
      cluster.nodes.map(async ({ url }) => {
        const node = new Redis(url);
        try {
          return await work(node);
        } finally {
          node.disconnect();
        }
      }),
    );
  }

  const fromRedis = async () =>
    (await metric(pod(), 'iam_authentication_requests_total{outcome="granted",tier="redis"}')) ?? 0;
  const failed = () =>
    Promise.all(
      ['failed', 'refused'].map((result) => metric(pod(), `iam_redis_commands_total{result="${result}"}`)),
    );

  it('spreads entries over the nodes and finds them, also during the rotation of a cache key', async () => {
    await restart(oldKey);
    const failedBefore = await failed();
    const keys = await insertKeys(databases.primary, 60);
    await databases.replicated();
    expect(new Set(await outcomes(keys))).toEqual(new Set(['200']));
    await expect
      .poll(async () => (await onNodes((node) => node.dbsize())).reduce((one, other) => one + other))
      .toBeGreaterThanOrEqual(180);
    for (const size of await onNodes((node) => node.dbsize())) expect(size).toBeGreaterThan(10);
    expect(await failed()).toEqual(failedBefore);

    for (const cacheKeys of [oldKey, `${newKey},${oldKey}`]) {
      await restart(cacheKeys);
      const [redisBefore, failedAtStart] = [await fromRedis(), await failed()];
      expect(new Set(await outcomes(keys))).toEqual(new Set(['200']));
      expect((await fromRedis()) - redisBefore).toBe(60);
      expect(await failed()).toEqual(failedAtStart);
    }
    expect((await onNodes((node) => node.info('errorstats'))).join()).not.toContain('CROSSSLOT');
  });

  it('raises a fence for each revocation, and refuses revoked keys after a restart', async () => {
    await restart(oldKey);
    const keys = await insertKeys(databases.primary, 10);
    await databases.replicated();
    await outcomes(keys);
    for (const key of keys) await revokeKey(databases.primary, key.id);
    await databases.replicated();
    const revoked = keys.map(() => '401 0xD38358');
    await expect.poll(() => outcomes(keys)).toEqual(revoked);
    await restart(oldKey);
    expect(await outcomes(keys)).toEqual(revoked);
  });

  it('fails no request while one node is down', async () => {
    await restart(oldKey);
    const keys = await insertKeys(databases.primary, 60);
    await databases.replicated();
    await cluster.nodes[2]?.kill();
    expect(new Set(await outcomes(keys))).toEqual(new Set(['200']));
    await pods.restart();
    expect(new Set(await outcomes(keys))).toEqual(new Set(['200']));
  });
});
