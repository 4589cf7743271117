import { describe, expect, it, vi } from 'vitest';
import { CachedRoleStore } from '../../../../src/keys/cache/cached-role-store.ts';
import type { CopyOrigin } from '../../../../src/keys/cache/fences.ts';
import type { Change } from '../../../../src/keys/change-feed/change.ts';
import { Freshness } from '../../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../../src/keys/change-feed/recent-changes.ts';
import { StoreUnavailableError } from '../../../../src/keys/key-store.ts';
import { RoleBudget, RolesTooLargeError } from '../../../../src/keys/role-budget.ts';
import { type LoadedRoles, type RoleScope, roleScopeId } from '../../../../src/keys/role-store.ts';

const REVALIDATE_AFTER_MS = 2_000;
const MAX_STALENESS_MS = 900_000;
const START_MS = 1_000_000;
const SHOP: RoleScope = { organizationId: 'org', projectType: 'elasticsearch', projectId: 'shop' };
const ID = roleScopeId(SHOP);
const shopChange: Change = { entity: 'roles', id: ID, version: 2 };

/** The role cache over a store that reads whatever `stored` is; `duringRead` runs between its snapshot and its result. */
class Pod {
  nowMs = START_MS;
  stored = 'old';
  reads = 0;
  duringRead: (nth: number) => void = () => {};
  unavailable = false;
  failure = new StoreUnavailableError('Postgres');
  /** What the fences of the region say, and what they were asked. */
  superseded = false;
  duringFences: () => void = () => {};
  readonly asked: CopyOrigin[] = [];
  readonly freshness = new Freshness(() => this.nowMs, {
    revalidateAfterMs: REVALIDATE_AFTER_MS,
    maxStalenessMs: MAX_STALENESS_MS,
  });
  readonly changes = new RecentChanges(() => this.nowMs, { ttlMs: 60_000, maxEntries: 3 });
  readonly roles = new CachedRoleStore(
    { get: (scope) => this.#read(scope) },
    this.freshness,
    this.changes,
    2_500,
    {
      supersede: async (origin) => {
        this.asked.push(origin);
        this.duringFences();
        return this.superseded;
      },
    },
  );

  constructor() {
    this.changes.startAt(0);
  }

  async #read(scope: RoleScope): Promise<LoadedRoles> {
    if (this.unavailable) throw this.failure;
    this.reads += 1;
    const confirmedAtMs = this.nowMs;
    const roles = new Map([['role', this.stored]]);
    this.duringRead(this.reads);
    return { scopeId: roleScopeId(scope), roles, confirmedAtMs, stale: false };
  }

  apply(...changes: Change[]): void {
    for (const change of changes) for (const each of [this.changes, this.roles]) each.apply(change);
  }

  /** The definition of the role, by a lookup. */
  async role(): Promise<string | undefined> {
    return (await this.roles.get(SHOP)).roles.get('role');
  }
}

/** A flood of changes of other scopes, which evicts all that were recorded before. */
const flood: Change[] = ['x', 'y', 'z'].map((id) => ({ entity: 'roles', id, version: 1 }));

describe('a read of roles is repeated', () => {
  it.each<[string, Change[], number?]>([
    ['a change of the scope', [shopChange]],
    ['a change of the scope that a flood evicts', [shopChange, ...flood]],
    ['a change that a flood evicts, at the time at which the read began', [shopChange, ...flood], 0],
    ['missed changes', [{ entity: 'everything' }]],
    ['another history', [{ entity: 'history', generation: 'g2' }]],
  ])('if it is overtaken by %s', async (_title, changes, afterMs = 5) => {
    const pod = new Pod();
    pod.duringRead = (nth) => {
      if (nth > 1) return;
      pod.nowMs += afterMs;
      pod.stored = 'new';
      pod.apply(...changes);
      pod.nowMs += 5;
    };
    expect(await pod.role()).toBe('new');
    expect(await pod.role(), 'from the cache').toBe('new');
    expect(pod.reads).toBe(2);
  });

  it('but not if another scope changes during it', async () => {
    const pod = new Pod();
    pod.duringRead = () => pod.apply({ entity: 'roles', id: 'another', version: 1 });
    await pod.role();
    expect(pod.reads).toBe(1);
  });

  it('if it was shared with a request that has no room for the roles', async () => {
    const pod = new Pod();
    const budgets = [new RoleBudget(1), new RoleBudget(10)] as const;
    pod.duringRead = (nth) => {
      if (nth === 1) throw new RolesTooLargeError(budgets[0]);
    };
    const [refused, other] = await Promise.allSettled(
      budgets.map((budget) => pod.roles.get(SHOP, [], budget)),
    );
    expect(refused).toMatchObject({ status: 'rejected', reason: { budget: budgets[0] } });
    expect(other?.status).toBe('fulfilled');
    expect(pod.reads).toBe(2);
  });

  it('twice at most while changes of the scope overtake it; the third result serves once and is not kept', async () => {
    const pod = new Pod();
    pod.duringRead = (nth) => {
      pod.apply(shopChange);
      pod.stored = `after read ${nth}`;
    };
    const loaded = await pod.roles.get(SHOP);
    expect([loaded.roles.get('role'), loaded.stale, pod.reads]).toEqual(['after read 2', true, 3]);
    pod.duringRead = () => {};
    expect([await pod.role(), pod.reads]).toEqual(['after read 3', 4]);
  });

  it('more often if it takes long, and then counts as unavailable', async () => {
    const pod = new Pod();
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    pod.duringRead = () => {
      pod.apply(shopChange);
      nowMs += 51;
    };
    await expect(pod.role()).rejects.toThrow(StoreUnavailableError);
    expect(pod.reads).toBe(5);
    vi.restoreAllMocks();
  });

  it('five times at most while everything changes, and then counts as unavailable', async () => {
    const pod = new Pod();
    pod.duringRead = () => pod.apply({ entity: 'everything' });
    await expect(pod.role()).rejects.toThrow(StoreUnavailableError);
    expect(pod.reads).toBe(5);
  });
});

describe('cached roles', () => {
  it('are read again after a change of their scope, or of everything, and not after another', async () => {
    const pod = new Pod();
    await pod.role();
    pod.apply({ entity: 'roles', id: 'another', version: 1 }, { entity: 'key', id: ID, version: 1 });
    await pod.role();
    expect(pod.reads).toBe(1);
    const changes: Change[] = [shopChange, { entity: 'everything' }, { entity: 'history', generation: 'g2' }];
    for (const [nth, change] of changes.entries()) {
      pod.apply(change);
      pod.nowMs += 1;
      await pod.role();
      expect(pod.reads).toBe(nth + 2);
    }
  });

  it('are stale for those who hold them as soon as their scope changes', async () => {
    const pod = new Pod();
    const held = await pod.roles.get(SHOP);
    expect(held.stale).toBe(false);
    pod.apply(shopChange);
    expect(held.stale).toBe(true);
  });

  it('are read again once they are no longer fresh', async () => {
    const pod = new Pod();
    await pod.role();
    pod.nowMs += REVALIDATE_AFTER_MS;
    await pod.role();
    expect(pod.reads).toBe(1);
    pod.nowMs += 1;
    await pod.role();
    expect(pod.reads).toBe(2);
  });
});

describe('while Postgres is unavailable', () => {
  async function cutOff() {
    const pod = new Pod();
    await pod.role();
    pod.unavailable = true;
    pod.nowMs += REVALIDATE_AFTER_MS + 1;
    return pod;
  }

  it('cached roles are used until they are too old, if no pod knows of a change', async () => {
    const pod = await cutOff();
    expect(await pod.role()).toBe('old');
    expect(pod.asked).toEqual([{ scopes: [ID], confirmedAtMs: START_MS }]);
    pod.nowMs = START_MS + MAX_STALENESS_MS;
    expect(await pod.role()).toBe('old');
    pod.nowMs += 1;
    await expect(pod.role()).rejects.toBe(pod.failure);
  });

  it('roles that were never read are not used', async () => {
    const pod = new Pod();
    pod.unavailable = true;
    await expect(pod.role()).rejects.toBe(pod.failure);
  });

  it('cached roles are not used once another pod knows of a change, also later', async () => {
    const pod = await cutOff();
    const held = await pod.roles.get(SHOP);
    pod.superseded = true;
    await expect(pod.role()).rejects.toBe(pod.failure);
    expect(held.stale).toBe(true);
    pod.superseded = false;
    await expect(pod.role()).rejects.toBe(pod.failure);
  });

  it('cached roles are not used if the change feed drops them while the fences are read', async () => {
    const pod = await cutOff();
    pod.duringFences = () => pod.apply(shopChange);
    await expect(pod.role()).rejects.toBe(pod.failure);
    expect(pod.asked).toHaveLength(1);
  });

  it('cached roles do not hide another error', async () => {
    const pod = await cutOff();
    pod.failure = new TypeError('a fault of this program') as StoreUnavailableError;
    await expect(pod.role()).rejects.toBe(pod.failure);
  });
});

describe('the role cache by names', () => {
  it('keeps an entry for each list of names, and drops all of them with a change of the scope', async () => {
    const pod = new Pod();
    const read = () => Promise.all([['a'], ['b'], undefined].map((names) => pod.roles.get(SHOP, names)));
    const first = await read();
    expect(await read()).toEqual(first);
    expect(pod.reads).toBe(3);
    pod.apply(shopChange);
    expect(first.map(({ stale }) => stale)).toEqual([true, true, true]);
    await read();
    expect(pod.reads).toBe(6);
  });

  it('is bounded in bytes: what it does not keep is stale', async () => {
    const pod = new Pod();
    pod.stored = 'x'.repeat(900);
    const loaded: LoadedRoles[] = [];
    for (const name of ['a', 'b', 'c']) loaded.push(await pod.roles.get(SHOP, [name]));
    expect(loaded.map(({ stale }) => stale)).toEqual([true, true, false]);
    pod.stored = 'x'.repeat(2_000);
    const large = await pod.roles.get(SHOP, ['d']);
    expect(large.roles.get('role')).toHaveLength(2_000);
    expect(large.stale).toBe(true);
  });

  it('drops the other entries of a scope with its change after one was evicted', async () => {
    const pod = new Pod();
    pod.stored = 'x'.repeat(300);
    const loaded: LoadedRoles[] = [];
    for (const name of ['a', 'b', 'c']) loaded.push(await pod.roles.get(SHOP, [name]));
    expect(loaded.map(({ stale }) => stale)).toEqual([true, false, false]);
    pod.apply(shopChange);
    expect(loaded.map(({ stale }) => stale)).toEqual([true, true, true]);
  });
});
