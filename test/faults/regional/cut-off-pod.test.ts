import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '../../../src/credential/hash.ts';
import { RedisKeys } from '../../../src/keys/cache/redis/redis-keys.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
  revokeKey,
  TEST_HASH_PARAMETERS,
} from '../../support/keys.ts';
import {
  type PodBehindProxy,
  type PodsBehindProxies,
  startPodsBehindProxies,
} from '../../support/pods-behind-proxies.ts';
import { RedisAdmin } from '../../support/redis-contents.ts';
import { projectContext } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';

const REVALIDATE_AFTER_MS = 2_000;
const UNAVAILABLE = '503 0x1A0503';
const REVOKED = '401 0xD38358';
const UNKNOWN = '401 0x28D520';
const ALONE = /^this pod has not reached the replica for \d+ s, while other pods of the region do$/;

let databases: TestDatabases;
let redis: TestRedis;
let region: PodsBehindProxies;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
});
afterEach(() => region.stop());
afterAll(async () => {
  await redis?.stop();
  await databases?.close();
});

async function start(settings: Record<string, string> = {}) {
  region = await startPodsBehindProxies(3, databases.replicaUrl, redis.url, {
    REVALIDATE_AFTER_MS: String(REVALIDATE_AFTER_MS),
    ...settings,
  });
  const [cutOff, ...others] = region.pods as [PodBehindProxy, PodBehindProxy, PodBehindProxy];
  return { cutOff, others };
}

interface WarmKey extends IssuedKey {
  options: { contexts: unknown[] };
}

/** A key with a role that every pod has in memory. */
async function warmKey(role = 'viewer'): Promise<WarmKey> {
  const key = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', [role]),
  });
  if (role !== 'viewer') await putRole(databases.primary, key.organizationId, role, { cluster: ['all'] });
  await databases.replicated();
  const options = { contexts: [projectContext('p1', key.organizationId)] };
  for (const pod of [...region.pods, ...region.pods]) {
    await expect.poll(() => pod.ask(key.authorization, options), { timeout: 10_000 }).toBe('200');
  }
  return { ...key, options };
}

/** Asks until the pod refuses; returns the milliseconds that took. */
async function refusedAfterMs(pod: PodBehindProxy, key: WarmKey): Promise<number> {
  const begunAtMs = performance.now();
  await expect
    .poll(() => pod.ask(key.authorization, key.options), { interval: 20, timeout: 15_000 })
    .toBe(UNAVAILABLE);
  return performance.now() - begunAtMs;
}

async function rotate(key: IssuedKey): Promise<string> {
  const next = { ...newCredential(), id: key.id };
  await databases.primary.query('UPDATE api_keys SET secret_hash = $2 WHERE id = $1', [
    key.id,
    await hashSecret(next.secret, TEST_HASH_PARAMETERS),
  ]);
  return authorizationOf(next);
}

describe('a pod that is cut off from the replica while Redis and the other pods work', () => {
  const faults: [name: string, begin: (pod: PodBehindProxy) => unknown, noticedAfterMs: number][] = [
    ['by a reset', (pod) => pod.proxy.cut(), 1_000],
    // The first calls wait for the timeouts of connections and queries.
    ['by a firewall', (pod) => pod.proxy.blackhole(), 2_500],
  ];
  it.each(faults)(
    '%s refuses what changes, serves the rest, is unready until it is back',
    async (name, begin, noticedAfterMs) => {
      const { cutOff, others } = await start();
      const [revoked, rotated, reduced, kept] = [
        await warmKey(),
        await warmKey(),
        await warmKey('writer'),
        await warmKey(),
      ];
      await begin(cutOff);
      await revokeKey(databases.primary, revoked.id);
      await putRole(databases.primary, reduced.organizationId, 'writer', { cluster: ['monitor'] });
      const next = await rotate(rotated);
      const delaysMs = await Promise.all(
        [revoked, rotated, reduced].map((key) => refusedAfterMs(cutOff, key)),
      );
      for (const [index, what] of ['key revoked', 'key rotated', 'role reduced'].entries())
        console.log(`[figure] pod cut off ${name}, ${what}: refused after ${delaysMs[index]?.toFixed(0)} ms`);
      expect(Math.max(...delaysMs)).toBeLessThan(REVALIDATE_AFTER_MS + noticedAfterMs);

      for (const other of others) {
        expect(await other.ask(revoked.authorization, revoked.options)).toBe(REVOKED);
        expect(await other.ask(next, rotated.options)).toBe('200');
        expect(await other.ask(kept.authorization, kept.options)).toBe('200');
      }
      for (let times = 0; times < 20; times += 1) {
        expect(await cutOff.ask(kept.authorization, kept.options)).toBe('200');
        expect(await cutOff.ask(reduced.authorization, reduced.options)).toBe(UNAVAILABLE);
        // The others share newer records through Redis, so the pod may know the reason.
        expect([UNAVAILABLE, REVOKED]).toContain(await cutOff.ask(revoked.authorization, revoked.options));
        expect([UNAVAILABLE, UNKNOWN]).toContain(await cutOff.ask(rotated.authorization, rotated.options));
        expect(['200', UNAVAILABLE], 'no 401 for a valid secret').toContain(
          await cutOff.ask(next, rotated.options),
        );
      }

      await expect
        .poll(cutOff.readiness, { timeout: 15_000 })
        .toEqual({ status: 503, obstacles: [expect.stringMatching(ALONE)] });
      for (const other of others) expect((await other.readiness()).status).toBe(200);

      await cutOff.proxy.restore();
      const backAtMs = performance.now();
      await expect.poll(async () => (await cutOff.readiness()).status, { timeout: 15_000 }).toBe(200);
      console.log(
        `[figure] pod cut off ${name}: ready ${(performance.now() - backAtMs).toFixed(0)} ms after it is back`,
      );
      await expect
        .poll(() => cutOff.ask(revoked.authorization, revoked.options), { timeout: 5_000 })
        .toBe(REVOKED);
      await expect
        .poll(() => cutOff.ask(reduced.authorization, reduced.options), { timeout: 5_000 })
        .toBe('200');
      await expect.poll(() => cutOff.ask(next, rotated.options), { timeout: 5_000 }).toBe('200');
    },
    90_000,
  );
});

describe('if no pod reaches the replica', () => {
  it('all stay ready and serve what they have', async () => {
    await start();
    await expectAllServe();
  }, 60_000);

  const text = (timeMs: number) => Math.round(timeMs).toString(16).padStart(16, '0');
  const lies: [name: string, value: (cutAtMs: number) => string][] = [
    ['stands still, a little ahead of the clocks', (cutAtMs) => text(cutAtMs + 8_000)],
    ['rises, far ahead of the clocks', () => text(2 ** 52 + performance.now())],
    ['is no time', () => 'f'.repeat(16)],
  ];
  it.each(lies)(
    'also if the last confirmation in Redis %s',
    async (_, value) => {
      const cacheKey = randomBytes(32);
      await start({ CACHE_KEYS: cacheKey.toString('base64') });
      const [name = ''] = new RedisKeys([cacheKey]).times('confirmed');
      const intruder = new RedisAdmin(redis.url);
      try {
        await expectAllServe((cutAtMs) => intruder.client.set(name, value(cutAtMs)));
      } finally {
        intruder.close();
      }
    },
    60_000,
  );

  async function expectAllServe(meanwhile?: (cutAtMs: number) => Promise<unknown>): Promise<void> {
    const key = await warmKey();
    for (const { proxy } of region.pods) await proxy.cut();
    const cutAtMs = Date.now();
    while (Date.now() - cutAtMs < 8_000) {
      await meanwhile?.(cutAtMs);
      for (const pod of region.pods) {
        expect(await pod.readiness()).toEqual({ status: 200, obstacles: [] });
        expect(await pod.ask(key.authorization, key.options)).toBe('200');
      }
      await sleep(200);
    }
  }
});

describe('if Redis is down too', () => {
  const MAX_STALENESS_MS = 6_000;

  it('a pod that is cut off accepts a revoked key until MAX_STALENESS_MS, no longer', async () => {
    const { cutOff } = await start({ MAX_STALENESS_MS: String(MAX_STALENESS_MS) });
    const key = await warmKey();
    await redis.kill();
    try {
      await cutOff.proxy.cut();
      const cutAtMs = performance.now();
      await revokeKey(databases.primary, key.id);
      await sleep(REVALIDATE_AFTER_MS + 500);
      expect(await cutOff.ask(key.authorization, key.options), 'nothing tells the pod').toBe('200');
      await refusedAfterMs(cutOff, key);
      const afterMs = performance.now() - cutAtMs;
      console.log(`[figure] pod cut off, Redis down: revoked key refused after ${afterMs.toFixed(0)} ms`);
      expect(afterMs).toBeLessThan(MAX_STALENESS_MS + 1_000);
      expect((await cutOff.readiness()).status, 'the pod cannot know of the others').toBe(200);
      await cutOff.proxy.restore();
      await expect.poll(() => cutOff.ask(key.authorization, key.options), { timeout: 10_000 }).toBe(REVOKED);
    } finally {
      await redis.restart();
    }
  }, 60_000);
});
