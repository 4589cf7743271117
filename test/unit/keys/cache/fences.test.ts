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

/**
 * Every order in which reads, commits, deliveries of the change feed and requests can fall, as far as fast-check's
 * scheduler finds them. `Forgetful` is the same stack with the fence taken out.
 */
class Forgetful extends RecentChanges {
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

function memory(changes: RecentChanges, inner: KeyStore, clock = now): MemoryKeyStore {
  const freshness = new Freshness(clock, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  freshness.appliedUntilMs = clock();
  const revalidation = new Revalidation({ currentVersion: async () => undefined }, freshness, clock);
  return new MemoryKeyStore({ inner, freshness, changes, revalidation, now: clock, maxEntries: 10_000 });
}

/** The cache over an inner store of many keys, each read under the scheduler of its own run. */
function stack(Kind: typeof RecentChanges) {
  const reads = new Map<string, () => Promise<number | undefined>>();
  const changes = remembering(Kind);
  const store = memory(changes, {
    get: async ({ id }) => {
      const version = await reads.get(id)?.();
      return version === undefined ? undefined : { ...heldNow(version), record: keyRecord(id, version) };
    },
  });
  const newKey = (scheduler: fc.Scheduler, version: () => number | undefined) => {
    const id = `key-${reads.size}`;
    reads.set(id, () => read(scheduler, version));
    return id;
  };
  return { changes, store, newKey };
}

function remembering(Kind: typeof RecentChanges): RecentChanges {
  const changes = new Kind(now, { ttlMs: 60_000, maxEntries: 10_000 });
  changes.startAt(0);
  return changes;
}

/** Commits and deliveries, each change in order, at moments that the scheduler picks. */
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

/** A read that takes its snapshot at one moment and returns at a later one. */
async function read<T>(scheduler: fc.Scheduler, snapshot: () => T): Promise<T> {
  await scheduler.schedule(Promise.resolve(), 'read begins');
  const seen = snapshot();
  await scheduler.schedule(Promise.resolve(), 'read returns');
  return seen;
}

/** Requests at moments that the scheduler picks. */
function request<T>(scheduler: fc.Scheduler, times: number, ask: (nth: number) => Promise<T>): Promise<T>[] {
  return Array.from({ length: times }, async (_, nth) => {
    await scheduler.schedule(Promise.resolve(), `request ${nth}`);
    return await ask(nth);
  });
}

describe('a key that changes while it is read', () => {
  /** The version a key has for whoever asks after each interleaving; the newest one is 3. */
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
      const asked = request(scheduler, requests, async (nth) => {
        const atLeast = deliveredVersion;
        const loaded = await store.get({ id, digest: `${id} ${nth % 2}` }).catch(tooBusy);
        if (loaded !== undefined && !loaded.stale)
          expect(loaded.record.version).toBeGreaterThanOrEqual(atLeast);
      });
      await scheduler.waitFor(Promise.all([followed, ...asked]));
      const after = await scheduler.waitFor(store.get({ id, digest: `${id} after` }));
      expect(after?.record.version).toBe(3);
    });
  }

  it('is never served older than the change feed has said, in any order of events', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would be served from before its revocation without the fence', async () => {
    expect((await fc.check(property(Forgetful), runs)).failed).toBe(true);
  });
});

describe('a key that arrives while it is asked for', () => {
  function property(Kind: typeof RecentChanges) {
    const { changes, store, newKey } = stack(Kind);
    return fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, requests) => {
      let version: number | undefined;
      const id = newKey(scheduler, () => version);
      const commit = () => {
        version = 1;
      };
      const followed = follow(scheduler, [{ commit, change: keyChange(1, id) }], [changes, store]);
      const asked = request(scheduler, requests, (nth) =>
        store.get({ id, digest: `${id} ${nth}` }).catch(tooBusy),
      );
      await scheduler.waitFor(Promise.all([followed, ...asked]));
      const after = await scheduler.waitFor(store.get({ id, digest: `${id} after` }));
      expect(after?.record.version).toBe(1);
    });
  }

  it('is known to everybody who asks after the change feed has said so', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would stay unknown without the fence', async () => {
    expect((await fc.check(property(Forgetful), runs)).failed).toBe(true);
  });
});

describe('roles that change while they are read', () => {
  /** Two roles of one scope, the one with the higher version committed first: versions are no order here. */
  function property(Kind: typeof RecentChanges) {
    const changes = remembering(Kind);
    const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
    freshness.appliedUntilMs = now();
    const projects = new Map<string, () => Promise<Map<string, string>>>();
    const inner: RoleStore = {
      get: async (scope) => {
        const roles = await projects.get(scope.projectId)?.();
        return { scopeId: roleScopeId(scope), roles: roles ?? new Map(), confirmedAtMs: now(), stale: false };
      },
    };
    const store = new CachedRoleStore(inner, freshness, changes);
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
      const asked = request(scheduler, requests, () => store.get(scope).catch(tooBusy));
      await scheduler.waitFor(Promise.all([followed, ...asked]));
      const after = await scheduler.waitFor(store.get(scope));
      expect([...after.roles]).toEqual([['b', 'new']]);
    });
  }

  it('are served as they are once the change feed has said so, also out of the order of versions', async () => {
    await fc.assert(property(RecentChanges), runs);
  });

  it('would be served with a deleted role in them without the fence', async () => {
    expect((await fc.check(property(Forgetful), runs)).failed).toBe(true);
  });
});

describe('a read that spans', () => {
  /** A store whose one read waits until the test lets it go. */
  function stoppedRead(changes: RecentChanges, clock = now) {
    const answers: PromiseWithResolvers<LoadedKey | undefined>[] = [];
    const store = memory(
      changes,
      {
        get: () => {
          const answer = Promise.withResolvers<LoadedKey | undefined>();
          answers.push(answer);
          return answer.promise;
        },
      },
      clock,
    );
    return { store, answers };
  }

  it('an order to forget everything is not stored', async () => {
    const changes = remembering(RecentChanges);
    const { store, answers } = stoppedRead(changes);
    const asked = store.get({ id: KEY, digest: 'd' });
    for (const listener of [changes, store]) listener.apply({ entity: 'everything' });
    answers[0]?.resolve(heldNow(1));
    await expect.poll(() => answers.length).toBe(2);
    answers[1]?.resolve(heldNow(2));
    expect((await asked)?.record.version).toBe(2);
  });

  it('a flood of changes that pushed its own out of memory is not stored', async () => {
    let nowMs = 1_000;
    const changes = new RecentChanges(() => nowMs, { ttlMs: 60_000, maxEntries: 3 });
    changes.startAt(0);
    const { store, answers } = stoppedRead(changes, () => nowMs);
    const asked = store.get({ id: KEY, digest: 'd' });
    nowMs += 5;
    changes.apply(keyChange(7));
    for (const id of ['x', 'y', 'z']) changes.apply({ entity: 'key', id, version: 8 });
    expect(changes.keyVersion(KEY)).toBe(-1);
    nowMs += 5;
    answers[0]?.resolve(heldNow(1));
    await expect.poll(() => answers.length).toBe(2);
    answers[1]?.resolve(heldNow(7));
    expect((await asked)?.record.version).toBe(7);
  });
});

function keyChange(version: number, id = KEY): Change {
  return { entity: 'key', id, version };
}

function heldNow(version: number): LoadedKey {
  return {
    record: keyRecord(KEY, version),
    tier: 'postgres',
    confirmedAtMs: now(),
    superseded: false,
    stale: false,
  };
}

/** A reader that was overtaken too often gives up with a 503; that is no wrong answer. */
function tooBusy(error: unknown): undefined {
  if (!(error instanceof StoreUnavailableError)) throw error;
}
