import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { policies } from '../../../../../src/keys/cache/policies.ts';
import { FencedCache } from '../../../../../src/keys/cache/redis/fenced-cache.ts';
import { HeartbeatCounters } from '../../../../../src/keys/cache/redis/heartbeat-counters.ts';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { SealedBox } from '../../../../../src/keys/cache/redis/sealed-box.ts';
import { ReplicaTrust } from '../../../../../src/keys/change-feed/replica-trust.ts';
import { goodEvidence } from '../../../../support/evidence.ts';
import { recordingLogger } from '../../../../support/recording-logger.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const CONFIRMS_FOR_MS = 900_000;
const COUNTER = 100;
const WARN = 40;
const secret = randomBytes(32);
const redisKeys = new RedisKeys([secret]);

let redis: TestRedis;
let link: RedisLink;
let intruder: RedisAdmin;
/** The generation of the region, and so the Redis key, of one test. */
let generation: string;

beforeAll(async () => {
  redis = await startTestRedis();
  intruder = new RedisAdmin(redis.url);
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
  generation = randomUUID();
  await expect.poll(() => link.read('connected', 1_000), { timeout: 5_000 }).toBe(null);
});
afterAll(async () => {
  link?.close();
  intruder?.close();
  await redis?.stop();
});

/** A pod that has just started, with its log. */
function pod(aheadMs = 0, isRight = true) {
  const now = () => Date.now() + aheadMs;
  const { logger, lines } = recordingLogger();
  const clock = { isRight };
  const cache = new FencedCache(link, [secret], now, clock, { history: '', lineage: '' }, CONFIRMS_FOR_MS);
  const counters = new HeartbeatCounters({ cache, now, clock, logger, confirmsForMs: CONFIRMS_FOR_MS });
  return { counters, lines, trust: new ReplicaTrust({ shared: counters, logger }) };
}

const evidence = (counter = COUNTER) => ({ ...goodEvidence, generation, counter });
/** As after a restart of the replica's server while the primary is down. */
const restarted = (counter = COUNTER) => ({ ...evidence(counter), isContacted: false });

const counterKey = () => redisKeys.entries('counter', generation, '')[0] as string;
const fenceKey = () => redisKeys.fences(generation, '')[0] as string;
/** The value that a pod sees in Redis. */
const stored = async () => (await pod().counters.read(generation, Number.MAX_SAFE_INTEGER))?.counter;

/** Writes with the key of the pods, as a bug or a thief of `CACHE_KEYS` can. */
async function forge(payload: string): Promise<void> {
  const expiresAtMs = Date.now() + policies.heartbeatCounter.ttlMs;
  await intruder.client.set(
    counterKey(),
    new SealedBox([secret], Date.now).seal(payload, counterKey(), expiresAtMs),
  );
}

it('confirms a replica that has what a pod has just stored, and refuses one that has less', async () => {
  await pod().trust.observe(evidence());
  await expect.poll(stored).toBe(COUNTER);
  const [same, less] = [pod(), pod()];
  await same.trust.observe(restarted());
  await less.trust.observe(restarted(COUNTER - 1));
  expect([same.trust.isTrusted, less.trust.isTrusted]).toEqual([true, false]);
});

it('a counter that no pod has stored for the allowed time confirms nothing, but still refuses', async () => {
  await pod(-CONFIRMS_FOR_MS - 1_000).trust.observe(evidence());
  await expect.poll(stored).toBe(COUNTER);
  const [same, less] = [pod(), pod()];
  await same.trust.observe(restarted());
  await less.trust.observe(evidence(COUNTER - 1));
  expect([same.trust.isTrusted, less.trust.isTrusted]).toEqual([false, false]);
  expect(same.trust.obstacles[0]).toContain(`Redis has no recent counter of it (key ${counterKey()})`);
  expect(less.trust.obstacles[0]).toContain(`delete the Redis key ${counterKey()}`);
  await pod().trust.observe(evidence());
  await expect.poll(async () => (await same.trust.observe(restarted())) && same.trust.isTrusted).toBe(true);
});

it('an old counter that is replayed confirms no older copy of the replica', async () => {
  await pod(-CONFIRMS_FOR_MS - 1_000).trust.observe(evidence());
  await expect.poll(stored).toBe(COUNTER);
  const replay = await intruder.dump();
  await pod().trust.observe(evidence(COUNTER + 900));
  await expect.poll(stored).toBe(COUNTER + 900);
  await intruder.restore(replay);
  expect(await stored()).toBe(COUNTER);
  const copy = pod();
  await copy.trust.observe(restarted(COUNTER + 1));
  expect(copy.trust.isTrusted).toBe(false);
});

it('confirms nothing while the clock of the pod is not known to be right', async () => {
  await pod().trust.observe(evidence());
  await expect.poll(stored).toBe(COUNTER);
  const { trust } = pod(0, false);
  await trust.observe(restarted());
  expect(trust.isTrusted).toBe(false);
});

it.each([String(2 ** 52), '1e300', '100.5', '-1', 'NaN', '', '0x64', 'Infinity', String(COUNTER + 1_001)])(
  'a counter of "%s" keeps no pod unready, confirms nothing, and is replaced',
  async (payload) => {
    await forge(payload);
    const [starting, copy] = [pod(), pod()];
    await copy.trust.observe(restarted());
    expect(copy.trust.isTrusted).toBe(false);
    await starting.trust.observe(evidence());
    expect([starting.trust.isTrusted, starting.trust.obstacles]).toEqual([true, []]);
    const warnings = starting.lines.filter(({ level }) => level === WARN);
    expect(warnings).toEqual([
      expect.objectContaining({ redis_key: counterKey(), msg: expect.stringContaining('delete the key') }),
    ]);
    await expect.poll(stored).toBe(COUNTER);
  },
);

it('a replica that is behind by its age is behind, however much that is', async () => {
  const monthSeconds = 30 * 86_400;
  await forge(String(COUNTER + 2 * monthSeconds));
  const { trust } = pod();
  await trust.observe({ ...evidence(), beatAgeSeconds: monthSeconds });
  expect(trust.isTrusted).toBe(false);
});

it.each(['f'.repeat(16), 'z'.repeat(16), (2 ** 52).toString(16).padStart(16, '0')])(
  'a fence of "%s" freezes no counter: the pod replaces it and warns once per minute',
  async (fence) => {
    const { trust, lines } = pod();
    await trust.observe(evidence());
    await expect.poll(stored).toBe(COUNTER);
    for (const counter of [COUNTER + 1, COUNTER + 2]) {
      await intruder.client.set(fenceKey(), fence);
      await trust.observe(evidence(counter));
      await expect.poll(stored).toBe(counter);
    }
    expect(await intruder.client.pttl(fenceKey())).toBeGreaterThan(0);
    await expect
      .poll(() => lines.filter(({ level }) => level === WARN))
      .toEqual([
        expect.objectContaining({ redis_key: fenceKey(), msg: expect.stringContaining('in Redis') }),
      ]);
  },
);

it('a counter of another pod that is a little ahead wins without a warning', async () => {
  const [ahead, behind] = [pod(), pod()];
  await ahead.trust.observe(evidence(COUNTER + 50));
  await expect.poll(stored).toBe(COUNTER + 50);
  await behind.counters.store(generation, COUNTER, COUNTER + 1_000);
  expect([await stored(), behind.lines]).toEqual([COUNTER + 50, []]);
});
