import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresRoleStore } from '../../../src/keys/postgres-role-store.ts';
import { Replica } from '../../../src/keys/replica.ts';
import { RoleBudget, RolesTooLargeError } from '../../../src/keys/role-budget.ts';
import { predefinedScope } from '../../../src/keys/role-store.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { descriptor, putRole } from '../../support/roles.ts';

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

describe('large roles', () => {
  const ROLES = 50;
  const ROLE_BYTES = 60_000;
  const projects = ['large-1', 'large-2', 'large-3'];
  const scopeOf = (projectId: string) =>
    ({ organizationId: 'org', projectType: 'elasticsearch', projectId }) as const;
  const names = Array.from({ length: ROLES }, (_, nth) => `role-${nth}`);

  beforeAll(async () => {
    await primary.pool.query(
      `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
       SELECT 'org', 'elasticsearch', project, 'role-' || n, $2::jsonb || jsonb_build_object('metadata', jsonb_build_object('p', repeat('x', $3::int))), 0
       FROM unnest($1::text[]) AS project, generate_series(0, $4::int - 1) AS n`,
      [projects, JSON.stringify(descriptor({})), ROLE_BYTES, ROLES],
    );
  });

  /** A store, and the bytes of descriptors and the number of organizations in each statement that runs. */
  function observed() {
    const statements: number[] = [];
    const running = new Map<unknown, number>();
    let mostOfOne = 0;
    const replica = new Replica(primary.pool, { connections: 5, waiting: 1_000, waitMs: 10_000 });
    const query = replica.query.bind(replica);
    replica.query = async (config, speed) => {
      const organization = config.values?.[0];
      running.set(organization, (running.get(organization) ?? 0) + 1);
      mostOfOne = Math.max(mostOfOne, running.get(organization) ?? 0);
      // biome-ignore lint/suspicious/noExplicitAny: the rows of any statement
      const rows = (await query(config, speed)) as any[];
      running.set(organization, (running.get(organization) ?? 0) - 1);
      statements.push(rows.reduce((sum, { descriptor }) => sum + (descriptor?.length ?? 0), 0));
      return rows;
    };
    return { store: new PostgresRoleStore(replica, Date.now, () => {}), statements, most: () => mostOfOne };
  }

  it('are read whole in statements of at most 1 MiB, one at a time per organization', async () => {
    const { store, statements, most } = observed();
    const early = projects.slice(0, 2).map((project) => store.get(scopeOf(project), names));
    // Their first statement has started.
    for (let turn = 0; turn < 2; turn += 1) await setImmediate();
    const sets = await Promise.all([
      ...early,
      store.get(scopeOf('large-3')),
      store.get(scopeOf('p1'), ['a']),
    ]);
    expect(sets.map(({ roles }) => roles.size)).toEqual([ROLES, ROLES, ROLES, 1]);
    for (const descriptor of sets[0]?.roles.values() ?? [])
      expect(JSON.parse(descriptor).metadata.p).toHaveLength(ROLE_BYTES);
    expect(Math.max(...statements)).toBeLessThanOrEqual(1_048_576);
    expect(statements.length).toBeGreaterThan(8);
    expect(most()).toBe(1);
  });

  it('are not read if the request has no room for them, nor does that affect another request', async () => {
    const { store, statements } = observed();
    const budget = new RoleBudget(1_500_000);
    const refused = projects.map((project) => store.get(scopeOf(project), names, budget));
    const other = store.get(scopeOf('large-1'), names, new RoleBudget(5_000_000));
    for (const result of await Promise.allSettled(refused))
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'RolesTooLargeError', budget } });
    expect(statements.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(1_048_576);
    expect((await other).roles.size).toBe(ROLES);
  });

  it('of a failed request are not read', async () => {
    const { store, statements } = observed();
    const budget = new RoleBudget(Number.POSITIVE_INFINITY);
    const read = store.get(scopeOf('large-1'), names, budget);
    budget.close();
    await expect(read).rejects.toThrow(RolesTooLargeError);
    expect(statements).toHaveLength(1);
  });

  it('wait in bounded numbers: 5,000 of an organization', async () => {
    const { store } = observed();
    const reads = Array.from({ length: 5_001 }, () => store.get(scopeOf('p1'), ['a']));
    const last = await Promise.allSettled(reads.slice(-1));
    expect(last[0]).toMatchObject({ status: 'rejected', reason: { name: 'OverloadedError' } });
    expect((await Promise.all(reads.slice(0, -1))).every(({ roles }) => roles.size === 1)).toBe(true);
  });
});
