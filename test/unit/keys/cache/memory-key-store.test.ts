import { describe, expect, it } from 'vitest';
import { MemoryKeyStore } from '../../../../src/keys/cache/memory-key-store.ts';
import { Revalidation } from '../../../../src/keys/cache/revalidation.ts';
import type { Change } from '../../../../src/keys/change-feed/change.ts';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import { type LoadedKey, StoreUnavailableError } from '../../../../src/keys/key-store.ts';
import { keyRecord } from '../../../support/records.ts';

const REVALIDATE_AFTER_MS = 2_000;
const MAX_STALENESS_MS = 900_000;
const START_MS = 1_000_000;
const KEY = 'key-1';

/** The cache over a store and a table of versions that the test controls. */
class Pod {
  nowMs = START_MS;
  /** Version of every key in Postgres; `undefined`: no key exists. */
  version: number | undefined = 5;
  reads = 0;
  checks = 0;
  failure: Error | undefined;
  superseded = false;
  duringRead: () => void = () => {};
  duringCheck: () => void = () => {};
  readonly freshness = new Freshness(() => this.nowMs, {
    revalidateAfterMs: REVALIDATE_AFTER_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  readonly changes = new RecentChanges(() => this.nowMs, { ttlMs: 60_000, maxEntries: 100 });
  readonly store = new MemoryKeyStore({
    inner: { get: ({ id }) => this.#read(id) },
    freshness: this.freshness,
    changes: this.changes,
    revalidation: new Revalidation(
      { currentVersion: () => this.#check() },
      this.freshness,
      () => this.nowMs,
      { supersede: async () => this.superseded },
    ),
    now: () => this.nowMs,
    maxEntries: 2,
  });

  constructor() {
    this.changes.startAt(0);
  }

  async #read(id: string): Promise<LoadedKey | undefined> {
    if (this.failure) throw this.failure;
    this.reads += 1;
    const { version, nowMs } = this;
    this.duringRead();
    if (version === undefined) return undefined;
    const record = keyRecord(id, version);
    return { record, tier: 'postgres', confirmedAtMs: nowMs, superseded: false, stale: false };
  }

  async #check(): Promise<number | undefined> {
    if (this.failure) throw this.failure;
    this.checks += 1;
    this.duringCheck();
    return this.version;
  }

  apply(change: Change): void {
    for (const each of [this.changes, this.store]) each.apply(change);
  }

  async get(id = KEY): Promise<{ version: number; tier: string } | undefined> {
    const loaded = await this.store.get({ id, digest: `digest of ${id}` });
    return loaded && { version: loaded.record.version, tier: loaded.tier };
  }
}

const cached = (version: number) => ({ version, tier: 'memory' });
const read = (version: number) => ({ version, tier: 'postgres' });

describe('a fresh key', () => {
  it('is served from memory, without a check', async () => {
    const pod = new Pod();
    expect(await pod.get()).toEqual(read(5));
    pod.nowMs += REVALIDATE_AFTER_MS;
    expect(await pod.get()).toEqual(cached(5));
    expect([pod.reads, pod.checks]).toEqual([1, 0]);
    expect([pod.store.size, pod.store.has(KEY), pod.store.has('another')]).toEqual([1, true, false]);
  });

  it('is dropped by a newer version, by missed changes and by another history', async () => {
    const changes: Change[] = [
      { entity: 'key', id: KEY, version: 6 },
      { entity: 'everything' },
      { entity: 'history', generation: 'g2' },
    ];
    for (const change of changes) {
      const pod = new Pod();
      const held = await pod.store.get({ id: KEY, digest: 'd' });
      pod.version = 6;
      pod.apply(change);
      expect([held?.stale, held?.superseded]).toEqual([true, true]);
      pod.nowMs += 1;
      expect(await pod.get()).toEqual(read(6));
    }
  });

  it('stays after a change of another key, of roles, and of its own version, and while reads are repeated', async () => {
    const pod = new Pod();
    const held = await pod.store.get({ id: KEY, digest: 'd' });
    pod.apply({ entity: 'key', id: 'another', version: 9 });
    pod.apply({ entity: 'roles', id: KEY, version: 9 });
    pod.apply({ entity: 'key', id: KEY, version: 5 });
    pod.changes.repeatReads();
    expect([held?.stale, held?.superseded]).toEqual([false, false]);
    expect(await pod.get()).toEqual(cached(5));
  });
});

describe('a key that is no longer fresh', () => {
  async function due() {
    const pod = new Pod();
    await pod.get();
    pod.nowMs += REVALIDATE_AFTER_MS + 1;
    return pod;
  }

  it('is confirmed by its version, and is fresh again', async () => {
    const pod = await due();
    expect(await pod.get()).toEqual(cached(5));
    pod.nowMs += REVALIDATE_AFTER_MS;
    expect(await pod.get()).toEqual(cached(5));
    expect([pod.reads, pod.checks]).toEqual([1, 1]);
  });

  it('is read again if its version is another, or if it is gone', async () => {
    const pod = await due();
    const held = await pod.store.get({ id: KEY, digest: 'd' });
    pod.nowMs += REVALIDATE_AFTER_MS + 1;
    pod.version = 6;
    expect(await pod.get()).toEqual(read(6));
    expect([held?.stale, held?.superseded]).toEqual([true, true]);
    pod.nowMs += REVALIDATE_AFTER_MS + 1;
    pod.version = undefined;
    expect(await pod.get()).toBeUndefined();
  });

  it('is read again if the change feed drops it during the check', async () => {
    const pod = await due();
    pod.duringCheck = () => {
      pod.version = 6;
      pod.apply({ entity: 'key', id: KEY, version: 6 });
    };
    expect(await pod.get()).toEqual(read(6));
  });

  it('is read again if changes were missed during the check, although its version is confirmed', async () => {
    const pod = await due();
    pod.duringCheck = () => pod.apply({ entity: 'everything' });
    expect(await pod.get()).toEqual(read(5));
  });

  it('does not drop the newer entry that another lookup stored during the check', async () => {
    const pod = await due();
    let newer: Promise<unknown> | undefined;
    pod.duringCheck = () => {
      pod.duringCheck = () => {};
      pod.version = 6;
      pod.apply({ entity: 'key', id: KEY, version: 6 });
      newer = pod.get();
    };
    await pod.get();
    await newer;
    expect(await pod.get()).toEqual(cached(6));
  });

  it('is used without Postgres until it is too old, if no pod knows of a change', async () => {
    const pod = await due();
    pod.failure = new StoreUnavailableError('Postgres');
    expect(await pod.get()).toEqual(cached(5));
    pod.nowMs = START_MS + MAX_STALENESS_MS;
    expect(await pod.get()).toEqual(cached(5));
    pod.nowMs += 1;
    await expect(pod.get()).rejects.toBe(pod.failure);
  });

  it('is not used without Postgres once another pod knows of a change', async () => {
    const pod = await due();
    pod.failure = new StoreUnavailableError('Postgres');
    pod.superseded = true;
    await expect(pod.get()).rejects.toBe(pod.failure);
    pod.superseded = false;
    await expect(pod.get(), 'dropped').rejects.toBe(pod.failure);
  });

  it('does not hide another error', async () => {
    const pod = await due();
    pod.failure = new TypeError('a fault of this program');
    await expect(pod.get()).rejects.toBe(pod.failure);
  });
});

describe('an id without a key', () => {
  async function absent() {
    const pod = new Pod();
    pod.version = undefined;
    expect(await pod.get()).toBeUndefined();
    pod.version = 5;
    return pod;
  }

  it('is remembered while that is fresh', async () => {
    const pod = await absent();
    pod.nowMs += REVALIDATE_AFTER_MS;
    expect(await pod.get()).toBeUndefined();
    expect([pod.reads, pod.store.has(KEY), pod.store.size]).toEqual([1, true, 0]);
    pod.nowMs += 1;
    expect(await pod.get()).toEqual(read(5));
  });

  it.each<[string, Change]>([
    ['the key arrives', { entity: 'key', id: KEY, version: 5 }],
    ['changes were missed', { entity: 'everything' }],
    ['another history begins', { entity: 'history', generation: 'g2' }],
  ])('is forgotten when %s', async (_title, change) => {
    const pod = await absent();
    pod.nowMs += 1;
    pod.apply(change);
    pod.nowMs += 1;
    expect(await pod.get()).toEqual(read(5));
  });
});

describe('a read', () => {
  it('is repeated at most three times while the key changes during it', async () => {
    const pod = new Pod();
    let version = 5;
    pod.duringRead = () => {
      version += 1;
      pod.apply({ entity: 'key', id: KEY, version });
    };
    await expect(pod.get()).rejects.toThrow(StoreUnavailableError);
    expect(pod.reads).toBe(3);
  });

  it('of the same version does not replace the entry, which others use', async () => {
    const pod = new Pod();
    const used = await Promise.all(['one', 'two'].map((digest) => pod.store.get({ id: KEY, digest })));
    expect([pod.reads, used.map((loaded) => loaded?.stale)]).toEqual([2, [false, false]]);
  });

  it('of an older version does not replace a newer entry', async () => {
    const pod = new Pod();
    const [slow, fast] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const gates = [slow, fast];
    const versions = [5, 6];
    const freshness = pod.freshness;
    const store = new MemoryKeyStore({
      inner: {
        get: async ({ id }) => {
          const version = versions.shift() as number;
          await gates.shift()?.promise;
          const record = keyRecord(id, version);
          return { record, tier: 'postgres', confirmedAtMs: START_MS, superseded: false, stale: false };
        },
      },
      freshness,
      changes: pod.changes,
      revalidation: new Revalidation({ currentVersion: async () => 6 }, freshness, () => pod.nowMs),
      now: () => pod.nowMs,
      maxEntries: 2,
    });
    const first = store.get({ id: KEY, digest: 'one' });
    const second = store.get({ id: KEY, digest: 'two' });
    fast.resolve();
    expect((await second)?.record.version).toBe(6);
    slow.resolve();
    expect((await first)?.record.version).toBe(6);
    expect((await store.get({ id: KEY, digest: 'three' }))?.record.version).toBe(6);
  });

  it('evicts the least recently used key, and counts that', async () => {
    const pod = new Pod();
    for (const id of ['a', 'b', 'a', 'c']) await pod.get(id);
    expect(['a', 'b', 'c'].map((id) => pod.store.has(id))).toEqual([true, false, true]);
    for (const id of ['a', 'c']) pod.apply({ entity: 'key', id, version: 6 });
    expect([pod.store.size, pod.store.evictions]).toEqual([0, 1]);
  });
});
