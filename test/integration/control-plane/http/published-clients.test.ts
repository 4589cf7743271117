import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../../support/keys.ts';
import {
  publishedEmpty,
  publishedFailure,
  publishedKey,
  publishedKeys,
  publishedOrganization,
  publishedOrganizations,
} from '../../../support/published-shapes.ts';

const KEYS = '/api/v1/users/auth/keys';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());

const api = (method: string, path: string, body?: unknown, as: IssuedKey | undefined = owner) =>
  callApi(controlPlane, method, path, as?.authorization, { body });

/** Expects a response in the published shape. */
async function expectShape(
  call: ReturnType<typeof api>,
  status: number,
  shape: z.ZodType,
): Promise<Awaited<ReturnType<typeof api>>> {
  const response = await call;
  expect(response.status, JSON.stringify(response.body)).toBe(status);
  expect(shape.safeParse(response.body).error).toBeUndefined();
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  return response;
}

describe('the key calls have the published shapes', () => {
  it('in success', async () => {
    const { body } = await expectShape(
      api('POST', KEYS, { description: 'x', role_assignments: projectRoles('security', 'p', ['viewer']) }),
      201,
      publishedKey,
    );
    await expectShape(api('GET', KEYS), 200, publishedKeys);
    await expectShape(api('GET', `${KEYS}/${body.id}`), 200, publishedKey);
    await expectShape(api('DELETE', `${KEYS}/${body.id}`), 200, publishedEmpty);
    await expectShape(api('DELETE', KEYS, { keys: [body.id] }), 200, publishedEmpty);
    await expectShape(api('GET', '/api/v1/organizations'), 200, publishedOrganizations);
    await expectShape(
      api('GET', `/api/v1/organizations/${owner.organizationId}`),
      200,
      publishedOrganization,
    );
  });

  const refused: [string, string, string, unknown, number, string][] = [
    ['an invalid body', 'POST', KEYS, {}, 400, 'api_keys.invalid_input'],
    ['an unknown key', 'GET', `${KEYS}/nothing`, undefined, 404, 'api_keys.key_not_found'],
    [
      'an id of 101 characters',
      'GET',
      `${KEYS}/${'a'.repeat(101)}`,
      undefined,
      404,
      'api_keys.key_not_found',
    ],
    [
      'an id of 8,000 characters',
      'GET',
      `${KEYS}/${'a'.repeat(8_000)}`,
      undefined,
      404,
      'api_keys.key_not_found',
    ],
    ['a path that does not decode', 'GET', `${KEYS}/%zz`, undefined, 400, 'root.invalid_body'],
    ['an unknown path', 'GET', '/api/v1/nothing', undefined, 404, 'root.not_found'],
    ['an unknown query parameter', 'GET', `${KEYS}?stauts=all`, undefined, 400, 'root.invalid_query'],
    [
      'a query parameter of a call without any',
      'GET',
      '/api/v1/organizations?x=1',
      undefined,
      400,
      'root.invalid_query',
    ],
    ['another organization', 'GET', '/api/v1/organizations/other', undefined, 404, 'organizations.not_found'],
    ['a wrong method', 'PATCH', KEYS, {}, 405, 'root.method_not_allowed'],
  ];
  it.each(refused)('for %s', async (_title, method, path, body, status, code) => {
    const response = await expectShape(api(method, path, body), status, publishedFailure);
    expect(response.body.errors[0].code).toBe(code);
    expect(response.headers.get('x-cloud-error-codes')).toBe(code);
  });

  it('for a call without a credential', async () => {
    const response = await callApi(controlPlane, 'GET', KEYS, undefined);
    expect([response.status, publishedFailure.safeParse(response.body).success]).toEqual([401, true]);
  });
});

it('returns 405 with the allowed methods for a wrong method', async () => {
  const wrong = await api('PATCH', KEYS, {});
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'DELETE, GET, HEAD, POST']);
  const uiam = await api('GET', '/uiam/api/v1/api-keys/_grant');
  expect([uiam.status, uiam.body.error.code]).toEqual([405, '0x1A0405']);
});

it('tolerates unknown query parameters on the paths of the UIAM protocol', async () => {
  const key = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  const { status } = await api('DELETE', `/uiam/api/v1/api-keys/${key.id}?refresh=true`, undefined, key);
  expect(status).toBe(204);
});

describe('a client that was generated from the published specification', () => {
  const nulls = {
    description: 'x',
    expiration: null,
    role_assignments: {
      deployment: null,
      organization: null,
      platform: null,
      project: {
        elasticsearch: [
          {
            role_id: 'elasticsearch-viewer',
            organization_id: 'ORGANIZATION',
            all: true,
            project_ids: null,
            application_roles: ['viewer'],
          },
        ],
        observability: null,
        security: null,
      },
    },
  };

  it('creates a key although it writes every unset field as null', async () => {
    const body = JSON.parse(JSON.stringify(nulls).replace('ORGANIZATION', owner.organizationId));
    const response = await expectShape(api('POST', KEYS, body), 201, publishedKey);
    expect(response.body.role_assignments).toEqual({
      project: {
        elasticsearch: [
          {
            role_id: 'elasticsearch-viewer',
            organization_id: owner.organizationId,
            all: true,
            application_roles: ['viewer'],
          },
        ],
      },
    });
    expect(response.body.warnings).toBeUndefined();
  });

  it('creates a key without application roles although it writes them as null', async () => {
    const response = await api('POST', KEYS, {
      description: 'x',
      role_assignments: {
        deployment: [
          { role_id: 'deployment-viewer', all: true, deployment_ids: null, application_roles: null },
        ],
      },
    });
    expect([response.status, response.body.warnings]).toEqual([201, undefined]);
  });

  it('gets an explanation for role_assignments of null, and no owner key', async () => {
    const response = await api('POST', KEYS, { description: 'x', role_assignments: null });
    expect([response.status, response.body.errors[0].fields]).toEqual([400, ['role_assignments']]);
    expect(response.body.errors[0].message).toContain('leave it out only if');
  });

  it('rotates and grants with optional fields of null', async () => {
    const { body: created } = await api('POST', KEYS, { ...nulls, role_assignments: undefined });
    const rotated = await api('POST', `${KEYS}/${created.id}/_rotate`, {
      expiration: null,
      grace_period: null,
    });
    expect(rotated.status).toBe(200);
    const granting = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      roleAssignments: projectRoles('elasticsearch', 'p', ['viewer']),
    });
    const granted = await callApi(
      controlPlane,
      'POST',
      '/uiam/api/v1/api-keys/_grant',
      granting.authorization,
      {
        body: {
          description: 'rule',
          internal: true,
          expiration: null,
          role_assignments: { limit: { access: ['application'], resource: ['project'] } },
        },
      },
    );
    expect(granted.status).toBe(200);
  });
});

it('warns that a key without role_assignments has the permissions of its creator', async () => {
  const { status, body } = await api('POST', KEYS, { description: 'x' });
  expect([status, body.warnings]).toEqual([201, [expect.stringContaining('owner permissions')]]);
});

it('shows no grace period for a revoked key', async () => {
  const { body } = await api('POST', KEYS, { description: 'x' });
  await api('POST', `${KEYS}/${body.id}/_rotate`, { grace_period: '24h' });
  expect((await api('GET', `${KEYS}/${body.id}`)).body.previous_secret_expiration_date).toBeDefined();
  await api('DELETE', `${KEYS}/${body.id}`);
  const revoked = await api('GET', `${KEYS}/${body.id}?status=all`);
  expect([revoked.body.status, revoked.body.previous_secret_expiration_date]).toEqual(['revoked', undefined]);
});

it('refuses a custom role whose name differs from a predefined one only by case', async () => {
  const response = await api('PUT', '/api/v1/projects/elasticsearch/p/roles/Viewer', {});
  expect([response.status, response.body.errors[0].fields]).toEqual([400, ['name']]);
});

it('knows the published role ids of deployments', async () => {
  const deployment = ['admin', 'editor', 'viewer'].map((role) => ({
    role_id: `deployment-${role}`,
    all: true,
  }));
  const { body } = await api('POST', KEYS, { description: 'x', role_assignments: { deployment } });
  expect(body.warnings).toBeUndefined();
});

it('accepts the client secret on no path of /api/v1', async () => {
  const response = await callApi(controlPlane, 'GET', KEYS, owner.authorization, {
    headers: { 'x-client-authentication': CLIENT_SECRET },
  });
  expect(response.status).toBe(401);
});
