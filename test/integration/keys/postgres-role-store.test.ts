import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresRoleStore } from '../../../src/keys/postgres-role-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { predefinedScope } from '../../../src/keys/role-store.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { putRole } from '../../support/roles.ts';

let primary: TestPrimary;
beforeAll(async () => {
  primary = await createPrimary();
  for (const [name, project] of [
    ['a', 'p1'],
    ['b', 'p1'],
    ['a', 'p2'],
    ['c', 'p2'],
  ] as const) {
    await putRole(primary.pool, 'org', name, { cluster: [] }, project);
  }
});
afterAll(() => primary?.close());

it('reads the requested roles of each scope, and the whole scope if no names are given', async () => {
  const replica = new Replica(primary.pool, { connections: 1, waiting: 10, waitMs: 1_000 });
  const store = new PostgresRoleStore(replica, Date.now, () => {});
  const scope = (projectId: string) =>
    ({ organizationId: 'org', projectType: 'elasticsearch', projectId }) as const;
  const sets = await Promise.all([
    store.get(scope('p1'), ['a', 'ghost']),
    store.get(scope('p2'), ['c']),
    store.get(scope('p2'), []),
    store.get(scope('p3'), ['a']),
    store.get(scope('p1')),
    store.get(predefinedScope('security')),
  ]);
  const names = sets.map(({ roles }) => [...roles.keys()].sort());
  expect(names.slice(0, 5)).toEqual([['a'], ['c'], [], [], ['a', 'b']]);
  expect(names[5]).toContain('soc_manager');
});

it('reads no other descriptor than those of the requested names', async () => {
  const replica = new Replica(primary.pool, { connections: 1, waiting: 10, waitMs: 1_000 });
  const invalid: string[] = [];
  await putRole(primary.pool, 'org', 'broken', { indices: 'all of them' }, 'p1');
  const store = new PostgresRoleStore(replica, Date.now, ({ name }) => invalid.push(name));
  const scope = { organizationId: 'org', projectType: 'elasticsearch', projectId: 'p1' } as const;
  await store.get(scope, ['a']);
  expect(invalid).toEqual([]);
  await store.get(scope, ['broken']);
  expect(invalid).toEqual(['broken']);
});
