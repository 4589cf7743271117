import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { estypes } from '@elastic/elasticsearch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  auditOf,
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { createPrimary, type TestPrimary } from '../../../support/primary.ts';
import { expectRefusal } from '../../../support/refusal.ts';

const PATH = '/uiam/api/v1/api-keys/_convert';
const NATIVE = {
  id: 'VuaCfGcBCdbkQm-e5aOx',
  credential: Buffer.from('VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw').toString('base64'),
};
/** The built-in role as Elasticsearch documents it. */
const SUPERUSER = {
  cluster: ['all'],
  indices: [
    { names: ['*'], privileges: ['all'], allow_restricted_indices: false },
    { names: ['*'], privileges: ['monitor', 'read', 'view_index_metadata'], allow_restricted_indices: true },
  ],
  applications: [{ application: '*', privileges: ['*'], resources: ['*'] }],
  run_as: ['*'],
  metadata: { _reserved: true },
  transient_metadata: {},
  remote_indices: [
    { names: ['*'], privileges: ['all'], allow_restricted_indices: false, clusters: ['*'] },
    {
      names: ['*'],
      privileges: ['monitor', 'read', 'view_index_metadata'],
      allow_restricted_indices: true,
      clusters: ['*'],
    },
  ],
  remote_cluster: [{ privileges: ['monitor_enrich', 'monitor_stats'], clusters: ['*'] }],
  description: 'Grants full access to cluster management and data indices.',
} satisfies estypes.SecurityRoleDescriptor;

/** Serves the two calls of the public Elasticsearch API that the conversion makes, with the types of the official client. */
let elasticsearch: Server;
let endpoint: string;
let asked: { path: string; authorization: string | undefined }[];
let key: estypes.SecurityApiKey;
let limitedByStatus: number;

const realm = { name: '_es_api_key', type: '_es_api_key' };
const SELF = {
  username: 'jane@example.com',
  roles: [],
  full_name: null,
  email: null,
  metadata: {},
  enabled: true,
  authentication_realm: realm,
  lookup_realm: realm,
  authentication_type: 'api_key',
  api_key: { id: NATIVE.id, name: 'nightly', managed_by: 'elasticsearch' },
} satisfies estypes.SecurityAuthenticateResponse;

function securityError(status: number): estypes.ErrorResponseBase {
  const cause = { type: 'security_exception', reason: 'refused' };
  return { error: { root_cause: [cause], ...cause }, status };
}

let primary: TestPrimary;
let controlPlane: TestControlPlane;
let organizationId: string;
beforeAll(async () => {
  elasticsearch = createServer((request, response) => {
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    asked.push({ path: request.url ?? '', authorization: request.headers.authorization });
    if (request.headers.authorization !== `ApiKey ${NATIVE.credential}`) return send(401, securityError(401));
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    if (pathname === '/_security/_authenticate') return send(200, SELF);
    if (pathname !== '/_security/api_key') return send(400, securityError(400));
    if (limitedByStatus !== 200) return send(limitedByStatus, securityError(limitedByStatus));
    // Without this parameter, Elasticsearch omits the limits.
    const { limited_by: limits, ...withoutLimits } = key;
    const withLimits = searchParams.get('with_limited_by') === 'true' && limits !== undefined;
    const found: estypes.SecurityApiKey = withLimits
      ? { ...withoutLimits, limited_by: limits }
      : withoutLimits;
    return send(200, {
      api_keys: searchParams.get('id') === key.id ? [found] : [],
    } satisfies estypes.SecurityGetApiKeyResponse);
  });
  await new Promise<void>((resolve) => elasticsearch.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(elasticsearch.address() as AddressInfo).port}`;
  primary = await createPrimary();
  ({ organizationId } = await newOrganization(primary.pool));
  controlPlane = await startTestControlPlane(
    { CONVERT_ALLOWED_HOSTS: `${endpoint}=${organizationId}/elasticsearch/shop` },
    primary,
  );
});
afterAll(async () => {
  await controlPlane?.close();
  await primary?.close();
  elasticsearch?.close();
});
beforeEach(() => {
  asked = [];
  limitedByStatus = 200;
  key = {
    id: NATIVE.id,
    name: 'nightly',
    type: 'rest',
    creation: 1_750_000_000_000,
    invalidated: false,
    username: 'jane@example.com',
    realm: 'cloud-saml-kibana',
    realm_type: 'saml',
    metadata: {},
    role_descriptors: {
      importer: {
        cluster: ['monitor'],
        indices: [{ names: ['logs-*'], privileges: ['read'], allow_restricted_indices: false }],
        applications: [],
        run_as: [],
        metadata: {},
        transient_metadata: { enabled: true },
      },
    },
    limited_by: [{ superuser: SUPERUSER }],
  };
});

const convert = (
  keys: unknown,
  headers: Record<string, string> = { 'x-client-authentication': CLIENT_SECRET },
) => callApi(controlPlane, 'POST', PATH, undefined, { body: { keys }, headers });
const native = (fields: object = {}) => ({
  type: 'elasticsearch',
  key: NATIVE.credential,
  endpoint,
  ...fields,
});

it('converts a native key to an internal key whose custom role has the permissions of the native key', async () => {
  const { status, body } = await convert([native()]);
  expect(status).toBe(200);
  expect(body.results).toEqual([
    {
      status: 'success',
      id: expect.any(String),
      key: expect.stringMatching(/^essu_dev_/),
      description: 'nightly',
      organization_id: organizationId,
      internal: true,
      role_assignments: {
        project: {
          elasticsearch: [
            {
              role_id: 'elasticsearch-application-only',
              organization_id: organizationId,
              all: false,
              project_ids: ['shop'],
              application_roles: [`converted-${NATIVE.id}-0`],
            },
          ],
        },
      },
      creation_date: expect.any(String),
      expiration_date: null,
    },
  ]);
  const { rows } = await primary.pool.query('SELECT descriptor FROM roles WHERE name = $1', [
    `converted-${NATIVE.id}-0`,
  ]);
  expect(rows[0].descriptor).toMatchObject({
    cluster: ['monitor'],
    indices: [{ names: ['logs-*'], privileges: ['read'] }],
  });
  const { rows: made } = await primary.pool.query('SELECT created_by FROM api_keys WHERE id = $1', [
    body.results[0].id,
  ]);
  expect(made[0].created_by).toBe('jane@example.com');
  const trail = JSON.stringify(await auditOf(primary.pool, organizationId));
  expect(trail).toContain('api_key.convert');
  expect(trail).not.toContain(NATIVE.credential);
  expect(controlPlane.logLines.join('')).not.toContain(NATIVE.credential);
});

it('reads the definition of a native key with that key, including the limits of its creator', async () => {
  await convert([native()]);
  expect(asked).toEqual([
    { path: '/_security/_authenticate', authorization: `ApiKey ${NATIVE.credential}` },
    {
      path: `/_security/api_key?id=${NATIVE.id}&with_limited_by=true`,
      authorization: `ApiKey ${NATIVE.credential}`,
    },
  ]);
});

it('assigns a predefined role if it has exactly the permissions of the native key', async () => {
  const viewer = await callApi(
    controlPlane,
    'GET',
    '/api/v1/roles?project_type=elasticsearch',
    (await newOrganization(primary.pool)).authorization,
  );
  const { descriptor } = viewer.body.roles.find((role: { name: string }) => role.name === 'viewer');
  key.role_descriptors = {};
  key.limited_by = [{ viewer: { ...descriptor, metadata: {}, transient_metadata: { enabled: true } } }];
  key.expiration = Date.now() + 60_000;
  const { body } = await convert([native()]);
  expect(body.results[0]).toMatchObject({
    role_assignments: { project: { elasticsearch: [{ application_roles: ['viewer'] }] } },
    expiration_date: new Date(key.expiration as number).toISOString(),
  });
});

describe('a key that cannot be converted fails alone', () => {
  const cases: [string, string, () => object][] = [
    ['an endpoint that is not allowed', '0x1A2400', () => native({ endpoint: 'http://169.254.169.254' })],
    ['an endpoint with a path', '0x1A2400', () => native({ endpoint: `${endpoint}/_security` })],
    ['an endpoint with a user', '0x1A2400', () => native({ endpoint: endpoint.replace('//', '//user@') })],
    ['a key that the endpoint refuses', '0x1A1400', () => native({ key: 'bm86cGU=' })],
    [
      'an invalidated key',
      '0x1A1400',
      () => {
        key.invalidated = true;
        return native();
      },
    ],
    [
      'an expired key',
      '0x1A1400',
      () => {
        key.expiration = 1;
        return native();
      },
    ],
    [
      'a creator who is no cloud user',
      '0x357391',
      () => {
        key.realm_type = 'native';
        return native();
      },
    ],
    [
      'limits that the key may not read',
      '0x1A3400',
      () => {
        limitedByStatus = 403;
        return native();
      },
    ],
    [
      'limits that are missing',
      '0x1A3400',
      () => {
        delete key.limited_by;
        return native();
      },
    ],
    [
      'permissions beyond the creator’s',
      '0x1A3400',
      () => {
        key.limited_by = [{ small: { cluster: ['monitor'], indices: [] } }];
        return native();
      },
    ],
    [
      'own descriptors under a name that parsers drop',
      '0x1A3400',
      () => {
        key.role_descriptors = JSON.parse('{"__proto__":{"cluster":["monitor"],"indices":"x"}}');
        return native();
      },
    ],
    [
      'more patterns than one role may have, in many descriptors',
      '0x1A3400',
      () => {
        const indices = [
          {
            names: ['*'],
            privileges: ['read'],
            field_security: { grant: ['/a*/'], except: ['/(a?){300}/'] },
          },
        ];
        key.role_descriptors = Object.fromEntries(
          Array.from({ length: 40 }, (_, at) => [`r${at}`, { cluster: [], indices }]),
        );
        return native();
      },
    ],
    [
      'several sets of limits, which mean their intersection',
      '0x1A3400',
      () => {
        key.limited_by = [{ superuser: SUPERUSER }, { none: { cluster: [], indices: [] } }];
        return native();
      },
    ],
    [
      'several sets of limits and no own descriptors',
      '0x1A3400',
      () => {
        key.role_descriptors = {};
        key.limited_by = [{ viewer: { cluster: ['monitor'] } }, { none: { cluster: [], indices: [] } }];
        return native();
      },
    ],
    [
      'an expiration that no date can express',
      '0x1A1400',
      () => {
        key.expiration = 1e18;
        return native();
      },
    ],
    [
      'an expiration in the year 10000',
      '0x1A1400',
      () => {
        key.expiration = Date.parse('9999-12-31T23:59:59.999Z') + 1;
        return native();
      },
    ],
    [
      'a creator who sees some documents only',
      '0x1A3400',
      () => {
        key.limited_by = [
          {
            some: {
              ...SUPERUSER,
              indices: [{ names: ['*'], privileges: ['all'], query: '{"term":{"a":1}}' }],
            },
          },
        ];
        return native();
      },
    ],
    [
      'permissions that no serverless role can have',
      '0x1A3400',
      () => {
        key.role_descriptors = { other: { run_as: ['root'] } };
        return native();
      },
    ],
    [
      'an endpoint that fails',
      '0x1A2503',
      () => {
        limitedByStatus = 500;
        return native();
      },
    ],
    [
      'a response of another shape',
      '0x1A2503',
      () => {
        Object.assign(key, { username: 1 });
        return native();
      },
    ],
  ];
  it.each(cases)('%s', async (_title, code, arrange) => {
    const bad = arrange();
    const { status, body } = await convert([bad, native({ endpoint: 'https://nowhere.example' })]);
    expect(status).toBe(200);
    expect(body.results.map((result: { code: string }) => result.code)).toEqual([code, '0x1A2400']);
    expect(body.results[0]).toEqual({
      status: 'failed',
      code,
      message: expect.stringMatching(/\S/),
      resource: null,
      type: expect.stringMatching(/^CONVERSION\./),
    });
  });
});

it('bounds the description, and keeps the latest expiration that a date of the API can express', async () => {
  key.expiration = Date.parse('9999-12-31T23:59:59.999Z');
  for (const [name, description] of [
    ['x'.repeat(5_000), 'x'.repeat(1_024)],
    [`${'x'.repeat(1_023)}😀`, 'x'.repeat(1_023)],
    [' ', `converted from ${NATIVE.id}`],
  ] as const) {
    key.name = name;
    const { body } = await convert([native()]);
    expect(body.results[0]).toMatchObject({
      status: 'success',
      description,
      expiration_date: '9999-12-31T23:59:59.999Z',
    });
  }
});

it('refuses untrusted callers and malformed bodies', async () => {
  expectRefusal(await convert([native()], {}), 401, '0x8560B2');
  expectRefusal(await convert([native()], { 'x-client-authentication': 'guess' }), 401, '0x8560B2');
  for (const keys of [
    undefined,
    [],
    [{ type: 'kibana', key: 'x', endpoint }],
    [native({ extra: 1 })],
    Array(1_001).fill(native()),
  ]) {
    expectRefusal(await convert(keys), 400, '0x1A0400');
  }
  expect(asked).toEqual([]);
});

it('converts 1,000 keys in one call, and fails only those that cannot be converted', async () => {
  const wrong = Buffer.from('AAAAAAAAAAAAAAAAAAAA:wrong').toString('base64');
  const keys = Array.from({ length: 1_000 }, (_, index) => native(index % 10 === 0 ? { key: wrong } : {}));
  const { status, body } = await convert(keys);
  expect(status).toBe(200);
  expect(body.results.map((result: { status: string }) => result.status)).toEqual(
    keys.map((_, index) => (index % 10 === 0 ? 'failed' : 'success')),
  );
}, 60_000);
