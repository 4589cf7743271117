import { expect, it } from 'vitest';
import { CachedRoleStore } from '../../../src/keys/cache/cached-role-store.ts';
import { MemoryKeyStore } from '../../../src/keys/cache/memory-key-store.ts';
import { policies } from '../../../src/keys/cache/policies.ts';
import { Revalidation } from '../../../src/keys/cache/revalidation.ts';
import type { Change, ChangeListener } from '../../../src/keys/change-feed/change.ts';
import { Freshness } from '../../../src/keys/change-feed/freshness.ts';
import { RecentChanges } from '../../../src/keys/change-feed/recent-changes.ts';
import type { LoadedKey } from '../../../src/keys/key-store.ts';
import { type LoadedRoles, type RoleScope, roleScopeId } from '../../../src/keys/role-store.ts';
import { LocalResponse, ResponseCache } from '../../../src/regional/response-cache.ts';
import { keyRecord } from '../../support/records.ts';

// A cached response refers to the entries that it derives from. A change after the eviction of an entry no longer reaches
// that entry, so the eviction itself must end the use of the response.

const now = () => 1_000;
const DIGEST = 'digest of the call';
const SHOP: RoleScope = { organizationId: 'org', projectType: 'elasticsearch', projectId: 'shop' };

/** Both caches of a pod with one cached response, which derives from the key `victim` and the roles of `SHOP`. */
async function pod() {
  const freshness = new Freshness(now, { revalidateAfterMs: 2_000, maxStalenessMs: 900_000 });
  freshness.appliedUntilMs = now();
  const changes = new RecentChanges(now, { ttlMs: 60_000, maxEntries: 10_000 });
  changes.startAt(0);
  const keys = new MemoryKeyStore({
    inner: { get: async ({ id }) => loadedKey(id) },
    freshness,
    changes,
    revalidation: new Revalidation({ currentVersion: async () => 1 }, freshness, now),
    now,
    maxEntries: 1,
  });
  const roles = new CachedRoleStore(
    { get: async (scope) => loadedRoles(scope) },
    freshness,
    changes,
    1_000_000,
  );
  const responses = new ResponseCache(freshness, () => false, { maxEntries: 10, maxBytes: 100_000 });

  const loaded = (await keys.get({ id: 'victim', digest: 'victim' })) as LoadedKey;
  const granted = { text: '{', derivedFrom: [await roles.get(SHOP)] };
  const identity = { userText: '', keyText: '', description: '' };
  responses.set(
    DIGEST,
    new LocalResponse(granted, identity, loaded.entry ?? loaded, Number.POSITIVE_INFINITY),
  );
  const apply = (change: Change) => {
    for (const listener of [changes, keys, roles] satisfies ChangeListener[]) listener.apply(change);
  };
  return { keys, roles, responses, apply };
}

it('a response is not used after the revocation of a key whose record was evicted before', async () => {
  const { keys, responses, apply } = await pod();
  expect(responses.get(DIGEST)).toBeDefined();
  await keys.get({ id: 'another', digest: 'another' });
  apply({ entity: 'key', id: 'victim', version: 2 });
  expect(responses.get(DIGEST)).toBeUndefined();
  expect(await responses.getUnconfirmed(DIGEST)).toBeUndefined();
});

it('a response is not used after a change of roles that were evicted before', async () => {
  const { roles, responses, apply } = await pod();
  expect(responses.get(DIGEST)).toBeDefined();
  for (let nth = 0; nth < policies.roles.maxEntries; nth += 1)
    await roles.get({ ...SHOP, projectId: `filler-${nth}` });
  apply({ entity: 'roles', id: roleScopeId(SHOP), version: 2 });
  expect(responses.get(DIGEST)).toBeUndefined();
  expect(await responses.getUnconfirmed(DIGEST)).toBeUndefined();
});

function loadedKey(id: string): LoadedKey {
  return {
    record: keyRecord(id, 1),
    tier: 'postgres',
    confirmedAtMs: now(),
    superseded: false,
    stale: false,
  };
}

function loadedRoles(scope: RoleScope): LoadedRoles {
  return { scopeId: roleScopeId(scope), roles: new Map(), confirmedAtMs: now(), stale: false };
}
