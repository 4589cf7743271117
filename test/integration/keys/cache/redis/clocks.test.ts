import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Interner } from '../../../../../src/keys/cache/interner.ts';
import { policies } from '../../../../../src/keys/cache/policies.ts';
import { FencedCache, type SharedEntry } from '../../../../../src/keys/cache/redis/fenced-cache.ts';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { fenceTtlMs, SharedFences } from '../../../../../src/keys/cache/redis/shared-fences.ts';
import { VerifiedKeys } from '../../../../../src/keys/cache/redis/verified-keys.ts';
import { CLOCK_SKEW_MS } from '../../../../../src/keys/change-feed/change-source.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../../../../src/keys/client-authentication.ts';
import type { LoadedKey } from '../../../../../src/keys/key-store.ts';
import { SharedResponses } from '../../../../../src/regional/shared-responses.ts';
import { noVersions } from '../../../../support/no-versions.ts';
import { keyRecord } from '../../../../support/records.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const LIFE_MS = 900_000;
const NOBODY = { secret: undefined, certificate: false };
const cacheKey = randomBytes(32);

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

const RIGHT = { isRight: true };
const ONE_HISTORY = { history: 'h', lineage: 'h' };

const cacheAhead = (byMs: number, clock = RIGHT) =>
  new FencedCache(link, [cacheKey], () => Date.now() + byMs, clock, ONE_HISTORY, LIFE_MS);
const credentialsAhead = (byMs: number) =>
  new VerifiedKeys(cacheAhead(byMs), () => Date.now() + byMs, ONE_HISTORY, LIFE_MS, new Interner(10));

/** A pod's view of shared responses, with a clock ahead of ours and a complete change feed. */
function podAhead(byMs: number): SharedResponses {
  const now = () => Date.now() + byMs;
  const freshness = new Freshness(now, { revalidateAfterMs: 60_000, maxStalenessMs: LIFE_MS });
  freshness.appliedUntilMs = now();
  const changes = new RecentChanges(now, { ttlMs: LIFE_MS, maxEntries: 100 });
  changes.startAt(0);
  return new SharedResponses({
    cache: cacheAhead(byMs),
    fences: noVersions,
    changes,
    freshness,
    clientAuthentication: new ClientAuthentication([]),
    now,
    hasPassed: (atMs) => atMs <= now(),
    ttlMs: LIFE_MS,
  });
}

function keyReadAt(confirmedAtMs: number, id: string): LoadedKey {
  return {
    record: keyRecord(id, 1),
    tier: 'postgres',
    confirmedAtMs,
    superseded: false,
    stale: false,
  };
}

it.each([
  ['a little is used', CLOCK_SKEW_MS - 1_000, true],
  ['so far that it would outlive the memory of what changed is not', CLOCK_SKEW_MS + 10_000, false],
])('a response of a pod whose clock is ahead %s', async (_name, aheadMs, used) => {
  const id = `key-${aheadMs}`;
  const permissions = { text: '{"permissions":1,', derivedFrom: [] };
  const key = keyReadAt(Date.now() + aheadMs, id);
  const body = '{"permissions":1,"identity":2}';
  podAhead(aheadMs).store('digest', key, permissions, body, Number.POSITIVE_INFINITY);
  await expect.poll(async () => (await podAhead(aheadMs).read(id, 'digest', NOBODY))?.body).toBe(body);
  expect((await podAhead(0).read(id, 'digest', NOBODY))?.body).toBe(used ? body : undefined);
});

it.each([
  ['a little is used', CLOCK_SKEW_MS - 1_000, true],
  ['further than two right clocks can differ is not', CLOCK_SKEW_MS + 10_000, false],
])('a credential of a pod whose clock is ahead %s', async (_name, aheadMs, used) => {
  const { record, confirmedAtMs } = keyReadAt(Date.now() + aheadMs, `credential-${aheadMs}`);
  const inADayMs = Date.now() + policies.secretMemo.ttlMs;
  credentialsAhead(aheadMs).store({ record, confirmedAtMs, verifiedHash: 'h' }, 'digest', inADayMs);
  const ownRead = async () => (await credentialsAhead(aheadMs).read(record.id, 'digest'))?.record;
  await expect.poll(ownRead).toEqual(record);
  expect((await credentialsAhead(0).read(record.id, 'digest'))?.record).toEqual(used ? record : undefined);
});

/** An entry of a key that is confirmed now and expires as late as a pod with a right clock allows. */
function entry(kind: 'credential' | 'response', more: Partial<SharedEntry> = {}): SharedEntry {
  const ttlMs = { credential: policies.secretMemo.ttlMs, response: LIFE_MS }[kind];
  const [confirmedAtMs, expiresAtMs] = [Date.now(), Date.now() + ttlMs];
  return {
    kind,
    id: randomUUID(),
    version: 1,
    digest: 'd',
    payload: 'p',
    confirmedAtMs,
    expiresAtMs,
    ...more,
  };
}

it.each(['credential', 'response'] as const)(
  'a %s that expires too late for a right clock is not used',
  async (kind) => {
    const kept = entry(kind);
    const late = entry(kind, { expiresAtMs: kept.expiresAtMs + CLOCK_SKEW_MS + 60_000 });
    for (const one of [kept, late]) await cacheAhead(0).store(one);
    expect((await cacheAhead(0).read(kind, kept.id, 'd'))?.payload.toString()).toBe('p');
    expect(await cacheAhead(0).read(kind, late.id, 'd')).toBeNull();
    expect((await cacheAhead(120_000).read(kind, late.id, 'd'))?.payload.toString(), 'the entry exists').toBe(
      'p',
    );
  },
);

it('a pod whose clock is not right reads and stores nothing, but raises the fences of keys', async () => {
  const clock = { isRight: true };
  const pod = cacheAhead(0, clock);
  const [stored, unstored] = [entry('credential'), entry('credential')];
  await pod.store(stored);
  clock.isRight = false;
  expect(await pod.read('credential', stored.id, 'd')).toBeNull();
  await pod.store(unstored);
  expect(await cacheAhead(0).read('credential', unstored.id, 'd')).toBeNull();

  const fences = new SharedFences({
    link,
    redisKeys: new RedisKeys([cacheKey]),
    now: Date.now,
    changes: ONE_HISTORY,
    clock,
    ttlMs: fenceTtlMs(LIFE_MS),
  });
  fences.apply({ entity: 'key', id: unstored.id, version: 2 });
  const storesAnOlderVersion = async () => {
    await cacheAhead(0).store(unstored);
    return await cacheAhead(0).read('credential', unstored.id, 'd');
  };
  await expect.poll(storesAnOlderVersion).toBeNull();
  clock.isRight = true;
  expect((await pod.read('credential', stored.id, 'd'))?.payload.toString()).toBe('p');
});

it('a pod stores nothing that was confirmed by its clock before the clock was set back', async () => {
  const former = entry('credential', { confirmedAtMs: Date.now() + 60_000 });
  await cacheAhead(0).store(former);
  expect(await cacheAhead(0).read('credential', former.id, 'd')).toBeNull();
});
