import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROJECT_TYPES } from '../../../../src/roles/project-type.ts';
import {
  auditOf,
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';
import { expectRefusal } from '../../../support/refusal.ts';

const BASE = '/uiam/api/v1/api-keys';
const LIMIT = { limit: { access: ['application'], resource: ['project'] } };
const trusted = { 'x-client-authentication': CLIENT_SECRET };
const DAY_MS = 86_400_000;

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane({ INTERNAL_KEY_QUOTA: '3' });
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());

const grant = (as: IssuedKey, body: object = {}, headers: Record<string, string> = {}) =>
  callApi(controlPlane, 'POST', `${BASE}/_grant`, as.authorization, {
    body: { description: 'granted', internal: true, role_assignments: LIMIT, ...body },
    headers,
  });
async function keyWith(roleAssignments: unknown, fields: object = {}) {
  const { organizationId } = await newOrganization(controlPlane.primary.pool);
  return insertKey(controlPlane.primary.pool, { organizationId, roleAssignments, ...fields });
}
const stored = async (id: string) =>
  (await controlPlane.primary.pool.query('SELECT * FROM api_keys WHERE id = $1', [id])).rows[0];

describe('_grant', () => {
  it('gives the caller’s application roles on projects and none of its permissions in the Cloud API', async () => {
    const key = await keyWith({
      organization: [{ role_id: 'organization-admin', application_roles: ['admin'] }],
      ...projectRoles('security', 'soc', ['viewer']),
    });
    const response = await grant(key);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const row = await stored(response.body.id);
    expect(row).toMatchObject({ internal: true, created_by: 'user-1', organization_id: key.organizationId });
    expect(Object.keys(row.role_assignments)).toEqual(['project']);
    expect(new Set(Object.keys(row.role_assignments.project))).toEqual(new Set(PROJECT_TYPES));
    expect(row.role_assignments.project.elasticsearch).toEqual([
      { role_id: 'elasticsearch-application-only', all: true, application_roles: ['admin'] },
    ]);
    expect(row.role_assignments.project.security).toEqual([
      { role_id: 'security-application-only', all: true, application_roles: ['admin'] },
      {
        role_id: 'security-application-only',
        all: false,
        project_ids: ['soc'],
        application_roles: ['viewer'],
      },
    ]);
    expect(await auditOf(controlPlane.primary.pool, key.organizationId)).toMatchObject([
      { action: 'api_key.grant', actor_id: key.id, target_id: response.body.id },
    ]);
  });

  it('expires a granted key no later than its caller', async () => {
    const expiresAt = new Date(Date.now() + 5 * DAY_MS);
    const key = await keyWith(projectRoles('elasticsearch', 'shop', ['viewer']), { expiresAt });
    expect((await stored((await grant(key)).body.id)).expires_at).toEqual(expiresAt);
    expect((await grant(key, { expiration: '1d' })).status).toBe(200);
    for (const expiration of ['6d', 'never']) {
      expectRefusal(await grant(key, { expiration }), 400, '0x1A0400');
    }
  });

  it('refuses a caller without application roles on projects', async () => {
    expectRefusal(await grant(owner), 403, '0x93B121', [owner.secret]);
  });

  it('limits internal keys by their own quota, with the protocol’s code', async () => {
    const key = await keyWith(projectRoles('elasticsearch', 'shop', ['viewer']));
    for (let count = 0; count < 3; count += 1) expect((await grant(key)).status).toBe(200);
    expect((await grant(key)).body.error.code).toBe('0x3196F8');
    expect((await grant(key, { internal: false })).status).toBe(200);
  });

  it('applies the client authentication rule to the caller’s key', async () => {
    const internal = await keyWith(projectRoles('elasticsearch', 'shop', ['viewer']), { internal: true });
    expectRefusal(await grant(internal), 401, '0x8560B2');
    expect((await grant(internal, {}, trusted)).status).toBe(200);
    expectRefusal(await grant(owner, {}, trusted), 401, '0x8560B2');
  });

  it.each([
    ['no body', undefined],
    ['no description', { internal: true, role_assignments: LIMIT }],
    ['no limit', { description: 'x', internal: true, role_assignments: {} }],
    [
      'a limit that is wider',
      {
        description: 'x',
        internal: true,
        role_assignments: { limit: { access: ['cloud'], resource: ['project'] } },
      },
    ],
    ['an unknown field', { description: 'x', internal: true, role_assignments: LIMIT, all: true }],
    [
      'an unknown field of null',
      { description: 'x', internal: true, role_assignments: { limit: { ...LIMIT.limit, projects: null } } },
    ],
    ['a wrong expiration', { description: 'x', internal: true, role_assignments: LIMIT, expiration: '2y' }],
  ])('refuses %s', async (_title, body) => {
    expectRefusal(
      await callApi(controlPlane, 'POST', `${BASE}/_grant`, owner.authorization, { body }),
      400,
      '0x1A0400',
    );
  });

  it('creates no second key for the same Idempotency-Key', async () => {
    const key = await keyWith(projectRoles('elasticsearch', 'shop', ['viewer']));
    const headers = { 'idempotency-key': 'once' };
    expect((await grant(key, {}, headers)).body).toEqual((await grant(key, {}, headers)).body);
  });
});

describe('revocation by the key itself', () => {
  const remove = (id: string, as: IssuedKey, headers: Record<string, string> = {}) =>
    callApi(controlPlane, 'DELETE', `${BASE}/${id}`, as.authorization, { headers });

  it('returns 204 each time, with and without a JSON content type, without a body', async () => {
    const key = await keyWith(projectRoles('elasticsearch', 'shop', ['viewer']));
    for (let time = 0; time < 2; time += 1) {
      const response = await remove(key.id, key);
      expect([response.status, response.body]).toEqual([204, undefined]);
    }
    const bare = await fetch(`${controlPlane.url}${BASE}/${key.id}`, {
      method: 'DELETE',
      headers: { authorization: key.authorization },
    });
    expect(bare.status).toBe(204);
    expect((await stored(key.id)).revoked_at).not.toBeNull();
  });

  it('returns 204 for an expired key', async () => {
    const key = await keyWith({}, { expiresAt: new Date(0) });
    expect((await remove(key.id, key)).status).toBe(204);
  });

  it('refuses another key, a wrong secret, and missing client authentication', async () => {
    const key = await keyWith({});
    const internal = await keyWith({}, { internal: true });
    expectRefusal(await remove(key.id, owner), 403, '0x93B121');
    expectRefusal(await remove(internal.id, internal), 401, '0x8560B2');
    expect((await remove(internal.id, internal, trusted)).status).toBe(204);
    expectRefusal(await callApi(controlPlane, 'DELETE', `${BASE}/${key.id}`, undefined), 401, '0xD00DF3');
  });

  it('refuses the last owner key unless forced', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    expectRefusal(await remove(org.id, org), 409, '0x1A0409');
    expect((await remove(`${org.id}?force=true`, org)).status).toBe(204);
  });
});
