import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../../support/servers/tcp-proxy.ts';

const TIMEOUT_MS = 50;
/** Upper bound of a timeout, as a test on a busy machine measures it. */
const TIMEOUT_BOUND_MS = 10 * TIMEOUT_MS;

const FENCE = { redisKey: 'fence', ttlMs: 10_000 };
const entry = (text: string) => ({ redisKey: 'entry', sealed: Buffer.from(text), ttlMs: 10_000 });

let redis: TestRedis;
let proxy: TcpProxy;
let link: RedisLink;
let events: string[];

beforeEach(async () => {
  redis = await startTestRedis();
  const url = new URL(redis.url);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  link = open(url.href);
  await expect.poll(() => link.read('entry', 1_000)).toBeNull();
  await untilAvailable();
  events.length = 0;
});
afterEach(async () => {
  link.close();
  await proxy.close();
  await redis.stop();
});

function open(url: string): RedisLink {
  events = [];
  return new RedisLink({
    url,
    cluster: false,
    timeoutMs: TIMEOUT_MS,
    onUnavailable: () => events.push('unavailable'),
    onAvailable: () => events.push('available'),
    onRefused: (_, kind) => events.push(`refused ${kind}`),
  });
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const begun = performance.now();
  return [await work(), performance.now() - begun];
}

/** Reads until the breaker opens. */
async function untilOpen(): Promise<void> {
  await expect
    .poll(() => link.read('entry', 1_000).then(() => link.breakerState), { timeout: 5_000 })
    .toBe(2);
}

/** Reads until Redis replies and the breaker is closed. */
async function untilAvailable(): Promise<void> {
  await expect
    .poll(() => link.read('entry', 1_000).then((reply) => [reply !== undefined, link.breakerState]), {
      timeout: 8_000,
    })
    .toEqual([true, 0]);
}

const outages: [name: string, begin: () => unknown, end: () => unknown][] = [
  ['killed', () => redis.kill(), () => redis.restart()],
  ['paused', () => redis.pause(), () => redis.resume()],
  ['slow', () => proxy.delay(250), () => proxy.delay(0)],
  ['cut off', () => proxy.cut(), () => proxy.restore()],
  ['behind a firewall that drops', () => proxy.blackhole(), () => proxy.restore()],
];

it.each(outages)(
  'with Redis %s bounds each command by the timeout and reports start and end of the outage once',
  async (_name, begin, end) => {
    await begin();
    for (let index = 0; index < 20; index += 1) {
      const [reply, tookMs] = await timed(() => link.read('entry', 1_000));
      expect(reply).toBeUndefined();
      expect(tookMs).toBeLessThan(TIMEOUT_BOUND_MS);
    }
    expect(link.breakerState).toBe(2);
    expect(link.counts.skipped).toBeGreaterThan(0);
    expect(events).toEqual(['unavailable']);
    await end();
    await untilAvailable();
    expect(events).toEqual(['unavailable', 'available']);
  },
);

it('notices the end of an outage without a command', async () => {
  redis.pause();
  await untilOpen();
  expect(link.isUp).toBe(false);
  await redis.resume();
  await expect.poll(() => [link.breakerState, link.isUp], { timeout: 8_000 }).toEqual([0, true]);
  expect(events).toEqual(['unavailable', 'available']);
});

it('reports a Redis that stopped without a command', async () => {
  expect(link.isUp).toBe(true);
  await redis.kill();
  await expect.poll(() => link.isUp, { timeout: 5_000 }).toBe(false);
});

it('fails other commands at once while a half-open breaker probes Redis', async () => {
  redis.pause();
  await untilOpen();
  let waited: number | undefined;
  while (waited === undefined) {
    const probe = link.read('entry', 1_000);
    await new Promise((resolve) => setImmediate(resolve)); // the batch leaves at the end of the tick
    if (link.breakerState === 1) [, waited] = await timed(() => link.read('entry', 1_000));
    await probe;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(waited).toBeLessThan(TIMEOUT_MS / 2);
  await redis.resume();
});

it('replaces a half-open connection that no peer has closed', async () => {
  proxy.halfOpen('toClient');
  await untilOpen();
  const before = proxy.connections();
  await expect
    .poll(() => link.read('entry', 1_000).then(() => proxy.connections()), { timeout: 8_000 })
    .not.toBe(before);
  await proxy.restore();
  await untilAvailable();
});

it('keeps reading while a small share of the replies is late, although they are late in a row', async () => {
  for (let index = 0; index < 100; index += 1) await link.read('entry', 1_000);
  const { late: lateBefore, skipped } = link.counts;
  proxy.delay(2 * TIMEOUT_MS);
  const late: Promise<unknown>[] = [];
  for (let index = 0; index < 10; index += 1) {
    late.push(link.read('entry', 1_000));
    await new Promise((resolve) => setImmediate(resolve)); // a command of its own
  }
  expect(new Set(await Promise.all(late))).toEqual(new Set([undefined]));
  expect(link.counts.late).toBeGreaterThanOrEqual(lateBefore + 10);
  proxy.delay(0);
  await expect.poll(() => link.read('entry', 1_000)).toBeNull();
  expect(link.counts.skipped).toBe(skipped);
  expect(events).toEqual([]);
});

it('gives writes more time than reads, and late writes do not stop the reads', async () => {
  for (let index = 0; index < 20; index += 1) await link.read('entry', 1_000);
  const { skipped } = link.counts;
  proxy.delay(1.5 * TIMEOUT_MS);
  expect(await link.read('entry', 1_000)).toBeUndefined();
  expect(await link.store(FENCE, 1, entry('value'))).toBe(1);
  proxy.halfOpen('toClient');
  await Promise.all(
    Array.from({ length: 10 }, () =>
      link.store(FENCE, 1, entry('value')).then((reply) => expect(reply).toBeUndefined()),
    ),
  );
  expect(link.breakerState).toBe(0);
  expect(link.counts.skipped).toBe(skipped);
  await proxy.restore();
});

// A shared server is behind a proxy in this process, which would pause with it.
it.skipIf(inject('redis').kind !== 'binary')(
  'does not count a pause of this process as a timeout of Redis',
  async () => {
    link.close();
    link = open(redis.url);
    await untilAvailable();
    const { late } = link.counts;
    const replies = Array.from({ length: 10 }, () => link.read('entry', 1_000));
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * TIMEOUT_MS)); // right after the reads are sent
    expect(await Promise.all(replies)).toEqual(Array.from({ length: 10 }, () => null));
    expect(link.counts.late).toBe(late);
  },
);

it('connects to a server whose handshake is slower than the command timeout', async () => {
  link.close();
  proxy.delay(2 * TIMEOUT_MS);
  const url = new URL(redis.url);
  url.port = String(proxy.port);
  link = open(url.href);
  // The handshake takes several round trips. Commands time out during it, and succeed after it.
  await new Promise((resolve) => setTimeout(resolve, 12 * TIMEOUT_MS));
  proxy.delay(0);
  await untilAvailable();
  expect(proxy.connections()).toBe(1);
});

const stored = async () => String(await link.read('entry', 1_000));

it('never stores an entry older than the fence, in any order of writes', async () => {
  await link.store(FENCE, 5, entry('five'));
  await link.store(FENCE, 4, entry('four'));
  expect(await stored()).toBe('five');
  await link.store(FENCE, 5, entry('five again'));
  expect(await stored()).toBe('five again');
  await link.raiseFence(FENCE, 7);
  await link.raiseFence(FENCE, 6);
  await link.store(FENCE, 6, entry('six'));
  expect(await stored()).toBe('five again');
  await link.store(FENCE, 7, entry('seven'));
  expect(await stored()).toBe('seven');
});

it('sends the reads of one tick in one round trip, with the right value for each', async () => {
  const redisKeys = Array.from({ length: 300 }, (_, index) => `entry-${index}`);
  const written = redisKeys.filter((_, index) => index % 3 === 0);
  await Promise.all(
    written.map((redisKey) =>
      link.store(FENCE, 1, { redisKey, sealed: Buffer.from(redisKey), ttlMs: 10_000 }),
    ),
  );
  const { ok } = link.counts;
  const values = await Promise.all(redisKeys.map((redisKey) => link.read(redisKey, 1_000)));
  expect(values.map((value) => value?.toString())).toEqual(
    redisKeys.map((redisKey) => (written.includes(redisKey) ? redisKey : undefined)),
  );
  expect(link.counts.ok - ok).toBe(2); // 256 keys, then the rest
});

it.skipIf(inject('redis').kind !== 'binary')('keeps reading from a Redis that is out of memory', async () => {
  await link.store(FENCE, 1, entry('value'));
  const admin = new Redis(redis.url);
  const { refused } = link.counts;
  await admin.config('SET', 'maxmemory', '1');
  await admin.config('SET', 'maxmemory-policy', 'noeviction');
  for (let index = 0; index < 10; index += 1) await link.store(FENCE, 1, entry('another'));
  expect([link.counts.refused - refused, link.breakerState]).toEqual([10, 0]);
  expect(await stored()).toBe('value');
  expect(events, 'ten refusals').toEqual(['refused OOM']);
  admin.disconnect();
});
