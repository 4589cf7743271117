import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { fenceTtlMs, SharedFences } from '../../../../../src/keys/cache/redis/shared-fences.ts';
import { CLOCK_SKEW_MS } from '../../../../../src/keys/change-feed/change-source.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const RIGHT = { isRight: true };
const secrets = [randomBytes(32), randomBytes(32)] as const;

let redis: TestRedis;
let link: RedisLink;

beforeAll(async () => {
  redis = await startTestRedis();
  link = new RedisLink({
    url: redis.url,
    cluster: false,
    timeoutMs: 1_000,
    onUnavailable: () => {},
    onAvailable: () => {},
    onRefused: () => {},
  });
});
beforeEach(async () => {
  await expect.poll(() => link.read('connected', 1_000), { timeout: 5_000 }).toBe(null);
});
afterAll(async () => {
  link?.close();
  await redis?.stop();
});

const LINEAGE = { lineage: 'first' };

function pod(
  keys: readonly Buffer[] = [secrets[0]],
  clock = RIGHT,
  aheadMs = 0,
  changes = LINEAGE,
): SharedFences {
  const now = () => Date.now() + aheadMs;
  const redisKeys = new RedisKeys(keys);
  return new SharedFences({ link, redisKeys, now, clock, changes, ttlMs: fenceTtlMs(900_000) });
}

/** Whether a copy of version 1 that was confirmed now is superseded. */
const keyCopy = (id: string, fences = pod()) =>
  fences.supersede({ key: { id, version: 1 }, scopes: [], confirmedAtMs: Date.now() });
const rolesCopy = (scope: string, confirmedAtMs: number, fences = pod()) =>
  fences.supersede({ scopes: ['other', scope], confirmedAtMs });

it.skipIf(inject('redis').kind !== 'binary')(
  'counts the changes that a full Redis does not take, and writes them later',
  async () => {
    const admin = new Redis(redis.url);
    const ids = Array.from({ length: 200 }, () => randomUUID());
    const fences = pod();
    try {
      await admin.config('SET', 'maxmemory-policy', 'noeviction');
      await admin.config('SET', 'maxmemory', '1');
      for (const id of ids) fences.apply({ entity: 'key', id, version: 2 });
      await expect.poll(() => link.counts.refused, { timeout: 5_000 }).toBeGreaterThan(100);
      expect(fences.queued).toBeGreaterThan(0);
    } finally {
      await admin.config('SET', 'maxmemory', '0');
      admin.disconnect();
    }
    await expect.poll(() => fences.queued, { timeout: 10_000 }).toBe(0);
    for (const id of ids) await expect.poll(() => keyCopy(id)).toBe(true);
  },
);

describe('the fence of a key', () => {
  it('supersedes copies of older versions only', async () => {
    const id = randomUUID();
    pod().apply({ entity: 'key', id, version: 1 });
    pod().apply({ entity: 'key', id: 'another', version: 9 });
    expect(await keyCopy(id)).toBe(false);
    pod().apply({ entity: 'key', id, version: 2 });
    await expect.poll(() => keyCopy(id)).toBe(true);
    pod().apply({ entity: 'key', id, version: 1 });
    await pod().supersede({ scopes: [], confirmedAtMs: 0 });
    expect(await keyCopy(id), 'never lowered').toBe(true);
  });

  it('reaches pods with other cache keys during a rotation', async () => {
    const [older, newer] = secrets;
    for (const [writer, reader] of [
      [[older], [newer, older]],
      [[newer, older], [older]],
      [[newer, older], [newer]],
    ]) {
      const id = randomUUID();
      pod(writer).apply({ entity: 'key', id, version: 2 });
      await expect.poll(() => keyCopy(id, pod(reader))).toBe(true);
    }
  });
});

describe('the newest version of a key', () => {
  it('is the highest that a pod has applied in this lineage, and needs no right clock', async () => {
    const id = randomUUID();
    const reader = pod(undefined, { isRight: false });
    expect(await reader.newestVersion(id)).toBe(-1);
    for (const version of [7, 2 ** 40 + 3, 5]) pod().apply({ entity: 'key', id, version });
    await expect.poll(() => reader.newestVersion(id)).toBe(2 ** 40 + 3);
    expect(await pod(undefined, RIGHT, 0, { lineage: 'second' }).newestVersion(id)).toBe(-1);
  });

  it('is known to pods with other cache keys during a rotation', async () => {
    const [older, newer] = secrets;
    for (const [writer, reader] of [
      [[older], [newer, older]],
      [[newer, older], [older]],
      [[newer, older], [newer]],
    ]) {
      const id = randomUUID();
      pod(writer).apply({ entity: 'key', id, version: 2 });
      await expect.poll(() => pod(reader).newestVersion(id)).toBe(2);
    }
  });

  it('cannot be forged: without the cache key no one denies a key by a high version', async () => {
    const [admin, id, other] = [new RedisAdmin(redis.url), randomUUID(), randomUUID()];
    const nameOf = (key: string) => new RedisKeys([secrets[0]]).fences(key, LINEAGE.lineage)[0] as string;
    try {
      pod().apply({ entity: 'key', id, version: 2 });
      pod().apply({ entity: 'key', id: other, version: 99 });
      await expect.poll(() => pod().newestVersion(other)).toBe(99);
      await expect.poll(() => pod().newestVersion(id)).toBe(2);
      const genuine = (await admin.client.get(nameOf(id))) as string;
      const ofAnother = (await admin.client.get(nameOf(other))) as string;
      const highest = 'f'.repeat(16);
      for (const forged of [highest, highest + genuine.slice(16), ofAnother, '', 'not a version'])
        expect(
          await admin.client.set(nameOf(id), forged, 'PX', 60_000).then(() => pod().newestVersion(id)),
        ).toBe(-1);
      await admin.client.set(nameOf(id), genuine, 'PX', 60_000);
      expect(await pod().newestVersion(id)).toBe(2);
    } finally {
      admin.close();
    }
  });
});

describe('the fence of a role scope', () => {
  it('supersedes copies that were confirmed before the change, or too soon after it to compare clocks', async () => {
    const scope = randomUUID();
    const changedAtMs = Date.now();
    expect(await rolesCopy(scope, changedAtMs)).toBe(false);
    pod().apply({ entity: 'roles', id: scope, version: 1 });
    await expect.poll(() => rolesCopy(scope, changedAtMs)).toBe(true);
    expect(await rolesCopy(scope, changedAtMs + CLOCK_SKEW_MS - 1)).toBe(true);
    expect(await rolesCopy(scope, changedAtMs + CLOCK_SKEW_MS + 5_000)).toBe(false);
  });

  it('is never lowered by a pod whose clock is behind', async () => {
    const scope = randomUUID();
    const changedAtMs = Date.now();
    pod().apply({ entity: 'roles', id: scope, version: 2 });
    await expect.poll(() => rolesCopy(scope, changedAtMs)).toBe(true);
    pod(undefined, RIGHT, -60_000).apply({ entity: 'roles', id: scope, version: 1 });
    await pod().supersede({ scopes: [], confirmedAtMs: 0 });
    expect(await rolesCopy(scope, changedAtMs)).toBe(true);
  });

  it('is not raised by a pod whose clock is wrong, and such a pod uses no old copy', async () => {
    const scope = randomUUID();
    pod(undefined, { isRight: false }, 3_600_000).apply({ entity: 'roles', id: scope, version: 1 });
    await pod().supersede({ scopes: [], confirmedAtMs: 0 });
    expect(await rolesCopy(scope, Date.now())).toBe(false);
    expect(await rolesCopy(scope, Date.now(), pod(undefined, { isRight: false }))).toBe(true);
  });
});

it('a fence that an intruder has overwritten supersedes every copy', async () => {
  const [admin, id] = [new RedisAdmin(redis.url), randomUUID()];
  try {
    const [name = ''] = new RedisKeys([secrets[0]]).fences(id, LINEAGE.lineage);
    await admin.client.set(name, 'not a version', 'PX', 60_000);
    expect(await keyCopy(id)).toBe(true);
  } finally {
    admin.close();
  }
});

it('after a flood of changes, copies are superseded although their own fences were shed', async () => {
  const regionKeys = [randomBytes(32)];
  const scopes = Array.from({ length: 30_000 }, (_, index) => `scope-${index}`);
  const changedAtMs = Date.now();
  const writer = pod(regionKeys);
  for (const id of scopes) writer.apply({ entity: 'roles', id, version: 1 });
  for (const scope of ['scope-0', 'scope-15000', 'scope-29999'])
    await expect.poll(() => rolesCopy(scope, changedAtMs, pod(regionKeys)), { timeout: 10_000 }).toBe(true);
  const later = Date.now() + CLOCK_SKEW_MS + 5_000;
  expect(await rolesCopy('scope-0', later, pod(regionKeys))).toBe(false);
});

it('a pod that follows the replica into another history supersedes the copies of pods that cannot', async () => {
  const regionKeys = [randomBytes(32)];
  const changes = { lineage: 'first' };
  const writer = pod(regionKeys, RIGHT, 0, changes);
  const id = randomUUID();
  writer.apply({ entity: 'history', generation: 'first' });
  await writer.supersede({ scopes: [], confirmedAtMs: 0 });
  expect(await keyCopy(id, pod(regionKeys)), 'the start of a pod').toBe(false);
  const copiedAtMs = Date.now();
  changes.lineage = 'second';
  writer.apply({ entity: 'history', generation: 'second' });
  const copy = { key: { id, version: 99 }, scopes: [], confirmedAtMs: copiedAtMs };
  await expect.poll(() => pod(regionKeys).supersede(copy)).toBe(true);
});

it('fences have a ttl, and their Redis keys contain no id and no scope', async () => {
  const admin = new RedisAdmin(redis.url);
  try {
    const [id, scope] = [randomUUID(), `["organization", "elasticsearch", "${randomUUID()}"]`];
    pod().apply({ entity: 'key', id, version: 2 });
    pod().apply({ entity: 'roles', id: scope, version: 2 });
    await expect.poll(() => rolesCopy(scope, 0)).toBe(true);
    await expect.poll(() => keyCopy(id)).toBe(true);
    for (const [name, { ttlMs }] of await admin.dump()) {
      if (!/:fence:|:time$/.test(name)) continue;
      expect(ttlMs).toBeGreaterThan(0);
      expect(ttlMs).toBeLessThanOrEqual(fenceTtlMs(900_000));
      expect(name).not.toContain(id);
      expect(name).not.toContain('organization');
    }
  } finally {
    admin.close();
  }
});

it('without Redis nothing is superseded, and fences are raised once it is back', async () => {
  const id = randomUUID();
  await redis.kill();
  await expect.poll(() => link.isUp, { timeout: 5_000 }).toBe(false);
  const writer = pod();
  writer.apply({ entity: 'key', id, version: 2 });
  expect(await keyCopy(id)).toBe(false);
  expect(await pod().newestVersion(id)).toBeUndefined();
  await redis.restart();
  await expect.poll(() => keyCopy(id), { timeout: 15_000 }).toBe(true);
  writer.close();
});
