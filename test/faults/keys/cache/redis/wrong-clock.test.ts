import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { type IssuedKey, insertKey, revokeKey } from '../../../../support/keys.ts';
import { metric, outcome, type Pods, startPods } from '../../../../support/pods.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { authenticate } from '../../../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';
import { type ShiftedPod, startShiftedPod } from '../../../../support/shifted-pod.ts';
import { type StandbyRegion, startStandbyRegion } from '../../../../support/standby-region.ts';

const HOUR_MS = 3_600_000;
const REVOKED = '401 0xD38358';

type Region = Pick<TestDatabases, 'primary' | 'replicaUrl' | 'replicated'>;

/** A region on a logical replica, whose pods listen. */
let logical: TestDatabases;
/**
 * A region on a physical standby, whose pods poll. Such a pod knows of no change from before its start, so only the times
 * in Redis tell it what is old.
 */
let standby: StandbyRegion;
let redis: TestRedis;
let admin: RedisAdmin;
const started: { stop(): Promise<void> }[] = [];
const settings = {
  CACHE_KEYS: randomBytes(32).toString('base64'),
  // Every value must be read in time, however busy the machine is.
  REDIS_TIMEOUT_MS: '1000',
  CACHE_MAX_ENTRIES: '20000',
};
/** A pod that polls applies a change at its next poll. */
const SOON = { timeout: 5_000 };

beforeAll(async () => {
  [logical, standby, redis] = await Promise.all([createDatabases(), startStandbyRegion(), startTestRedis()]);
  admin = new RedisAdmin(redis.url);
});
afterAll(async () => {
  admin?.close();
  await redis?.stop();
  await standby?.close();
  await logical?.close();
});
beforeEach(() => admin.client.flushdb());
afterEach(async () => {
  await Promise.all(started.splice(0).map((pods) => pods.stop()));
});

async function healthyPod(region: Region): Promise<Pods['all'][number]> {
  const pods = await startPods(1, region.replicaUrl, redis.url, settings);
  started.push(pods);
  return pods.all[0] as Pods['all'][number];
}

async function shiftedPod(region: Region, offsetMs: number): Promise<ShiftedPod> {
  const pod = await startShiftedPod(offsetMs, region.replicaUrl, { ...settings, REDIS_URL: redis.url });
  started.push(pod);
  // Before its first read of the feed, a pod would check each value from Redis anyway.
  await expect.poll(() => metric(pod, 'iam_change_feed_age_seconds'), SOON).toBeLessThan(10);
  return pod;
}

async function newKey(region: Region): Promise<IssuedKey> {
  const key = await insertKey(region.primary);
  await region.replicated();
  return key;
}

async function revoke(region: Region, key: IssuedKey): Promise<void> {
  await revokeKey(region.primary, key.id);
  await region.replicated();
}

const ask = async (pod: { url: string }, key: IssuedKey) =>
  outcome(await authenticate(pod, key.authorization));

/** Entries of credentials and responses in Redis. */
const storedEntries = async () =>
  (await admin.client.keys('*')).filter((name) => /:(credential|response):/.test(name)).length;

const responsesFromRedis = async (pod: { managementUrl: string }) =>
  (await metric(pod, 'iam_authentication_requests_total{outcome="granted",tier="redis"}')) ?? 0;

async function readiness(pod: { managementUrl: string }): Promise<{ status: number; obstacles: string[] }> {
  const response = await fetch(`${pod.managementUrl}/readyz`);
  const { obstacles = [] } = (await response.json()) as { obstacles?: string[] };
  return { status: response.status, obstacles };
}

const READY = { status: 200, obstacles: [] };
/** A difference that was measured on a busy machine may be some tenths of a second off. */
const HOUR_AHEAD = String.raw`the clock of this pod is (3599|3600)\.\d s ahead of the clock of the replica`;
const TEN_MINUTES_BEHIND = String.raw`the clock of this pod is (599|600)\.\d s behind the clock of the replica`;
const unready = (difference: string) => ({
  status: 503,
  obstacles: [expect.stringMatching(`^${difference}; CLOCK_TOLERANCE_MS is 5000$`)],
});

it('no pod accepts a revoked key that a pod whose clock is an hour ahead accepted before', async () => {
  const healthy = await healthyPod(standby);
  const ahead = await shiftedPod(standby, HOUR_MS);
  const key = await newKey(standby);
  expect(await ask(ahead, key)).toBe('200');

  await revoke(standby, key);
  // The late pod first: a pod that refuses the key replaces its entry in Redis.
  const late = await healthyPod(standby);
  expect(await ask(late, key)).toBe(REVOKED);
  for (const pod of [healthy, ahead]) await expect.poll(() => ask(pod, key), SOON).toBe(REVOKED);
  expect(await readiness(ahead)).toEqual(unready(HOUR_AHEAD));
  expect([await metric(ahead, 'iam_redis_up'), await metric(healthy, 'iam_redis_up')]).toEqual([0, 1]);
  expect([await readiness(healthy), await readiness(late)]).toEqual([READY, READY]);
});

it('a pod that starts ten minutes behind does not accept a key that was revoked before', async () => {
  const healthy = await healthyPod(standby);
  const key = await newKey(standby);
  expect(await ask(healthy, key)).toBe('200');
  await expect.poll(storedEntries).toBe(2);

  await revoke(standby, key);
  const behind = await shiftedPod(standby, -600_000);
  expect(await ask(behind, key)).toBe(REVOKED);
  await expect.poll(() => ask(healthy, key), SOON).toBe(REVOKED);
  await expect.poll(() => readiness(behind)).toEqual(unready(TEN_MINUTES_BEHIND));
  expect(await readiness(healthy)).toEqual(READY);
});

it.each([
  ['listen', () => logical],
  ['poll', () => standby],
])(
  'a pod uses Redis and is ready only while its clock is right (%s)',
  async (_mode, regionOf: () => Region) => {
    const region = regionOf();
    const warm = await newKey(region);
    expect(await ask(await healthyPod(region), warm)).toBe('200');
    await expect.poll(storedEntries).toBe(2);
    const pod = await shiftedPod(region, HOUR_MS);
    await expect.poll(() => readiness(pod)).toEqual(unready(HOUR_AHEAD));
    expect(await metric(pod, 'iam_clock_offset_seconds')).toBeCloseTo(3_600, 0);
    expect([await ask(pod, warm), await ask(pod, await newKey(region))]).toEqual(['200', '200']);
    expect(await responsesFromRedis(pod), 'no read').toBe(0);
    expect(await storedEntries(), 'no write').toBe(2);

    await pod.setClock(0);
    await expect.poll(() => readiness(pod)).toEqual(READY);
    expect(await metric(pod, 'iam_clock_offset_seconds')).toBeCloseTo(0, 0);
    expect([await ask(pod, warm), await ask(pod, await newKey(region))]).toEqual(['200', '200']);
    expect(await responsesFromRedis(pod), 'read').toBe(1);
    await expect.poll(storedEntries, { message: 'written' }).toBe(4);

    await pod.setClock(-600_000);
    await expect.poll(() => readiness(pod)).toEqual(unready(TEN_MINUTES_BEHIND));
    const lines = () =>
      pod.logLines.flatMap((line) => {
        const { 'log.level': level, message } = JSON.parse(line);
        return message.startsWith('the clock') ? [`${level}: ${message}`] : [];
      });
    await expect
      .poll(lines)
      .toEqual([
        expect.stringMatching(`^error: ${HOUR_AHEAD}; `),
        'info: the clock of this pod is right again',
        expect.stringMatching(`^error: ${TEN_MINUTES_BEHIND}; `),
      ]);
  },
);
