import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERRORS } from '../../../../src/errors.ts';
import {
  auditOf,
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
} from '../../../support/keys.ts';
import type { ApiResponse } from '../../../support/regional.ts';

const KEYS = '/api/v1/users/auth/keys';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());

/** Expects the documented shape, and nothing of the credential in it. */
function expectRefused(response: ApiResponse, status: number, code: string, fields?: string[]): void {
  expect([response.status, response.body?.errors?.[0]?.code]).toEqual([status, code]);
  expect(response.headers.get('x-cloud-error-codes')).toBe(code);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  expect(response.headers.get('retry-after') !== null).toBe(status === 503 || status === 429);
  expect(Object.values(ERRORS).map(({ cloud }) => cloud)).toContainEqual(
    expect.objectContaining({ code, status }),
  );
  for (const error of response.body.errors) {
    expect(error).toEqual({
      code,
      message: expect.stringMatching(/\S/),
      ...(error.fields && { fields: expect.any(Array) }),
    });
  }
  if (fields) {
    expect(response.body.errors.flatMap((error: { fields?: string[] }) => error.fields ?? [])).toEqual(
      fields,
    );
  }
  expect(JSON.stringify(response.body)).not.toContain(owner.secret);
}

const project = (entry: object, type = 'elasticsearch') => ({
  role_assignments: { project: { [type]: [{ role_id: 'x', ...entry }] } },
});
const entry = 'role_assignments.project.elasticsearch[0]';

describe('refuses to create a key', () => {
  const bodies: [string, unknown, string[]][] = [
    ['without a body', undefined, ['body', 'expiration']],
    ['with a body that is not an object', [], ['body']],
    ['without a description', {}, ['description']],
    ['with a blank description', { description: ' \n' }, ['description']],
    ['with a description of 1025 characters', { description: 'x'.repeat(1025) }, ['description']],
    ['with a description that cannot be stored', { description: 'a\0b' }, ['description']],
    ['with half a surrogate pair', { description: 'a\ud800' }, ['description']],
    ['with an unknown field', { description: 'x', expires: '1d' }, ['expires']],
    ['with an unknown field of null', { description: 'x', expires: null }, ['expires']],
    ['with a lifetime of more than a year', { description: 'x', expiration: '366d' }, ['expiration']],
    ['with a lifetime of zero', { description: 'x', expiration: '0d' }, ['expiration']],
    ['with a lifetime without a unit', { description: 'x', expiration: '30' }, ['expiration']],
    ['with a lifetime that is a number', { description: 'x', expiration: 30 }, ['expiration']],
    [
      'with several invalid fields, and names each',
      { description: 1, expiration: 'soon' },
      ['expiration', 'description'],
    ],
    ['with assignments of null', { description: 'x', role_assignments: null }, ['role_assignments']],
    [
      'with project_ids beside all',
      { description: 'x', ...project({ all: true, project_ids: ['p'] }) },
      [`${entry}.project_ids`],
    ],
    [
      'without project_ids and without all',
      { description: 'x', ...project({ all: false }) },
      [`${entry}.project_ids`],
    ],
    [
      'with an unknown project type',
      { description: 'x', ...project({ all: true }, 'kibana') },
      ['role_assignments.project.kibana'],
    ],
    [
      'with an unknown field in an entry',
      { description: 'x', ...project({ all: true, projects: [] }) },
      [`${entry}.projects`],
    ],
    [
      'with an unknown field of null in an entry',
      { description: 'x', ...project({ all: true, restricted_to: null }) },
      [`${entry}.restricted_to`],
    ],
    [
      'with an unknown project type of null',
      { description: 'x', role_assignments: { project: { kibana: null } } },
      ['role_assignments.project.kibana'],
    ],
    [
      'with application roles that are not a list',
      { description: 'x', ...project({ all: true, application_roles: 'viewer' }) },
      [`${entry}.application_roles`],
    ],
    [
      'without a role_id',
      { description: 'x', role_assignments: { organization: [{}] } },
      ['role_assignments.organization[0].role_id'],
    ],
  ];
  it.each(bodies)('%s', async (_title, body, fields) => {
    const response = await callApi(controlPlane, 'POST', KEYS, owner.authorization, { body });
    expect(response.status).toBe(400);
    const named = response.body.errors.flatMap((error: { fields: string[] }) => error.fields);
    expectRefused(response, 400, 'api_keys.invalid_input');
    for (const field of named) expect(fields).toContain(field);
    expect(named.length).toBeGreaterThan(0);
  });

  it('for another organization, field by field', async () => {
    for (const [field, role_assignments] of [
      [
        'role_assignments.organization[0].organization_id',
        { organization: [{ role_id: 'organization-admin', organization_id: 'other' }] },
      ],
      [
        'role_assignments.project.security[0].organization_id',
        { project: { security: [{ role_id: 'x', all: true, organization_id: 'other' }] } },
      ],
      [
        'role_assignments.deployment[0].organization_id',
        { deployment: [{ role_id: 'x', all: true, organization_id: 'other' }] },
      ],
      ['role_assignments.platform', { platform: [{ role_id: 'admin' }] }],
    ] as const) {
      const response = await callApi(controlPlane, 'POST', KEYS, owner.authorization, {
        body: { description: 'x', role_assignments },
      });
      expectRefused(response, 403, 'root.permission_denied', [field]);
    }
  });

  it('for a caller that is not an owner, and records the attempt', async () => {
    const org = await newOrganization(controlPlane.primary.pool);
    const viewer = await insertKey(controlPlane.primary.pool, {
      organizationId: org.organizationId,
      roleAssignments: projectRoles('elasticsearch', 'p', ['admin']),
    });
    for (const [method, path] of [
      ['POST', KEYS],
      ['DELETE', `${KEYS}/${org.id}`],
      ['POST', `${KEYS}/${org.id}/_rotate`],
    ] as const) {
      const body = path === KEYS ? { description: 'x' } : undefined;
      expectRefused(
        await callApi(controlPlane, method, path, viewer.authorization, { body }),
        403,
        'root.permission_denied',
      );
    }
    expect(
      (await auditOf(controlPlane.primary.pool, org.organizationId)).map(({ action, outcome, actor_id }) => [
        action,
        outcome,
        actor_id,
      ]),
    ).toEqual([
      ['api_key.create', 'failure', viewer.id],
      ['api_key.revoke', 'failure', viewer.id],
      ['api_key.rotate', 'failure', viewer.id],
    ]);
  });

  it('with an Idempotency-Key of no or too many characters', async () => {
    const response = await callApi(controlPlane, 'POST', KEYS, owner.authorization, {
      body: { description: 'x' },
      headers: { 'idempotency-key': 'x'.repeat(256) },
    });
    expectRefused(response, 400, 'api_keys.invalid_input', ['Idempotency-Key']);
  });
});

describe('reports a key of another organization as not found', () => {
  it.each([
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/_rotate'],
  ])('for %s {id}%s', async (method, suffix) => {
    const stranger = await newOrganization(controlPlane.primary.pool);
    const response = await callApi(
      controlPlane,
      method,
      `${KEYS}/${stranger.id}${suffix}`,
      owner.authorization,
    );
    expectRefused(response, 404, 'api_keys.key_not_found');
    const list = await callApi(controlPlane, 'GET', `${KEYS}?status=all`, owner.authorization);
    expect(JSON.stringify(list.body)).not.toContain(stranger.id);
    const bulk = await callApi(controlPlane, 'DELETE', KEYS, owner.authorization, {
      body: { keys: [stranger.id] },
    });
    expectRefused(bulk, 404, 'api_keys.key_not_found');
  });
});

describe('refuses invalid input:', () => {
  const calls: [string, string, string, unknown, number, string, string[] | undefined][] = [
    [
      'a wrong grace period',
      'POST',
      '/ID/_rotate',
      { grace_period: '1 day' },
      400,
      'api_keys.invalid_input',
      ['grace_period'],
    ],
    [
      'a grace period of 31 days',
      'POST',
      '/ID/_rotate',
      { grace_period: '31d' },
      400,
      'api_keys.invalid_input',
      ['grace_period'],
    ],
    [
      'an unknown field of a rotation',
      'POST',
      '/ID/_rotate',
      { grace: '1d' },
      400,
      'api_keys.invalid_input',
      ['grace'],
    ],
    [
      'an unknown field of null of a rotation',
      'POST',
      '/ID/_rotate',
      { grace: null },
      400,
      'api_keys.invalid_input',
      ['grace'],
    ],
    ['a wrong status', 'GET', '?status=dead', undefined, 400, 'api_keys.invalid_input', ['status']],
    ['a wrong kind', 'GET', '?kind=other', undefined, 400, 'api_keys.invalid_input', ['kind']],
    [
      'a wrong status of one key',
      'GET',
      '/ID?status=x',
      undefined,
      400,
      'api_keys.invalid_input',
      ['status'],
    ],
    ['a limit of 0', 'GET', '?limit=0', undefined, 400, 'api_keys.invalid_input', ['limit']],
    ['a limit above the maximum', 'GET', '?limit=1001', undefined, 400, 'api_keys.invalid_input', ['limit']],
    [
      'a cursor that is not a key',
      'GET',
      '?after=nothing',
      undefined,
      400,
      'api_keys.invalid_input',
      ['after'],
    ],
    [
      'a cursor that cannot be stored',
      'GET',
      '?after=%00',
      undefined,
      400,
      'api_keys.invalid_input',
      ['after'],
    ],
    [
      'a wrong expiring_within',
      'GET',
      '?expiring_within=soon',
      undefined,
      400,
      'api_keys.invalid_input',
      ['expiring_within'],
    ],
    [
      'expiring_within with a status',
      'GET',
      '?expiring_within=1d&status=all',
      undefined,
      400,
      'api_keys.invalid_input',
      ['expiring_within'],
    ],
    [
      'a force that is neither true nor false',
      'DELETE',
      '/ID?force=yes',
      undefined,
      400,
      'api_keys.invalid_input',
      ['force'],
    ],
    ['an empty list of keys to revoke', 'DELETE', '', { keys: [] }, 400, 'api_keys.invalid_input', ['keys']],
    ['keys that are not strings', 'DELETE', '', { keys: [1] }, 400, 'api_keys.invalid_input', ['keys[0]']],
    ['an unknown id', 'GET', '/nothing', undefined, 404, 'api_keys.key_not_found', undefined],
    ['an id with a NUL', 'GET', '/%00', undefined, 404, 'api_keys.key_not_found', undefined],
    [
      'the revocation of an id with a NUL',
      'DELETE',
      '/%00',
      undefined,
      404,
      'api_keys.key_not_found',
      undefined,
    ],
    ['an unknown path', 'GET', '/a/b/c', undefined, 404, 'root.not_found', undefined],
  ];
  it.each(calls)('%s', async (_title, method, path, body, status, code, fields) => {
    const target = `${KEYS}${path.replace('ID', owner.id)}`;
    expectRefused(
      await callApi(controlPlane, method, target, owner.authorization, { body }),
      status,
      code,
      fields,
    );
  });

  it('a body that is not JSON, not UTF-8, of another media type, or too large', async () => {
    const post = (rawBody: string | Buffer, type = 'application/json') =>
      callApi(controlPlane, 'POST', KEYS, owner.authorization, {
        rawBody,
        headers: { 'content-type': type },
      });
    expectRefused(await post('{'), 400, 'root.invalid_body');
    expectRefused(await post(Buffer.from([0x22, 0xff, 0x22])), 400, 'root.invalid_body');
    expectRefused(await post('a=b', 'application/x-www-form-urlencoded'), 415, 'root.unsupported_media_type');
    expectRefused(
      await post(JSON.stringify({ description: 'x'.repeat(2_000_000) })),
      413,
      'root.body_too_large',
    );
  });
});

describe('refuses a caller', () => {
  it.each([
    ['without a credential', undefined],
    ['with another scheme', 'Basic eDp5'],
    ['with a bearer token', 'Bearer x'],
    ['with a credential that cannot be decoded', 'ApiKey essu_dev_!!!!'],
    ['with an unknown key', authorizationOf(newCredential())],
  ])('%s', async (_title, authorization) => {
    const response = await callApi(controlPlane, 'GET', KEYS, authorization);
    expectRefused(response, 401, 'root.unauthenticated');
    expect(response.headers.get('www-authenticate')).toBe('ApiKey');
  });

  it('before it reads the body', async () => {
    const response = await callApi(controlPlane, 'POST', KEYS, undefined, { rawBody: '{' });
    expectRefused(response, 401, 'root.unauthenticated');
  });

  it('with a wrong secret, an expired key and a revoked key, each with its own message', async () => {
    const { organizationId } = owner;
    const wrong = authorizationOf({ ...newCredential(), id: owner.id });
    const expired = await insertKey(controlPlane.primary.pool, { organizationId, expiresAt: new Date(0) });
    const revoked = await insertKey(controlPlane.primary.pool, { organizationId, revokedAt: new Date() });
    for (const [authorization, word] of [
      [wrong, 'secret is wrong'],
      [expired.authorization, 'expired'],
      [revoked.authorization, 'revoked'],
    ] as const) {
      const response = await callApi(controlPlane, 'GET', KEYS, authorization);
      expectRefused(response, 401, 'root.unauthenticated');
      expect(response.body.errors[0].message).toContain(word);
    }
  });

  it('with an internal key without client authentication, or an external key with it', async () => {
    const internal = await insertKey(controlPlane.primary.pool, {
      organizationId: owner.organizationId,
      internal: true,
      roleAssignments: { organization: [{ role_id: 'organization-admin' }] },
    });
    const headers = { 'x-client-authentication': CLIENT_SECRET };
    expectRefused(
      await callApi(controlPlane, 'GET', KEYS, internal.authorization),
      401,
      'root.unauthenticated',
    );
    expectRefused(
      await callApi(controlPlane, 'GET', KEYS, owner.authorization, { headers }),
      401,
      'root.unauthenticated',
    );
    expect((await callApi(controlPlane, 'GET', KEYS, internal.authorization, { headers })).status).toBe(200);
  });

  it('beyond the rate limit, before it authenticates, on both base paths', async () => {
    const limited = await startTestControlPlane({ RATE_LIMIT_PER_MINUTE: '2' }, controlPlane.primary);
    try {
      const unknown = () => callApi(limited, 'GET', KEYS, authorizationOf(newCredential()));
      expect([(await unknown()).status, (await unknown()).status]).toEqual([401, 401]);
      expectRefused(await unknown(), 429, 'root.rate_limited');
      expectRefused(await callApi(limited, 'GET', KEYS, owner.authorization), 429, 'root.rate_limited');
      await callApi(limited, 'GET', KEYS, undefined);
      await callApi(limited, 'GET', KEYS, undefined);
      const uiam = await callApi(limited, 'POST', '/uiam/api/v1/api-keys/_grant', undefined, { body: {} });
      expect([uiam.status, uiam.body.error.code]).toEqual([429, '0x1A0429']);
    } finally {
      await limited.close();
    }
  });

  it('with 503 and never 401 while the primary is down', async () => {
    const cut = await startTestControlPlane(
      {
        PRIMARY_DATABASE_URL: 'postgres://iam_control_plane@127.0.0.1:1/none',
        DATABASE_CONNECT_TIMEOUT_MS: '200',
      },
      controlPlane.primary,
    );
    try {
      expectRefused(await callApi(cut, 'GET', KEYS, owner.authorization), 503, 'root.unavailable');
      const ready = await fetch(`${cut.managementUrl}/readyz`);
      expect(ready.status).toBe(503);
    } finally {
      await cut.close();
    }
  });
});
