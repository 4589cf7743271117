import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CachedRoleStore } from '../../../../src/keys/cache/cached-role-store.ts';
import { MemoryKeyStore } from '../../../../src/keys/cache/memory-key-store.ts';
import { Revalidation } from '../../../../src/keys/cache/revalidation.ts';
import type { Change, ChangeListener } from '../../../../src/keys/change-feed/change.ts';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import { type KeyStore, type LoadedKey, StoreUnavailableError } from '../../../../src/keys/key-store.ts';
import { type RoleScope, type RoleStore, roleScopeId } from '../../../../src/keys/role-store.ts';
import { keyRecord } from '../../../support/records.ts';

// fast-check's scheduler explores the orders of reads, commits, deliveries of the change feed and requests. Each property
// also runs without the fence, where it must fail.

/** The fence without its effect: no change is ever recent. */
class DisabledFence extends RecentChanges {
  override keyVersion(): number {
    return -1;
  }
  override rolesMark(): number {
    return -1;
  }
}

const KEY = 'key-1';
const now = () => 1_000;
const runs = { numRuns: 1_000 };

function memory(changes: RecentChanges, inner: KeyStore, clock = now, maxEntries = 10_000): MemoryKeyStore {
  const freshness = new Freshness(clock, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  freshness.appliedUntilMs = clock();
  const revalidation = new Revalidation({ currentVersion: async () => undefined }, freshness, clock);
  return new MemoryKeyStore({ inner, freshness, changes, revalidation, now: clock, maxEntries });
}

/** The cache over a store of many keys; the scheduler of each run controls the reads of its key. */
function stack(Kind: typeof RecentChanges) {
  const reads = new Map<string, () => Promise<number | undefined>>();
  const changes = startedChanges(Kind);
  const store = memory(changes, {
    get: async ({ id }) => {
      const version = await reads.get(id)?.();
      return version === undefined ? undefined : { ...loadedNow(version), record: keyRecord(id, version) };
    },
  });
  const newKey = (scheduler: fc.Scheduler, version: () => number | undefined) => {
    const id = `key-${reads.size}`;
    reads.set(id, () => read(scheduler, version));
    return id;
  };
  return { changes, store, newKey };
}

function startedChanges(Kind: typeof RecentChanges): RecentChanges {
  const changes = new Kind(now, { ttlMs: 60_000, maxEntries: 10_000 });
  changes.startAt(0);
  return changes;
}

/** Commits and delivers the changes in order, at times that the scheduler chooses. */
function follow(
  scheduler: fc.Scheduler,
  steps: readonly { commit: () => void; change: Change }[],
  listeners: readonly ChangeListener[],
  delivered: (change: Change) => void = () => {},
): Promise<unknown> {
  return scheduler.scheduleSequence(
    steps.flatMap(({ commit, change }, nth) => [
      { label: `commit ${nth}`, builder: async () => commit() },
      {
        label: `deliver ${nth}`,
        builder: async () => {
          for (const listener of listeners) listener.apply(change);
          delivered(change);
        },
      },
    ]),
  ).task;
}

/** Takes a snapshot at one time and returns it at a later time. */
async function read<T>(scheduler: fc.Scheduler, snapshot: () => T): Promise<T> {
  await scheduler.schedule(Promise.resolve(), 'read begins');
  const seen = snapshot();
  await scheduler.schedule(Promise.resolve(), 'read returns');
  return seen;
}

/** Sends requests at times that the scheduler chooses. */
function request<T>(scheduler: fc.Scheduler, times: number, send: (nth: number) => Promise<T>): Promise<T>[] {
  return Array.from({ length: times }, async (_, nth) => {
    await scheduler.schedule(Promise.resolve(), `request ${nth}`);
    return await send(nth);
  });
}

describe('a key that changes during a read', () => {
  /** No request sees a version older than the delivered one, and after each interleaving the version is 3. */
  function property(Kind: typeof RecentChanges) {
    const { changes, store, newKey } = stack(Kind);
    return fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, requests) => {
      let current = 1;
      let deliveredVersion = 1;
      const id = newKey(scheduler, () => current);
      const steps = [2, 3].map((version) => ({
        commit: () => {
          current = Math.max(current, version);
        },
        change: keyChange(version, id),
      }));
      const followed = follow(scheduler, steps, [changes, store], (change) => {
        if (change.entity === 'key') deliveredVersion = change.version;
      });
      const requested = request(scheduler, requests, async (nth) => {
        const atLeast = deliveredVersion;
        const loaded = await store.get({ id, digest: `${id} ${nth % 2}` }).catch(unlessUnavailable);
        if (loaded !== undefined && !loaded.stale)
          expect(loaded.record.version).toBeGreaterThanOrEqual(atLeast);
      });
      await scheduler.waitFor(Promise.all([followed, ...requested]));
      const after = await scheduler.waitFor(store.get({ id, digest: `${id} after` }));
      expect(after?.record.version).toBe(3);
    });
  }

  it('is never served older than the delivered change, in any order of events', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would be served in an older version without the fence', async () => {
    expect((await fc.check(property(DisabledFence), runs)).failed).toBe(true);
  });
});

describe('a key that arrives during a read', () => {
  function property(Kind: typeof RecentChanges) {
    const { changes, store, newKey } = stack(Kind);
    return fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, requests) => {
      let version: number | undefined;
      const id = newKey(scheduler, () => version);
      const commit = () => {
        version = 1;
      };
      const followed = follow(scheduler, [{ commit, change: keyChange(1, id) }], [changes, store]);
      const requested = request(scheduler, requests, (nth) =>
        store.get({ id, digest: `${id} ${nth}` }).catch(unlessUnavailable),
      );
      await scheduler.waitFor(Promise.all([followed, ...requested]));
      const after = await scheduler.waitFor(store.get({ id, digest: `${id} after` }));
      expect(after?.record.version).toBe(1);
    });
  }

  it('is found by every request after the change feed delivered it', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would stay absent without the fence', async () => {
    expect((await fc.check(property(DisabledFence), runs)).failed).toBe(true);
  });
});

describe('roles that change during a read', () => {
  /** Two roles of one scope; the change with the higher version commits first. */
  function property(Kind: typeof RecentChanges) {
    const changes = startedChanges(Kind);
    const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
    freshness.appliedUntilMs = now();
    const projects = new Map<string, () => Promise<Map<string, string>>>();
    const inner: RoleStore = {
      get: async (scope) => {
        const roles = await projects.get(scope.projectId)?.();
        return { scopeId: roleScopeId(scope), roles: roles ?? new Map(), confirmedAtMs: now(), stale: false };
      },
    };
    const store = new CachedRoleStore(inner, freshness, changes, 1_000_000);
    return fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, requests) => {
      const projectId = `p${projects.size}`;
      const scope: RoleScope = { organizationId: 'org', projectType: 'elasticsearch', projectId };
      const stored = new Map([['a', 'old']]);
      projects.set(projectId, () => read(scheduler, () => new Map(stored)));
      const change = (version: number): Change => ({ entity: 'roles', id: roleScopeId(scope), version });
      const steps = [
        { commit: () => void stored.set('b', 'new'), change: change(9) },
        { commit: () => void stored.delete('a'), change: change(8) },
      ];
      const followed = follow(scheduler, steps, [changes, store]);
      const requested = request(scheduler, requests, () => store.get(scope).catch(unlessUnavailable));
      await scheduler.waitFor(Promise.all([followed, ...requested]));
      const after = await scheduler.waitFor(store.get(scope));
      expect([...after.roles]).toEqual([['b', 'new']]);
    });
  }

  it('are served as changed after the change feed delivered it, also if versions commit out of order', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would be served with a deleted role without the fence', async () => {
    expect((await fc.check(property(DisabledFence), runs)).failed).toBe(true);
  });
});

describe('a read', () => {
  /** A cache over a store whose reads return when the test resolves them. */
  function controlledReads(changes: RecentChanges, clock = now) {
    const reads: PromiseWithResolvers<LoadedKey | undefined>[] = [];
    const store = memory(
      changes,
      {
        get: () => {
          const pending = Promise.withResolvers<LoadedKey | undefined>();
          reads.push(pending);
          return pending.promise;
        },
      },
      clock,
    );
    return { store, reads };
  }

  it('is not stored if an order to drop everything arrives during it', async () => {
    const changes = startedChanges(RecentChanges);
    const { store, reads } = controlledReads(changes);
    const requested = store.get({ id: KEY, digest: 'd' });
    for (const listener of [changes, store]) listener.apply({ entity: 'everything' });
    reads[0]?.resolve(loadedNow(1));
    await expect.poll(() => reads.length).toBe(2);
    reads[1]?.resolve(loadedNow(2));
    expect((await requested)?.record.version).toBe(2);
  });

  it.each([0, 5])(
    'is not stored if a flood evicts a change of its key that arrived %i ms after its start',
    async (afterMs) => {
      let nowMs = 1_000;
      const changes = new RecentChanges(() => nowMs, { ttlMs: 60_000, maxEntries: 3 });
      changes.startAt(0);
      const { store, reads } = controlledReads(changes, () => nowMs);
      const requested = store.get({ id: KEY, digest: 'd' });
      nowMs += afterMs;
      changes.apply(keyChange(7));
      for (const id of ['x', 'y', 'z']) changes.apply({ entity: 'key', id, version: 8 });
      expect(changes.keyVersion(KEY)).toBe(-1);
      nowMs += 5;
      reads[0]?.resolve(loadedNow(1));
      await expect.poll(() => reads.length).toBe(2);
      reads[1]?.resolve(loadedNow(7));
      expect((await requested)?.record.version).toBe(7);
    },
  );
});

describe('a record that a request still uses after its eviction', () => {
  async function evicted(): Promise<{ changes: RecentChanges; loaded: LoadedKey | undefined }> {
    const changes = startedChanges(RecentChanges);
    const inner: KeyStore = { get: async ({ id }) => ({ ...loadedNow(5), record: keyRecord(id, 5) }) };
    const store = memory(changes, inner, now, 1);
    const loaded = await store.get({ id: KEY, digest: 'd' });
    await store.get({ id: 'another', digest: 'e' });
    return { changes, loaded };
  }

  it('is not superseded by its own version', async () => {
    const { changes, loaded } = await evicted();
    changes.apply(keyChange(5));
    expect([loaded?.stale, loaded?.superseded]).toEqual([true, false]);
  });

  it.each<[string, Change]>([
    ['a newer version of its key', keyChange(6)],
    ['missed changes', { entity: 'everything' }],
    ['another history, whose versions may be lower', { entity: 'history', generation: 'g' }],
  ])('is superseded by %s', async (_, change) => {
    const { changes, loaded } = await evicted();
    changes.apply(change);
    expect(loaded?.superseded).toBe(true);
  });
});

function keyChange(version: number, id = KEY): Change {
  return { entity: 'key', id, version };
}

function loadedNow(version: number): LoadedKey {
  return {
    record: keyRecord(KEY, version),
    tier: 'postgres',
    confirmedAtMs: now(),
    superseded: false,
    stale: false,
  };
}

/** A read that changes overtake too often fails with a 503, which is safe. */
function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof StoreUnavailableError)) throw error;
}
