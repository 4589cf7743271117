import { beforeEach, describe, expect, it } from 'vitest';
import { Interner } from '../../../../../src/keys/cache/interner.ts';
import type { FencedCache, SharedEntry } from '../../../../../src/keys/cache/redis/fenced-cache.ts';
import { RedisKeyStore } from '../../../../../src/keys/cache/redis/redis-key-store.ts';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import type { RedisLink } from '../../../../../src/keys/cache/redis/redis-link.ts';
import { SharedFences } from '../../../../../src/keys/cache/redis/shared-fences.ts';
import { VerifiedKeys } from '../../../../../src/keys/cache/redis/verified-keys.ts';
import { Revalidation } from '../../../../../src/keys/cache/revalidation.ts';
import { CLOCK_SKEW_MS } from '../../../../../src/keys/change-feed/change-source.ts';
import { Freshness } from '../../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../../src/keys/change-feed/recent-changes.ts';
import { OutdatedRowError, StoreUnavailableError } from '../../../../../src/keys/key-store.ts';
import { keyRecord } from '../../../../support/records.ts';

const REVALIDATE_AFTER_MS = 2_000;
const MAX_STALENESS_MS = 900_000;
const START_MS = 10_000_000;
const KEY = 'key-1';

let nowMs: number;
beforeEach(() => {
  nowMs = START_MS;
});

/** A pod over entries that another pod has stored; Postgres has the key with `version` and the hash `current`. */
class Pod {
  version: number | undefined = 5;
  failure: Error | undefined;
  superseded = false;
  /** The newest version that any pod has seen. */
  newest: number | undefined = -1;
  reads = 0;
  checks = 0;
  sealedByOlderKey = false;
  duringRead: () => void = () => {};
  readonly stored: SharedEntry[] = [];
  readonly freshness = new Freshness(() => nowMs, {
    revalidateAfterMs: REVALIDATE_AFTER_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  readonly changes = new RecentChanges(() => nowMs, { ttlMs: 2 * MAX_STALENESS_MS, maxEntries: 100 });
  readonly cache = {
    enqueue: (entry: SharedEntry) => void this.stored.push(entry),
    read: async () => {
      const entry = this.stored.at(0);
      return (
        entry && {
          payload: Buffer.from(entry.payload),
          expiresAtMs: entry.expiresAtMs,
          sealedByOlderKey: this.sealedByOlderKey,
        }
      );
    },
  } as unknown as FencedCache;
  readonly verified = new VerifiedKeys(
    this.cache,
    () => nowMs,
    this.changes,
    MAX_STALENESS_MS,
    new Interner(10),
  );
  readonly store = new RedisKeyStore({
    inner: {
      get: async ({ id }) => {
        if (this.failure) throw this.failure;
        this.reads += 1;
        this.duringRead();
        if (this.version === undefined) return undefined;
        const record = keyRecord(id, this.version, { secretHash: 'current', previousSecretHash: 'former' });
        return { record, tier: 'postgres', confirmedAtMs: nowMs, superseded: false, stale: false };
      },
    },
    verified: this.verified,
    freshness: this.freshness,
    changes: this.changes,
    revalidation: new Revalidation(
      {
        currentVersion: async () => {
          if (this.failure) throw this.failure;
          this.checks += 1;
          return this.version;
        },
      },
      this.freshness,
      () => nowMs,
      { supersede: async () => this.superseded },
    ),
    fences: { newestVersion: async () => this.newest },
  });

  constructor() {
    this.changes.startAt(0);
  }

  /** Another pod stores the key. */
  share(version = 5, verifiedHash = 'current', id = KEY): void {
    const record = keyRecord(id, version, { secretHash: 'current' });
    this.verified.store({ record, confirmedAtMs: nowMs, verifiedHash }, 'digest');
  }

  async get() {
    const loaded = await this.store.get({ id: KEY, digest: 'digest' });
    return loaded && { tier: loaded.tier, version: loaded.record.version, hash: loaded.verifiedHash };
  }
}

const redis = (version: number) => ({ tier: 'redis', version, hash: 'current' });
const postgres = (version: number) => ({ tier: 'postgres', version, hash: 'current' });

describe('a key record that another pod stored', () => {
  it('is used without a check while it is fresh', async () => {
    const pod = new Pod();
    pod.share();
    nowMs += REVALIDATE_AFTER_MS;
    pod.changes.startAt(START_MS);
    pod.changes.apply({ entity: 'key', id: KEY, version: 5 });
    expect(await pod.get()).toEqual(redis(5));
    expect([pod.reads, pod.checks]).toEqual([0, 0]);
  });

  it('is checked by its version once it is not fresh, or older than the recorded changes', async () => {
    const pod = new Pod();
    pod.share();
    pod.changes.startAt(START_MS + 1);
    pod.changes.apply({ entity: 'key', id: KEY, version: 5 });
    expect(await pod.get()).toEqual(redis(5));
    pod.changes.startAt(0);
    nowMs += REVALIDATE_AFTER_MS + 1;
    expect(await pod.get()).toEqual(redis(5));
    expect([pod.reads, pod.checks]).toEqual([0, 2]);
    pod.version = 6;
    expect(await pod.get()).toEqual(postgres(6));
  });

  it('is not used, not even checked, if a newer version is known', async () => {
    const pod = new Pod();
    pod.share();
    pod.version = 6;
    pod.changes.apply({ entity: 'key', id: KEY, version: 6 });
    expect(await pod.get()).toEqual(postgres(6));
    expect(pod.checks).toBe(0);
  });

  it('is used without Postgres only if it is recent enough and no pod knows of a change', async () => {
    const pod = new Pod();
    pod.share();
    nowMs += REVALIDATE_AFTER_MS + 1;
    pod.failure = new StoreUnavailableError('Postgres');
    pod.changes.startAt(START_MS);
    expect(await pod.get()).toEqual(redis(5));
    pod.superseded = true;
    await expect(pod.get()).rejects.toBe(pod.failure);
    pod.superseded = false;
    pod.changes.startAt(START_MS + 1);
    await expect(pod.get()).rejects.toBe(pod.failure);
  });

  it('is not used if it is too old, of another history, of another key, or from the future', async () => {
    const pod = new Pod();
    pod.share();
    nowMs = START_MS + MAX_STALENESS_MS - 1;
    expect(await pod.get()).toEqual(redis(5));
    nowMs += 1;
    expect(await pod.get(), 'only its verified hash').toEqual(postgres(5));
    nowMs = START_MS;
    pod.changes.history = 'another';
    expect(await pod.get()).toEqual(postgres(5));

    const other = new Pod();
    other.share(5, 'current', 'key-2');
    expect(await other.get()).toEqual({ ...postgres(5), hash: undefined });

    const future = new Pod();
    nowMs = START_MS + CLOCK_SKEW_MS + 1;
    future.share();
    nowMs = START_MS;
    expect(await future.get()).toEqual({ ...postgres(5), hash: undefined });
    nowMs += 1;
    expect(await future.get(), 'a skew between clocks').toMatchObject({ hash: 'current' });
  });
});

describe('a key of which another pod has seen a newer version', () => {
  it('is neither accepted nor refused by an older row', async () => {
    const pod = new Pod();
    pod.newest = 6;
    await expect(pod.get()).rejects.toBeInstanceOf(OutdatedRowError);
    expect(pod.reads, 'the row may arrive between two reads').toBe(2);
    pod.version = 6;
    expect(await pod.get()).toEqual({ ...postgres(6), hash: undefined });
  });

  it('is unknown without a row, which a repair may have removed', async () => {
    const pod = new Pod();
    pod.version = undefined;
    pod.newest = 6;
    expect(await pod.get()).toBeUndefined();
  });

  it('is not accepted by an older record in Redis', async () => {
    const pod = new Pod();
    pod.share();
    pod.newest = 6;
    await expect(pod.get()).rejects.toBeInstanceOf(OutdatedRowError);
    pod.newest = 5;
    expect(await pod.get()).toEqual(redis(5));
  });

  it('is read as before while Redis does not say', async () => {
    const pod = new Pod();
    pod.share();
    pod.newest = undefined;
    expect(await pod.get()).toEqual(postgres(5));
  });
});

describe('the hash that a secret matched', () => {
  it('counts only while it is a hash of the key', async () => {
    const outcome = async (hash: string) => {
      const pod = new Pod();
      pod.share(4, hash);
      pod.changes.apply({ entity: 'key', id: KEY, version: 5 });
      return [(await pod.get())?.hash, pod.stored.length];
    };
    expect(await outcome('current')).toEqual(['current', 2]);
    expect(await outcome('former')).toEqual(['former', 2]);
    expect(await outcome('older')).toEqual([undefined, 1]);
  });

  it('is looked up again after Postgres if Redis was late', async () => {
    const pod = new Pod();
    pod.duringRead = () => pod.share();
    expect(await pod.get()).toEqual(postgres(5));
  });

  it.each([
    ['"version":5', '"version":"5"'],
    [`"confirmedAtMs":${START_MS}`, '"confirmedAtMs":null'],
    [`"id":"${KEY}"`, '"id":"key-2"'],
  ])('is of no use if its record has %s replaced by %s', async (field, replacement) => {
    const pod = new Pod();
    pod.share();
    const [entry] = pod.stored;
    if (entry !== undefined) entry.payload = entry.payload.replace(field, replacement);
    expect(await pod.verified.read(KEY, 'digest')).toBeNull();
  });

  it('is not stored again if another history begins during the read', async () => {
    const pod = new Pod();
    pod.share(4);
    pod.changes.apply({ entity: 'key', id: KEY, version: 5 });
    const getting = pod.get();
    pod.changes.apply({ entity: 'history', generation: 'g2' });
    await getting;
    expect(pod.stored).toHaveLength(1);
  });

  it('of an unknown key is of no use', async () => {
    const pod = new Pod();
    pod.share();
    nowMs += MAX_STALENESS_MS;
    pod.version = undefined;
    expect(await pod.get()).toBeUndefined();
  });

  it('is sealed again with the newest key, unless its record is of another history', async () => {
    const pod = new Pod();
    pod.share();
    await pod.get();
    expect(pod.stored).toHaveLength(1);
    pod.sealedByOlderKey = true;
    await pod.get();
    expect(pod.stored).toHaveLength(2);
    expect(pod.stored[1]?.expiresAtMs).toBe(pod.stored[0]?.expiresAtMs);
    pod.changes.history = 'another';
    await pod.verified.read(KEY, 'digest');
    expect(pod.stored).toHaveLength(2);
  });
});

describe('fences of a region', () => {
  /** A pod over numbers in Redis that all pods share. */
  function fences(numbers: Map<string, number>, state = { isUp: true, isRight: true }) {
    const hex = (value: number) => Buffer.from(Math.ceil(value).toString(16).padStart(16, '0'));
    const link = {
      get isUp() {
        return state.isUp;
      },
      raiseFence: async ({ redisKey }: { redisKey: string }, value: number) => {
        numbers.set(redisKey, Math.max(value, numbers.get(redisKey) ?? value));
        return 1;
      },
      read: async (redisKey: string) => {
        if (!state.isUp) return undefined;
        const value = numbers.get(redisKey);
        return value === undefined ? null : hex(value);
      },
    } as unknown as RedisLink;
    const changes = { lineage: 'g1' };
    const pod = new SharedFences({
      link,
      redisKeys: new RedisKeys([Buffer.alloc(32, 1)]),
      now: () => nowMs,
      clock: state,
      changes,
      ttlMs: 60_000,
    });
    return { pod, state, changes };
  }
  const copy = (fields: object = {}) => ({
    key: { id: KEY, version: 5 },
    scopes: ['shop'],
    confirmedAtMs: START_MS,
    ...fields,
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('supersede a copy of an older version of its key', async () => {
    const numbers = new Map<string, number>();
    const { pod } = fences(numbers);
    expect(await pod.supersede(copy())).toBe(false);
    pod.apply({ entity: 'key', id: KEY, version: 5 });
    pod.apply({ entity: 'key', id: 'another', version: 9 });
    await settled();
    expect(await fences(numbers).pod.supersede(copy())).toBe(false);
    pod.apply({ entity: 'key', id: KEY, version: 6 });
    await settled();
    expect(await fences(numbers).pod.supersede(copy())).toBe(true);
    expect(await fences(numbers).pod.supersede({ scopes: ['shop'], confirmedAtMs: START_MS })).toBe(false);
  });

  it('supersede a copy from before a change of its roles, or close to it', async () => {
    const numbers = new Map<string, number>();
    const { pod } = fences(numbers);
    pod.apply({ entity: 'roles', id: 'shop', version: 1 });
    await settled();
    const at = (ms: number, scopes = ['shop']) =>
      fences(numbers).pod.supersede(copy({ confirmedAtMs: START_MS + ms, scopes }));
    expect([await at(0), await at(CLOCK_SKEW_MS), await at(CLOCK_SKEW_MS + 1)]).toEqual([true, true, false]);
    expect(await at(0, ['another'])).toBe(false);
  });

  it('supersede every copy from before another history, but not before the first', async () => {
    const numbers = new Map<string, number>();
    const { pod } = fences(numbers);
    for (const generation of ['g1', 'g1']) pod.apply({ entity: 'history', generation });
    await settled();
    expect(await fences(numbers).pod.supersede(copy())).toBe(false);
    pod.apply({ entity: 'history', generation: 'g2' });
    await settled();
    expect(await fences(numbers).pod.supersede(copy())).toBe(true);
  });

  it('have no effect without Redis', async () => {
    const { pod, state } = fences(new Map());
    state.isUp = false;
    expect(await pod.supersede(copy())).toBe(false);
  });

  it('of a pod whose clock is wrong supersede every copy there, and none elsewhere', async () => {
    const numbers = new Map<string, number>();
    const { pod, state } = fences(numbers);
    pod.apply({ entity: 'history', generation: 'g1' });
    state.isRight = false;
    pod.apply({ entity: 'roles', id: 'shop', version: 1 });
    pod.apply({ entity: 'history', generation: 'g2' });
    await settled();
    expect(await pod.supersede(copy())).toBe(true);
    expect(await fences(numbers).pod.supersede(copy())).toBe(false);
  });
});
