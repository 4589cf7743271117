import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { RegionConfirmation } from '../../../../../src/keys/cache/redis/region-confirmation.ts';
import { CLOCK_SKEW_MS } from '../../../../../src/keys/change-feed/change-source.ts';
import { ClockCheck } from '../../../../../src/keys/change-feed/clock-check.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { recordingLogger } from '../../../../support/recording-logger.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const WARN = 40;
const WAIT = { timeout: 15_000, interval: 20 };

let redis: TestRedis;
let link: RedisLink;
let intruder: RedisAdmin;
let redisKeys: RedisKeys;
let timeKey: string;
const started: (() => void)[] = [];

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
  redisKeys = new RedisKeys([randomBytes(32)]);
  [timeKey = ''] = redisKeys.times('confirmed');
  await expect.poll(() => link.read('connected', 1_000), { timeout: 5_000 }).toBe(null);
});
afterEach(() => {
  for (const stop of started.splice(0)) stop();
});
afterAll(async () => {
  link?.close();
  intruder?.close();
  await redis?.stop();
});

/** A pod whose clock is that of the replica. */
function pod() {
  const { logger, lines } = recordingLogger();
  const monotonicNow = () => performance.now();
  const clock = new ClockCheck({ now: Date.now, monotonicNow, logger, toleranceMs: 5_000 });
  clock.compare(Date.now(), clock.monotonicNow());
  const freshness = new Freshness(Date.now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  const confirmation = new RegionConfirmation({ link, redisKeys, freshness, clock, now: Date.now, logger });
  confirmation.start();
  let feed: NodeJS.Timeout | undefined;
  const cutOff = () => clearInterval(feed);
  started.push(cutOff, () => confirmation.stop());
  return {
    /** The change feed works from now on, or until `cutOff`. */
    follow: () => {
      feed = setInterval(() => {
        freshness.appliedUntilMs = Date.now();
      }, 100);
    },
    cutOff,
    warnings: () => lines.filter(({ level }) => level === WARN),
    others: () => confirmation.othersConfirmedAtMs,
  };
}

/** Resolves after the pods have sent so many more commands: each sends one per second. */
async function commands(count: number): Promise<void> {
  const before = link.counts.ok;
  await expect.poll(() => link.counts.ok, WAIT).toBeGreaterThanOrEqual(before + count);
}

const write = (timeMs: number) => intruder.client.set(timeKey, timeMs.toString(16).padStart(16, '0'));
const written = async () => Number.parseInt((await intruder.client.get(timeKey)) ?? '', 16);

it('a pod that is cut off sees others confirm, until they do no more', async () => {
  const [cutOff, other] = [pod(), pod()];
  other.follow();
  await expect.poll(cutOff.others, WAIT).toBeGreaterThan(Date.now() - 5_000);
  other.cutOff();
  await expect.poll(cutOff.others, WAIT).toBeUndefined();
});

it('a time that stands still confirms nothing, however high it is', async () => {
  await write(Date.now() + CLOCK_SKEW_MS / 2);
  const cutOff = pod();
  for (let read = 0; read < 4; read += 1) {
    await commands(1);
    expect(cutOff.others()).toBeUndefined();
  }
});

it('older times that are replayed confirm nothing', async () => {
  const nowMs = Date.now();
  await write(nowMs);
  const cutOff = pod();
  await commands(1);
  for (const timeMs of [nowMs - 2_000, nowMs - 1_000, nowMs]) {
    await write(timeMs);
    await commands(1);
    expect(cutOff.others()).toBeUndefined();
  }
});

it.each([() => 2 ** 52, () => Date.now() + 2 * CLOCK_SKEW_MS])(
  'times that cannot be true confirm nothing, although they rise',
  async (timeMs) => {
    const cutOff = pod();
    for (let read = 0; read < 4; read += 1) {
      await write(timeMs() + read * 1_000);
      await commands(1);
      expect(cutOff.others()).toBeUndefined();
    }
  },
);

it.each(['f'.repeat(16), 'not a time', (2 ** 52).toString(16).padStart(16, '0')])(
  'a pod that confirms replaces "%s", and warns once per minute',
  async (value) => {
    const confirming = pod();
    for (let times = 0; times < 2; times += 1) {
      await intruder.client.set(timeKey, value);
      confirming.follow();
      await expect.poll(written, WAIT).toBeLessThan(Date.now() + CLOCK_SKEW_MS);
      expect(await intruder.client.pttl(timeKey)).toBeGreaterThan(0);
      confirming.cutOff();
    }
    expect(confirming.warnings()).toEqual([
      expect.objectContaining({ redis_key: timeKey, msg: expect.stringContaining('Redis') }),
    ]);
  },
);

it('a pod whose clock is a little behind that of another loses to it without a warning', async () => {
  const aheadMs = Date.now() + CLOCK_SKEW_MS / 2;
  await write(aheadMs);
  const confirming = pod();
  confirming.follow();
  await commands(2);
  expect([await written(), confirming.warnings()]).toEqual([aheadMs, []]);
});
