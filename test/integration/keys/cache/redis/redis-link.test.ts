import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../../support/servers/tcp-proxy.ts';

const TIMEOUT_MS = 50;
/** A deadline, as seen from a test on a busy machine. */
const SOON_MS = 10 * TIMEOUT_MS;

const FENCE = { place: 'fence', ttlMs: 10_000 };

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
  await expect.poll(() => link.read('place')).toBeNull();
  await inUse();
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
    onLost: () => events.push('lost'),
    onBack: () => events.push('back'),
  });
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const begun = performance.now();
  return [await work(), performance.now() - begun];
}

/** Fails until the link leaves Redis alone. */
async function untilBroken(): Promise<void> {
  await expect.poll(() => link.read('place').then(() => link.breakerState), { timeout: 5_000 }).toBe(2);
}

async function inUse(): Promise<void> {
  await expect
    .poll(() => link.read('place').then((answer) => [answer !== undefined, link.breakerState]), {
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
  'with Redis %s no command lasts longer than the deadline, one word is said of it, and one when it is back',
  async (_name, begin, end) => {
    await begin();
    for (let index = 0; index < 20; index += 1) {
      const [answer, tookMs] = await timed(() => link.read('place'));
      expect(answer).toBeUndefined();
      expect(tookMs).toBeLessThan(SOON_MS);
    }
    expect(link.breakerState).toBe(2);
    expect(link.counts.skipped).toBeGreaterThan(0);
    expect(events).toEqual(['lost']);
    await end();
    await inUse();
    expect(events).toEqual(['lost', 'back']);
  },
);

it('while one command tries whether Redis is back nobody else waits for it', async () => {
  redis.pause();
  await untilBroken();
  let waited: number | undefined;
  while (waited === undefined) {
    const trying = link.read('place');
    await new Promise((resolve) => setImmediate(resolve)); // reads leave together, at the end of the turn
    if (link.breakerState === 1) [, waited] = await timed(() => link.read('place'));
    await trying;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(waited).toBeLessThan(TIMEOUT_MS / 2);
  await redis.resume();
});

it('a connection that went silent for good is replaced, although nobody ever closed it', async () => {
  proxy.halfOpen('toClient');
  await untilBroken();
  const before = proxy.connections();
  await expect
    .poll(() => link.read('place').then(() => proxy.connections()), { timeout: 8_000 })
    .not.toBe(before);
  await proxy.restore();
  await inUse();
});

it('commands that nobody waits for any more do not pile up while Redis is paused', async () => {
  redis.pause();
  const value = Buffer.alloc(10_000);
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(
      Array.from({ length: 100 }, () =>
        link.store(FENCE, 1, { place: 'place', sealed: value, ttlMs: 1_000 }),
      ),
    );
  }
  const { failed, late, skipped } = link.counts;
  expect(failed + late).toBeLessThan(300);
  expect(failed + late + skipped).toBeGreaterThanOrEqual(2_000);
  await redis.resume();
});

// The proxy, which stands before a shared server as well, lives in this process and pauses with it.
it.skipIf(inject('redis').kind !== 'binary')(
  'a pause of this process is not taken for a slow Redis',
  async () => {
    link.close();
    link = open(redis.url);
    await inUse();
    const { late } = link.counts;
    const answers = Array.from({ length: 10 }, () => link.read('place'));
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * TIMEOUT_MS)); // right after they are sent
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, () => null));
    expect(link.counts.late).toBe(late);
  },
);

it('a server that greets slower than the deadline is still connected to', async () => {
  link.close();
  proxy.delay(2 * TIMEOUT_MS);
  const url = new URL(redis.url);
  url.port = String(proxy.port);
  link = open(url.href);
  // Its greeting takes several round trips; commands are too late meanwhile, and are not any more after it.
  await new Promise((resolve) => setTimeout(resolve, 12 * TIMEOUT_MS));
  proxy.delay(0);
  await inUse();
  expect(proxy.connections()).toBe(1);
});

const entry = (text: string) => ({ place: 'place', sealed: Buffer.from(text), ttlMs: 10_000 });
const stored = async () => String(await link.read('place'));

it('nothing older than the newest version that was seen is stored, in whatever order they come', async () => {
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

it('reads of one moment go out as one command, and each gets its own value', async () => {
  const places = Array.from({ length: 300 }, (_, index) => `place-${index}`);
  const written = places.filter((_, index) => index % 3 === 0);
  await Promise.all(
    written.map((place) => link.store(FENCE, 1, { place, sealed: Buffer.from(place), ttlMs: 10_000 })),
  );
  const { ok } = link.counts;
  const values = await Promise.all(places.map((place) => link.read(place)));
  expect(values.map((value) => value?.toString())).toEqual(
    places.map((place) => (written.includes(place) ? place : undefined)),
  );
  expect(link.counts.ok - ok).toBe(2); // 256 and the rest
});

it.skipIf(inject('redis').kind !== 'binary')('a Redis that is full is still read', async () => {
  await link.store(FENCE, 1, entry('value'));
  const admin = new Redis(redis.url);
  const { failed } = link.counts;
  await admin.config('SET', 'maxmemory', '1');
  await admin.config('SET', 'maxmemory-policy', 'noeviction');
  for (let index = 0; index < 10; index += 1) await link.store(FENCE, 1, entry('another'));
  expect([link.counts.failed - failed, link.breakerState]).toEqual([10, 0]);
  expect(await stored()).toBe('value');
  expect(events).toEqual([]);
  admin.disconnect();
});
