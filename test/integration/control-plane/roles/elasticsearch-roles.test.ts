import { Client, errors } from '@elastic/elasticsearch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auditOf,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey } from '../../../support/keys.ts';

const PROJECT = '/api/v1/projects/elasticsearch/shop';
const ROLES = `${PROJECT}/_security/role`;

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let client: Client;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
  client = new Client({
    node: `${controlPlane.url}${PROJECT}`,
    auth: { apiKey: owner.authorization.replace('ApiKey ', '') },
  });
});
afterAll(async () => {
  await client?.close();
  await controlPlane?.close();
});
const api = (method: string, path: string, body?: unknown, as = owner) =>
  callApi(controlPlane, method, path, as.authorization, { body });

/** The body of Elasticsearch for an error. */
const elasticsearchError = (status: number, type: string, reason: unknown) => ({
  status,
  error: { root_cause: [{ type, reason }], type, reason },
});

describe('the official client', () => {
  it('writes, replaces, reads, lists and deletes roles', async () => {
    const name = 'log-reader';
    const indices = [{ names: ['logs-*'], privileges: ['read' as const] }];
    expect(await client.security.putRole({ name, indices, cluster: ['monitor'] })).toEqual({
      role: { created: true },
    });
    expect(await client.security.putRole({ name, indices, refresh: 'wait_for' })).toEqual({
      role: { created: false },
    });
    const role = {
      cluster: [],
      indices,
      applications: [],
      run_as: [],
      metadata: {},
      transient_metadata: { enabled: true },
    };
    expect(await client.security.getRole({ name })).toEqual({ [name]: role });
    await client.security.putRole({ name: 'other', metadata: { team: 'a' } });
    expect(Object.keys(await client.security.getRole())).toEqual([name, 'other']);
    expect(Object.keys(await client.security.getRole({ name: [name, 'other', 'ghost'] }))).toEqual([
      name,
      'other',
    ]);
    expect(await client.security.deleteRole({ name })).toEqual({ found: true });
    const failure = await client.security.deleteRole({ name }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(errors.ResponseError);
    expect(failure).toMatchObject({ statusCode: 404, body: { found: false } });
    await expect(client.security.getRole({ name })).rejects.toMatchObject({ statusCode: 404, body: {} });
  });

  it('receives the reasons of a refusal in the format of Elasticsearch', async () => {
    const role = {
      name: 'broken',
      indices: [{ names: ['/a(/'], privileges: ['read' as const], query: 'x' }],
    };
    const failure = await client.security.putRole(role).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      statusCode: 400,
      body: elasticsearchError(
        400,
        'action_request_validation_exception',
        expect.stringMatching(
          /^Validation Failed: 1: indices\[0\]\.names\[0\]: .*; ?2: indices\[0\]\.query: .*;$/,
        ),
      ),
    });
  });
});

describe('a call of a script', () => {
  it('gets unknown privileges as Warning headers, or a refusal with ?strict=true', async () => {
    const role = { cluster: ['manage_tea', 'manage_"cup"'] };
    const accepted = await api('PUT', `${ROLES}/tea`, role);
    expect(accepted.body).toEqual({ role: { created: true } });
    expect(accepted.headers.get('warning')).toBe(
      '299 regional-iam "cluster[0]: \\"manage_tea\\" is not a known cluster privilege; it is stored unchanged", ' +
        '299 regional-iam "cluster[1]: \\"manage_\\\\\\"cup\\\\\\"\\" is not a known cluster privilege; it is stored unchanged"',
    );
    expect((await api('POST', `${ROLES}/tea?strict=true`, role)).status).toBe(400);
    expect((await api('POST', `${ROLES}/tea?strict=true&pretty`, { cluster: ['all'] })).body).toEqual({
      role: { created: false },
    });
  });

  it('shares its roles with the role calls of this service', async () => {
    await api('PUT', `${ROLES}/shared`, { cluster: ['monitor'] });
    expect((await api('GET', `${PROJECT}/roles/shared`)).body.shared.cluster).toEqual(['monitor']);
    await api('DELETE', `${PROJECT}/roles/shared`);
    expect(await api('GET', `${ROLES}/shared`)).toMatchObject({ status: 404, body: {} });
  });

  it.each<[string, () => Promise<{ status: number; body: unknown }>, number, string, RegExp]>([
    [
      'without a valid key',
      () => callApi(controlPlane, 'GET', ROLES, 'ApiKey nonsense'),
      401,
      'security_exception',
      /./,
    ],
    [
      'without the permission',
      async () => api('GET', ROLES, undefined, await insertKey(controlPlane.primary.pool)),
      403,
      'security_exception',
      /owner/,
    ],
    [
      'with a predefined name',
      () => api('PUT', `${ROLES}/viewer`, {}),
      400,
      'action_request_validation_exception',
      /predefined/,
    ],
    [
      'with an unknown project type',
      () => api('GET', '/api/v1/projects/ess/shop/_security/role'),
      400,
      'action_request_validation_exception',
      /project_type/,
    ],
    [
      'with an unknown query parameter',
      () => api('PUT', `${ROLES}/a?strickt=true`, {}),
      400,
      'action_request_validation_exception',
      /strickt/,
    ],
    ['with a wrong method', () => api('PATCH', `${ROLES}/a`, {}), 405, 'exception', /method/],
  ])('%s is refused in the format of Elasticsearch', async (_name, call, status, type, reason) => {
    const response = await call();
    expect(response).toMatchObject({
      status,
      body: elasticsearchError(status, type, expect.stringMatching(reason)),
    });
  });

  it.each([
    ['{"cluster":', /not valid JSON/],
    ['{"cluster":["all"],"cluster":["monitor"]}', /"cluster" occurs twice/],
    ['{"indices":[{"names":"a","privileges":["read"],"query":{"a":{}},"query":{}}]}', /"query" occurs twice/],
  ])('with the body %s is refused as not parseable', async (body, reason) => {
    for (const path of [`${ROLES}/twice`, `${PROJECT}/roles/twice`]) {
      const response = await callApi(controlPlane, 'PUT', path, owner.authorization, { rawBody: body });
      expect(response.status).toBe(400);
      const { error, errors: problems } = response.body;
      expect(error?.reason ?? problems[0].message).toMatch(reason);
      if (path.startsWith(ROLES)) expect(error.type).toBe('x_content_parse_exception');
    }
  });

  it('leaves an audit event, also if it is refused', async () => {
    const auditor = await newOrganization(controlPlane.primary.pool);
    await api('PUT', `${ROLES}/audited`, {}, auditor);
    await api('PUT', `${ROLES}/audited`, { cluster: 7 }, auditor);
    await api('DELETE', `${ROLES}/ghost`, undefined, auditor);
    const events = await auditOf(controlPlane.primary.pool, auditor.organizationId);
    expect(events).toMatchObject([
      { action: 'role.put', outcome: 'success', target_id: 'elasticsearch/shop/audited' },
      { action: 'role.put', outcome: 'failure', target_id: 'elasticsearch/shop/audited' },
      { action: 'role.delete', outcome: 'failure', target_id: 'elasticsearch/shop/ghost' },
    ]);
  });
});

it('shows and keeps a role that was stored under older rules', async () => {
  await controlPlane.primary.pool.query(
    `INSERT INTO roles (organization_id, project_type, project_id, name, descriptor, version)
     VALUES ($1, 'elasticsearch', 'shop', 'older', $2, 0)`,
    [
      owner.organizationId,
      JSON.stringify({ indices: [{ names: ['/a(/'], privileges: ['read'], query: 'x' }] }),
    ],
  );
  expect((await api('GET', `${ROLES}/older`)).body.older).toEqual({
    cluster: [],
    indices: [{ names: ['/a(/'], privileges: ['read'], query: 'x' }],
    applications: [],
    run_as: [],
    metadata: {},
    transient_metadata: { enabled: true },
  });
});
