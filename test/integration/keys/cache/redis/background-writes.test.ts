import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FencedCache, type SharedEntry } from '../../../../../src/keys/cache/redis/fenced-cache.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../../support/servers/tcp-proxy.ts';

const ENTRIES = 2_000;
const TTL_MS = 60_000;
const secret = randomBytes(32);

let redis: TestRedis;
let proxy: TcpProxy;
let links: RedisLink[];
let cutOff: RedisLink;
let other: RedisLink;
let cache: FencedCache;
const changes = { history: 'h', lineage: 'h' };

beforeEach(async () => {
  redis = await startTestRedis();
  const url = new URL(redis.url);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  cutOff = open(url.href);
  other = open(redis.url);
  links = [cutOff, other];
  for (const link of links) await expect.poll(() => link.read('entry', 1_000)).toBeNull();
  changes.history = 'h';
  cache = cacheOn(cutOff);
});
afterEach(async () => {
  for (const link of links) link.close();
  await proxy.close();
  await redis.stop();
});

function open(url: string): RedisLink {
  return new RedisLink({
    url,
    cluster: false,
    timeoutMs: 500,
    onUnavailable: () => {},
    onAvailable: () => {},
    onRefused: () => {},
  });
}

function cacheOn(link: RedisLink): FencedCache {
  return new FencedCache(link, [secret], Date.now, { isRight: true }, changes, TTL_MS);
}

function entry(id: string, version = 1, payload = `version ${version}`): SharedEntry {
  const confirmedAtMs = Date.now();
  return {
    kind: 'response',
    id,
    version,
    digest: 'd',
    payload,
    confirmedAtMs,
    expiresAtMs: confirmedAtMs + TTL_MS,
  };
}

/** What another pod reads. */
const stored = async (id: string) => (await cacheOn(other).read('response', id, 'd'))?.payload.toString();

async function written(): Promise<void> {
  await cache.drain();
  expect(cache.queuedWrites).toBe(0);
}

it('stores every entry after an outage, and sends few commands during it', async () => {
  await proxy.cut();
  await expect.poll(() => cutOff.isUp).toBe(false);
  const before = cutOff.counts.failed;
  for (let index = 0; index < ENTRIES; index += 1) cache.enqueue(entry(`key-${index}`));
  expect(cache.queuedWrites).toBeGreaterThan(ENTRIES - 100);
  await proxy.restore();
  await expect.poll(() => cutOff.isUp, { timeout: 5_000 }).toBe(true);
  await expect.poll(() => stored(`key-${ENTRIES - 1}`), { timeout: 5_000 }).toBe('version 1');
  await written();
  const found = await Promise.all(Array.from({ length: ENTRIES }, (_, index) => stored(`key-${index}`)));
  expect(found.filter((payload) => payload === 'version 1')).toHaveLength(ENTRIES);
  expect(cutOff.counts.failed - before).toBeLessThan(200);
});

it('does not store what another pod has superseded during the outage', async () => {
  await proxy.cut();
  await expect.poll(() => cutOff.isUp).toBe(false);
  cache.enqueue(entry('key', 1));
  await cacheOn(other).store(entry('key', 2));
  await proxy.restore();
  cache.enqueue(entry('last'));
  await expect.poll(() => stored('last'), { timeout: 5_000 }).toBe('version 1');
  await written();
  expect(await stored('key')).toBe('version 2');
});

it('writes only the newest of several entries, and none of a former history', async () => {
  await proxy.cut();
  await expect.poll(() => cutOff.isUp).toBe(false);
  for (const id of ['key', 'former']) for (const version of [1, 3, 2]) cache.enqueue(entry(id, version));
  changes.history = 'next';
  cache.enqueue(entry('key', 1, 'of the next history'));
  await proxy.restore();
  await expect.poll(() => stored('key'), { timeout: 5_000 }).toBe('of the next history');
  await written();
  expect(await stored('former')).toBeUndefined();
});

it('bounds the memory of the entries that wait', async () => {
  await proxy.cut();
  await expect.poll(() => cutOff.isUp).toBe(false);
  const payload = 'x'.repeat(16_384);
  for (let index = 0; index < ENTRIES; index += 1) cache.enqueue(entry(`key-${index}`, 1, payload));
  expect(cache.queuedWrites * payload.length).toBeLessThanOrEqual(16 * 1_048_576);
  expect(cache.queuedWrites * payload.length).toBeGreaterThan(14 * 1_048_576);
});

it('writes what is queued before it closes, and closes at once without Redis', async () => {
  for (let index = 0; index < 200; index += 1) cache.enqueue(entry(`key-${index}`));
  await cache.close();
  expect(await stored('key-199')).toBe('version 1');

  const late = cacheOn(cutOff);
  await proxy.cut();
  await expect.poll(() => cutOff.isUp).toBe(false);
  late.enqueue(entry('key'));
  const startedAtMs = performance.now();
  await late.close();
  expect(performance.now() - startedAtMs).toBeLessThan(500);
});

it('keeps the number of unanswered writes small while Redis is paused', async () => {
  redis.pause();
  const { counts } = cutOff;
  for (let index = 0; index < ENTRIES; index += 1) cache.enqueue(entry(`key-${index}`));
  await expect.poll(() => counts.late + counts.failed, { timeout: 5_000 }).toBeGreaterThan(0);
  expect(counts.late + counts.failed + counts.skipped).toBeLessThan(300);
  await redis.resume();
  await expect.poll(() => stored(`key-${ENTRIES - 1}`), { timeout: 8_000 }).toBe('version 1');
});
