import { beforeEach, describe, expect, it } from 'vitest';
import type { FencedCache, SharedEntry } from '../../../src/keys/cache/redis/fenced-cache.ts';
import { CLOCK_SKEW_MS } from '../../../src/keys/change-feed/change-source.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../src/keys/change-feed/recent-changes.ts';
import { ClientAuthentication } from '../../../src/keys/client-authentication.ts';
import type { LoadedKey } from '../../../src/keys/key-store.ts';
import { type LoadedRoles, roleScopeId } from '../../../src/keys/role-store.ts';
import { ResponseCache } from '../../../src/regional/response-cache.ts';
import { SharedResponses } from '../../../src/regional/shared-responses.ts';
import { keyRecord } from '../../support/records.ts';

const REVALIDATE_AFTER_MS = 2_000;
const MAX_STALENESS_MS = 900_000;
const START_MS = 10_000_000;
const DIGEST = 'digest of the call';
const SCOPE = roleScopeId({ organizationId: 'org', projectType: 'elasticsearch', projectId: 'shop' });
const EXTERNAL = { secret: undefined, certificate: false };

let nowMs: number;
let redis: Map<string, SharedEntry>;
let newest: number | undefined;
let sealedByOlderKey: boolean;
beforeEach(() => {
  nowMs = START_MS;
  redis = new Map();
  newest = -1;
  sealedByOlderKey = false;
});

/** A pod whose change feed has applied every change up to the start of the test. */
function pod() {
  const now = () => nowMs;
  const freshness = new Freshness(now, {
    revalidateAfterMs: REVALIDATE_AFTER_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  freshness.appliedUntilMs = nowMs;
  const changes = new RecentChanges(now, { ttlMs: 2 * MAX_STALENESS_MS, maxEntries: 100 });
  changes.startAt(0);
  const hasPassed = (atMs: number) => nowMs >= atMs;
  const cache = {
    enqueue: (entry: SharedEntry) => void redis.set(`${entry.id} ${entry.digest}`, entry),
    read: async (_kind: string, id: string, digest: string) => {
      const entry = redis.get(`${id} ${digest}`);
      return entry && { ...entry, payload: Buffer.from(entry.payload), sealedByOlderKey };
    },
  } as unknown as FencedCache;
  const shared = new SharedResponses({
    cache,
    fences: { newestVersion: async () => newest },
    changes,
    freshness,
    clientAuthentication: new ClientAuthentication(['secret']),
    now,
    hasPassed,
    ttlMs: MAX_STALENESS_MS,
  });
  const responses = new ResponseCache(freshness, hasPassed, { maxEntries: 10, maxBytes: 100_000 });
  const read = async () => (await shared.read('key-1', DIGEST, EXTERNAL))?.body;
  return { shared, responses, changes, freshness, read };
}

const key = (fields: Partial<LoadedKey> = {}): LoadedKey => ({
  record: keyRecord('key-1', 5),
  tier: 'postgres',
  confirmedAtMs: nowMs,
  superseded: false,
  stale: false,
  ...fields,
});
const roles = (fields: Partial<LoadedRoles> = {}): LoadedRoles => ({
  scopeId: SCOPE,
  roles: new Map(),
  confirmedAtMs: nowMs,
  stale: false,
  ...fields,
});
const BODY = '{"permissions":1,"id":1}';

/** Another pod stores a response. */
function store(
  loaded: LoadedKey = key(),
  derivedFrom = [roles()],
  validUntilMs = Number.POSITIVE_INFINITY,
  body = BODY,
): void {
  pod().shared.store(DIGEST, loaded, { text: '{"permissions":1,', derivedFrom }, body, validUntilMs);
}

it('a response is not used if another pod has seen a newer version of its key, or Redis does not say', async () => {
  store();
  newest = 5;
  expect(await pod().read()).toBe(BODY);
  newest = 6;
  expect(await pod().read()).toBeUndefined();
  newest = undefined;
  expect(await pod().read()).toBeUndefined();
});

it('a response of another pod is used while nothing has changed', async () => {
  store();
  expect(await pod().read()).toBe(BODY);
});

describe('while the change feed is cut', () => {
  it('a response is used as long as it is fresh, and not longer', async () => {
    store();
    const { read } = pod();
    nowMs += REVALIDATE_AFTER_MS;
    expect(await read()).toBe(BODY);
    nowMs += 1;
    expect(await read()).toBeUndefined();
  });

  it('a response that this pod took over before is used only while it is fresh', async () => {
    store();
    const { shared, responses } = pod();
    const found = await shared.read('key-1', DIGEST, EXTERNAL);
    if (found !== undefined) responses.set(DIGEST, found);
    nowMs += REVALIDATE_AFTER_MS;
    expect(responses.get(DIGEST)?.body).toBe(BODY);
    nowMs += 1;
    expect(responses.get(DIGEST)).toBeUndefined();
    expect((await responses.getUnconfirmed(DIGEST))?.body).toBe(BODY);
    nowMs = START_MS + MAX_STALENESS_MS + 1;
    expect(await responses.getUnconfirmed(DIGEST)).toBeUndefined();
  });
});

describe('a response is not used', () => {
  it('if a newer version of its key is known', async () => {
    store();
    const { changes, read } = pod();
    changes.apply({ entity: 'key', id: 'key-1', version: 5 });
    expect(await read()).toBe(BODY);
    changes.apply({ entity: 'key', id: 'key-1', version: 6 });
    expect(await read()).toBeUndefined();
  });

  it('if its roles changed at most one clock skew before it was confirmed, or later', async () => {
    const { changes, freshness, read } = pod();
    changes.apply({ entity: 'roles', id: SCOPE, version: 9 });
    const storedAfter = async (ms: number) => {
      nowMs = START_MS + ms;
      freshness.appliedUntilMs = nowMs;
      store();
      return await read();
    };
    expect(await storedAfter(0)).toBeUndefined();
    expect(await storedAfter(CLOCK_SKEW_MS)).toBeUndefined();
    expect(await storedAfter(CLOCK_SKEW_MS + 1)).toBe(BODY);
    changes.apply({ entity: 'roles', id: 'another scope', version: 10 });
    expect(await read()).toBe(BODY);
    changes.apply({ entity: 'roles', id: SCOPE, version: 11 });
    expect(await read()).toBeUndefined();
  });

  it('if this pod may have missed a change since it was confirmed', async () => {
    store();
    const { changes, read } = pod();
    changes.startAt(START_MS);
    expect(await read()).toBe(BODY);
    changes.startAt(START_MS + 1);
    expect(await read()).toBeUndefined();
  });

  it('if it was confirmed too far in the future to be true', async () => {
    nowMs += CLOCK_SKEW_MS + 1;
    store();
    nowMs = START_MS;
    const { freshness, read } = pod();
    freshness.appliedUntilMs = nowMs;
    expect(await read()).toBeUndefined();
    nowMs += 1;
    freshness.appliedUntilMs = nowMs;
    expect(await read()).toBe(BODY);
  });

  it('if an older key seals it', async () => {
    store();
    sealedByOlderKey = true;
    expect(await pod().read()).toBeUndefined();
  });

  it.each([
    ['with its origin', {}, BODY],
    ['without a first part', { permissionsLength: 0, permissionsHash: 'of nothing' }, BODY],
    ['of another key', { id: 'key-2' }, undefined],
    ['without a version', { version: null }, undefined],
    ['without the time of its confirmation', { confirmedAtMs: null }, undefined],
    ['without an end', { validUntilMs: null }, undefined],
    ['with a first part of negative length', { permissionsLength: -1 }, undefined],
    ['of a key that may be internal', { internal: 0 }, undefined],
    ['without scopes', { scopes: null }, undefined],
  ])('unless all that decides its use can be compared: %s', async (_, change, body) => {
    store();
    for (const entry of redis.values()) {
      const [origin = '', rest] = String(entry.payload).split('\n');
      entry.payload = `${JSON.stringify({ ...JSON.parse(origin), ...change })}\n${rest}`;
    }
    expect(await pod().read()).toBe(body);
  });

  it('if it belongs to another history', async () => {
    store();
    const { changes, read } = pod();
    changes.history = 'another';
    expect(await read()).toBeUndefined();
  });

  it('after the key or the grace period of its secret has expired', async () => {
    store(key(), [roles()], START_MS + 100);
    const { read } = pod();
    nowMs += 99;
    expect(await read()).toBe(BODY);
    nowMs += 1;
    expect(await read()).toBeUndefined();
  });

  it('for a caller whose client authentication does not allow the key', async () => {
    store();
    const { shared } = pod();
    expect(await shared.read('key-1', DIGEST, { secret: 'secret', certificate: false })).toBeUndefined();
    expect(await shared.read('key-1', DIGEST, { secret: undefined, certificate: true })).toBeUndefined();
    store(key({ record: keyRecord('key-1', 5, { internal: true }) }));
    expect(await shared.read('key-1', DIGEST, EXTERNAL)).toBeUndefined();
    expect((await shared.read('key-1', DIGEST, { secret: 'secret', certificate: false }))?.body).toBe(BODY);
  });
});

describe('a response is not stored', () => {
  it('if its key record or one of its role definitions is stale', async () => {
    store(key({ stale: true }));
    store(key(), [roles(), roles({ stale: true })]);
    expect(redis.size).toBe(0);
  });

  it('if it is longer than 16 KiB', async () => {
    store(key(), [roles()], undefined, 'x'.repeat(16_385));
    expect(redis.size).toBe(0);
    store(key(), [roles()], undefined, 'x'.repeat(16_384));
    expect(redis.size).toBe(1);
  });
});

it('a response is confirmed when its oldest part was, unless the change feed has confirmed all parts later', async () => {
  const { shared, freshness } = pod();
  const storedAt = async (confirmedAtMs: number, rolesAtMs: number) => {
    shared.store(
      DIGEST,
      key({ confirmedAtMs }),
      { text: '{', derivedFrom: [roles(), roles({ confirmedAtMs: rolesAtMs })] },
      BODY,
      Number.POSITIVE_INFINITY,
    );
    const [entry] = redis.values();
    return [entry?.confirmedAtMs, entry?.expiresAtMs];
  };
  freshness.appliedUntilMs = START_MS - 500;
  expect(await storedAt(START_MS - 100, START_MS - 200)).toEqual([
    START_MS - 200,
    START_MS - 200 + MAX_STALENESS_MS,
  ]);
  expect((await storedAt(START_MS - 300, START_MS - 200))[0]).toBe(START_MS - 300);
  expect((await storedAt(START_MS - 900, START_MS - 200))[0]).toBe(START_MS - 500);
});
