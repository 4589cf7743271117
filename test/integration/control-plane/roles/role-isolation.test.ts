import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  auditOf,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';

// Projects of two organizations may have the same type and id, and their roles the same names.

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let stranger: IssuedKey;
let viewer: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
});
afterAll(() => controlPlane?.close());

const api = (method: string, path: string, as: IssuedKey, body?: unknown) =>
  callApi(controlPlane, method, path, as.authorization, { body });

describe.each([
  ['the calls of this service', '/api/v1/projects/elasticsearch/shop/roles'],
  ['the calls of Elasticsearch', '/api/v1/projects/elasticsearch/shop/_security/role'],
])('by %s', (_title, roles) => {
  const elsewhere = roles.replace('/shop/', '/other/');
  const ofOtherType = roles.replace('/elasticsearch/', '/security/');
  const names = async (path: string, as: IssuedKey) => Object.keys((await api('GET', path, as)).body);

  beforeEach(async () => {
    const { pool } = controlPlane.primary;
    owner = await newOrganization(pool);
    stranger = await newOrganization(pool);
    viewer = await insertKey(pool, {
      organizationId: owner.organizationId,
      roleAssignments: projectRoles('elasticsearch', 'shop', ['admin']),
    });
    for (const path of [roles, elsewhere, ofOtherType])
      await api('PUT', `${path}/shared`, owner, { cluster: ['monitor'] });
    await api('PUT', `${roles}/mine`, owner, { cluster: ['monitor'] });
    await api('PUT', `${roles}/shared`, stranger, { cluster: ['all'] });
  });

  it('a list has only the roles of the organization and of the project', async () => {
    expect(await names(roles, owner)).toEqual(['mine', 'shared']);
    expect(await names(elsewhere, owner)).toEqual(['shared']);
    expect(await names(ofOtherType, owner)).toEqual(['shared']);
    expect((await api('GET', roles, stranger)).body).toMatchObject({ shared: { cluster: ['all'] } });
    expect(await names(roles, stranger)).toEqual(['shared']);
    expect((await api('GET', elsewhere, stranger)).body).toEqual({});
  });

  it('a deletion removes the role of the organization and of the project, and no other', async () => {
    expect((await api('DELETE', `${roles}/shared`, owner)).body).toEqual({ found: true });
    expect(await names(roles, owner)).toEqual(['mine']);
    expect(await names(elsewhere, owner)).toEqual(['shared']);
    expect(await names(ofOtherType, owner)).toEqual(['shared']);
    expect(await names(roles, stranger)).toEqual(['shared']);
    expect((await api('DELETE', `${roles}/mine`, stranger)).status).toBe(404);
    expect(await names(roles, owner)).toEqual(['mine']);
  });

  it('a role replaces that of the organization and of the project, and no other', async () => {
    await api('PUT', `${roles}/shared`, owner, { cluster: ['manage'] });
    const cluster = async (path: string, as: IssuedKey) =>
      (await api('GET', `${path}/shared`, as)).body.shared.cluster;
    expect(await cluster(roles, owner)).toEqual(['manage']);
    expect(await cluster(elsewhere, owner)).toEqual(['monitor']);
    expect(await cluster(ofOtherType, owner)).toEqual(['monitor']);
    expect(await cluster(roles, stranger)).toEqual(['all']);
  });

  it('a key that is no owner can neither list, read, write nor delete', async () => {
    for (const [method, path, body] of [
      ['GET', roles],
      ['GET', `${roles}/mine`],
      ['PUT', `${roles}/mine`, {}],
      ['PUT', `${roles}/new`, {}],
      ['DELETE', `${roles}/mine`],
      ['DELETE', `${roles}/ghost`],
    ] as const) {
      const response = await api(method, path, viewer, body);
      expect([method, path, response.status]).toEqual([method, path, 403]);
      expect(JSON.stringify(response.body)).not.toContain('monitor');
    }
    expect(await names(roles, owner)).toEqual(['mine', 'shared']);
    const changes = (await auditOf(controlPlane.primary.pool, owner.organizationId)).filter(
      ({ actor_id, outcome }) => actor_id === viewer.id && outcome === 'success',
    );
    expect(changes).toEqual([]);
  });
});
