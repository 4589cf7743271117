import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predefinedRoles } from '../../../../src/roles/predefined.ts';
import {
  auditOf,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey } from '../../../support/keys.ts';

const PROJECT = '/api/v1/projects/elasticsearch/shop/roles';
const DESCRIPTOR = {
  cluster: ['monitor'],
  indices: [
    {
      names: ['logs-*'],
      privileges: ['read'],
      field_security: { grant: ['*'], except: ['secret'] },
      query: { term: { a: 1 } },
    },
  ],
};

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());
const api = (method: string, path: string, body?: unknown, as = owner) =>
  callApi(controlPlane, method, path, as.authorization, { body });

describe('custom roles', () => {
  it('are written, replaced, read and deleted in the format of Elasticsearch', async () => {
    expect((await api('PUT', `${PROJECT}/log-reader`, DESCRIPTOR)).body).toEqual({ role: { created: true } });
    expect((await api('PUT', `${PROJECT}/log-reader`, { ...DESCRIPTOR, cluster: ['monitr'] })).body).toEqual({
      role: { created: false },
      warnings: [expect.stringContaining('monitr')],
    });
    const { body } = await api('GET', `${PROJECT}/log-reader`);
    expect(body['log-reader']).toMatchObject({
      cluster: ['monitr'],
      indices: [{ query: '{"term":{"a":1}}' }],
      transient_metadata: { enabled: true },
    });
    expect(Object.keys((await api('GET', PROJECT)).body)).toEqual(['log-reader']);
    expect((await api('DELETE', `${PROJECT}/log-reader`)).body).toEqual({ found: true });
    expect((await api('GET', `${PROJECT}/log-reader`)).body.errors[0].code).toBe('roles.role_not_found');
    expect((await api('DELETE', `${PROJECT}/log-reader`)).status).toBe(404);
    expect((await api('PUT', `${PROJECT}/log-reader`, DESCRIPTOR)).body).toEqual({ role: { created: true } });
    const events = await auditOf(controlPlane.primary.pool, owner.organizationId);
    expect(events.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['role.put', 'success'],
      ['role.put', 'success'],
      ['role.delete', 'success'],
      ['role.delete', 'failure'],
      ['role.put', 'success'],
    ]);
    expect(events[1]).toMatchObject({
      target_id: 'elasticsearch/shop/log-reader',
      before: { cluster: ['monitor'] },
      after: { cluster: ['monitr'] },
    });
  });

  const refusals: [string, string, unknown, string[]][] = [
    [
      'each violation by its path',
      `${PROJECT}/a`,
      { indices: [{ names: [], privileges: ['read'], nope: 1 }], run_as: ['x'] },
      ['indices[0].names', 'indices[0].nope', 'run_as'],
    ],
    ['an unknown field', `${PROJECT}/a`, { global: {} }, ['global']],
    [
      'an exception outside the grant',
      `${PROJECT}/a`,
      { indices: [{ names: ['a'], privileges: ['read'], field_security: { grant: ['a'], except: ['b'] } }] },
      ['indices[0].field_security.except[0]'],
    ],
    ['no body', `${PROJECT}/a`, undefined, ['body']],
    ['a predefined name', `${PROJECT}/viewer`, {}, ['name']],
    ['a name with a space', `${PROJECT}/a%20b`, {}, ['name']],
    ['a name with a NUL', `${PROJECT}/a%00b`, {}, ['name']],
    ['an unknown project type', '/api/v1/projects/kibana/shop/roles/a', {}, ['project_type']],
    ['a project id that cannot be stored', '/api/v1/projects/elasticsearch/a%00/roles/a', {}, ['project_id']],
    ['a text that cannot be stored', `${PROJECT}/a`, { description: 'a\0' }, ['description']],
  ];
  it.each(refusals)('are refused: %s', async (_title, path, body, fields) => {
    const response = await api('PUT', path, body);
    expect([response.status, response.headers.get('x-cloud-error-codes')]).toEqual([
      400,
      'roles.invalid_input',
    ]);
    const named = response.body.errors.flatMap((error: { fields: string[] }) => error.fields);
    expect(new Set(named.map((field: string) => field.replace(/except\[\d\]$/, 'except')))).toEqual(
      new Set(fields.map((field) => field.replace(/except\[\d\]$/, 'except'))),
    );
  });

  it('are visible only to their organization, and changed only by owners', async () => {
    await api('PUT', `${PROJECT}/mine`, DESCRIPTOR);
    const stranger = await newOrganization(controlPlane.primary.pool);
    expect((await api('GET', `${PROJECT}/mine`, undefined, stranger)).status).toBe(404);
    expect((await api('DELETE', `${PROJECT}/mine`, undefined, stranger)).status).toBe(404);
    const viewer = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await api(
        method,
        `${PROJECT}/mine`,
        method === 'PUT' ? DESCRIPTOR : undefined,
        viewer,
      );
      expect([method, response.status, response.body.errors[0].code]).toEqual([
        method,
        403,
        'root.permission_denied',
      ]);
    }
  });
});

it('lists the predefined roles with their descriptors for any valid key', async () => {
  const viewer = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  const all = await api('GET', '/api/v1/roles', undefined, viewer);
  const byName = (one: { project_type: string; name: string }) => `${one.project_type}/${one.name}`;
  const sorted = (roles: { project_type: string; name: string }[]) =>
    roles.toSorted((one, two) => byName(one).localeCompare(byName(two)));
  expect(sorted(all.body.roles)).toEqual(
    sorted(
      predefinedRoles.map(({ projectType, name, descriptor }) => ({
        project_type: projectType,
        name,
        descriptor,
      })),
    ),
  );
  const some = await api('GET', '/api/v1/roles?project_type=security', undefined, viewer);
  expect(new Set(some.body.roles.map((role: { project_type: string }) => role.project_type))).toEqual(
    new Set(['security']),
  );
  expect((await api('GET', '/api/v1/roles?project_type=x', undefined, viewer)).status).toBe(400);
});

describe('the audit trail', () => {
  it('is listed newest first, with filters and pages, only for owners of the organization', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const made = [];
    for (let count = 0; count < 3; count += 1) {
      made.push((await api('POST', '/api/v1/users/auth/keys', { description: 'x' }, org)).body);
    }
    await api('DELETE', '/api/v1/users/auth/keys/unknown', undefined, org);
    const first = await api('GET', '/api/v1/audit?limit=3', undefined, org);
    expect(first.body.events.map((event: { action: string }) => event.action)).toEqual([
      'api_key.revoke',
      'api_key.create',
      'api_key.create',
    ]);
    expect(first.body.events[0]).toMatchObject({
      actor: { type: 'key', id: org.id },
      outcome: 'failure',
      reason: 'api_keys.key_not_found',
      source_ip: '127.0.0.1',
      request_id: expect.any(String),
    });
    const second = await api('GET', `/api/v1/audit?limit=3&after=${first.body.next}`, undefined, org);
    expect(second.body).toMatchObject({ events: [{ target: { type: 'api_key', id: made[0].id } }] });
    expect(second.body.next).toBeUndefined();
    const one = await api(
      'GET',
      `/api/v1/audit?target_id=${made[1].id}&action=api_key.create&outcome=success&since=2020-01-01T00:00:00Z`,
      undefined,
      org,
    );
    expect(one.body.events).toHaveLength(1);
    expect(
      (await api('GET', '/api/v1/audit?until=2020-01-01T00:00:00Z', undefined, org)).body.events,
    ).toEqual([]);
    expect(JSON.stringify(first.body)).not.toContain(made[1].key);
    const viewer = await insertKey(controlPlane.primary.pool, { organizationId: org.organizationId });
    expect((await api('GET', '/api/v1/audit', undefined, viewer)).status).toBe(403);
    expect((await api('GET', `/api/v1/audit?target_id=${made[1].id}`)).body.events).toEqual([]);
  });

  it.each(['since=0001-01-01T00:00:00Z', 'until=9999-12-31T23:59:59Z', 'since=2020-01-01T00:00:00-23:59'])(
    'accepts ?%s',
    async (query) => {
      expect((await api('GET', `/api/v1/audit?${query}`)).status).toBe(200);
    },
  );

  it.each([
    'outcome=maybe',
    'since=yesterday',
    'since=0000-01-01T00:00:00Z',
    'since=9999-12-31T23:59:59-23:59',
    'until=0001-01-01T00:00:00%2B00:01',
    'limit=0',
    'limit=501',
    'after=x',
    'actor_id=%00',
  ])('refuses ?%s by its field', async (query) => {
    const { status, body } = await api('GET', `/api/v1/audit?${query}`);
    expect([status, body.errors[0].code, body.errors[0].fields]).toEqual([
      400,
      'audit.invalid_input',
      [query.split('=')[0]],
    ]);
  });

  it('cannot be changed or truncated, even by a superuser', async () => {
    for (const sql of [
      'UPDATE audit_events SET reason = NULL',
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
    ]) {
      await expect(controlPlane.primary.pool.query(sql)).rejects.toThrow('append-only');
    }
  });
});
