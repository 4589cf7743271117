import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { insertKey, revokeKey } from '../../support/keys.ts';
import {
  type PodBehindProxy,
  type PodsBehindProxies,
  startPodsBehindProxies,
} from '../../support/pods-behind-proxies.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';

const REVALIDATE_AFTER_MS = 2_000;
const MAX_STALENESS_MS = 6_000;
const UNAVAILABLE = '503 0x1A0503';
const REVOKED = '401 0xD38358';

let databases: TestDatabases;
let redis: TestRedis;
let region: PodsBehindProxies;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
});
beforeEach(async () => {
  region = await startPodsBehindProxies(3, databases.replicaUrl, redis.url, {
    REVALIDATE_AFTER_MS: String(REVALIDATE_AFTER_MS),
    MAX_STALENESS_MS: String(MAX_STALENESS_MS),
  });
});
afterEach(async () => {
  await limitConnections(-1);
  await region.stop();
});
afterAll(async () => {
  await redis?.stop();
  await databases?.close();
});

/** Every login beyond the limit fails with "too many connections" (53300), as when `max_connections` is reached. */
async function limitConnections(limit: number): Promise<void> {
  const { rows } = await databases.region.query<{ name: string }>('SELECT current_database() AS name');
  await databases.region.query(`ALTER DATABASE ${rows[0]?.name} CONNECTION LIMIT ${limit}`);
}

/** Ends the connections of the pods, whose places others take at once. */
async function loseConnections(pods: readonly PodBehindProxy[]): Promise<void> {
  await limitConnections(0);
  for (const { proxy } of pods) {
    await proxy.cut();
    await proxy.restore();
  }
}

async function warmKey() {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  for (const pod of region.pods)
    await expect.poll(() => pod.ask(key.authorization), { timeout: 10_000 }).toBe('200');
  return key;
}

it('a pod that gets no connection refuses revoked keys while one pod still has a connection, and recovers', async () => {
  const [cutOff, second, connected] = region.pods as [PodBehindProxy, PodBehindProxy, PodBehindProxy];
  const [revoked, kept] = [await warmKey(), await warmKey()];
  await loseConnections([cutOff, second]);
  await revokeKey(databases.primary, revoked.id);
  const begunAtMs = performance.now();
  for (const pod of [cutOff, second]) {
    await expect
      .poll(() => pod.ask(revoked.authorization), { interval: 20, timeout: 10_000 })
      .toBe(UNAVAILABLE);
  }
  const delayMs = performance.now() - begunAtMs;
  console.log(`[figure] no connection left: revoked key refused on 2 pods after ${delayMs.toFixed(0)} ms`);
  expect(delayMs).toBeLessThan(REVALIDATE_AFTER_MS + 1_000);
  expect(await connected.ask(revoked.authorization)).toBe(REVOKED);
  expect(await connected.ask(kept.authorization)).toBe('200');
  for (const pod of [cutOff, second]) {
    await expect.poll(async () => (await pod.readiness()).status, { timeout: 15_000 }).toBe(503);
  }
  expect((await connected.readiness()).status).toBe(200);

  await limitConnections(-1);
  const backAtMs = performance.now();
  for (const pod of [cutOff, second]) {
    await expect.poll(async () => (await pod.readiness()).status, { timeout: 15_000 }).toBe(200);
    await expect.poll(() => pod.ask(revoked.authorization), { timeout: 5_000 }).toBe(REVOKED);
    await expect.poll(() => pod.ask(kept.authorization), { timeout: 5_000 }).toBe('200');
  }
  console.log(
    `[figure] connections again: ready and normal after ${(performance.now() - backAtMs).toFixed(0)} ms`,
  );
}, 90_000);

it('if no pod gets a connection, all stay ready, accept keys until MAX_STALENESS_MS, and recover', async () => {
  const [revoked, kept] = [await warmKey(), await warmKey()];
  await loseConnections(region.pods);
  const lostAtMs = performance.now();
  await revokeKey(databases.primary, revoked.id);
  await sleep(REVALIDATE_AFTER_MS + 500);
  for (const pod of region.pods) {
    expect(await pod.ask(kept.authorization)).toBe('200');
    expect((await pod.readiness()).status).toBe(200);
  }
  for (const pod of region.pods) {
    await expect
      .poll(() => pod.ask(revoked.authorization), { interval: 50, timeout: 15_000 })
      .toBe(UNAVAILABLE);
  }
  const afterMs = performance.now() - lostAtMs;
  console.log(`[figure] no connection for any pod: revoked key refused after ${afterMs.toFixed(0)} ms`);
  expect(afterMs).toBeLessThan(MAX_STALENESS_MS + 1_500);

  await limitConnections(-1);
  for (const pod of region.pods) {
    await expect.poll(() => pod.ask(revoked.authorization), { timeout: 10_000 }).toBe(REVOKED);
    await expect.poll(() => pod.ask(kept.authorization), { timeout: 10_000 }).toBe('200');
  }
}, 90_000);
