import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { RedisLink } from '../../../src/keys/cache/redis/redis-link.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const TIMEOUT_MS = 50;
/** A deadline, as seen from a test on a busy machine. */
const SOON_MS = 10 * TIMEOUT_MS;

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
  await expect.poll(() => link.read('place')).toEqual([null]);
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
    .poll(() => link.read('place').then((answer) => [answer?.length, link.breakerState]), { timeout: 8_000 })
    .toEqual([1, 0]);
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
    await Promise.all(Array.from({ length: 100 }, () => link.write('place', value, 1_000)));
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
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 10 }, () => [null]));
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

it('a tombstone and a newer version are not written over by an older one, in whatever order they come', async () => {
  const sealed = (text: string) => Buffer.from(text);
  await link.writeVersion('place', 5, sealed('five'), 10_000);
  await link.writeVersion('place', 4, sealed('four'), 10_000);
  expect(String((await link.read('place'))?.[0])).toBe('0000000000000005five');
  await link.writeVersion('place', 5, undefined, 10_000); // says no more than what is there
  expect(String((await link.read('place'))?.[0])).toBe('0000000000000005five');
  await link.writeVersion('place', 6, undefined, 10_000);
  await link.writeVersion('place', 5, sealed('five'), 10_000);
  expect(String((await link.read('place'))?.[0])).toBe('0000000000000006');
  await link.writeVersion('place', 6, sealed('six'), 10_000);
  expect(String((await link.read('place'))?.[0])).toBe('0000000000000006six');
});

it.skipIf(inject('redis').kind !== 'binary')('a Redis that is full is still read', async () => {
  await link.write('place', Buffer.from('value'), 60_000);
  const admin = new Redis(redis.url);
  const { failed } = link.counts;
  await admin.config('SET', 'maxmemory', '1');
  await admin.config('SET', 'maxmemory-policy', 'noeviction');
  for (let index = 0; index < 10; index += 1)
    await link.write(`place-${index}`, Buffer.from('value'), 60_000);
  expect([link.counts.failed - failed, link.breakerState]).toEqual([10, 0]);
  expect(String((await link.read('place'))?.[0])).toBe('value');
  expect(events).toEqual([]);
  admin.disconnect();
});
