import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { FencedCache } from '../../../../../src/keys/cache/redis/fenced-cache.ts';
import { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { CLOCK_SKEW_MS } from '../../../../../src/keys/change-feed/change-source.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../../../../src/keys/client-authentication.ts';
import type { LoadedKey } from '../../../../../src/keys/key-store.ts';
import { SharedResponses } from '../../../../../src/regional/shared-responses.ts';
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
  await expect.poll(() => link.read('connected'), { timeout: 5_000 }).toBe(null);
});
afterAll(async () => {
  link?.close();
  await redis?.stop();
});

/** A pod's view of shared responses, with a clock ahead of ours and a complete change feed. */
function podAhead(byMs: number): SharedResponses {
  const now = () => Date.now() + byMs;
  const freshness = new Freshness(now, { revalidateAfterMs: 60_000, maxStalenessMs: LIFE_MS });
  freshness.appliedUntilMs = now();
  const changes = new RecentChanges(now, { ttlMs: LIFE_MS, maxEntries: 100 });
  changes.startAt(0);
  return new SharedResponses({
    cache: new FencedCache(link, [cacheKey], now, LIFE_MS),
    changes,
    freshness,
    clientAuthentication: new ClientAuthentication([]),
    now,
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
  await podAhead(aheadMs).store('digest', key, permissions, body, Number.POSITIVE_INFINITY);
  expect((await podAhead(aheadMs).read(id, 'digest', NOBODY))?.body).toBe(body);
  expect((await podAhead(0).read(id, 'digest', NOBODY))?.body).toBe(used ? body : undefined);
});
