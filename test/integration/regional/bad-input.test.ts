import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { MAX_BODY_BYTES, MAX_CONTEXTS } from '../../../src/regional/authentication-request.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { call } from '../../support/http-call.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';

let databases: TestDatabases;
let regional: TestRegional;
let key: IssuedKey;

beforeAll(async () => {
  databases = await createDatabases();
  regional = await startRegional(databases.replicaUrl, { DATABASE_CONNECT_TIMEOUT_MS: '10000' });
  key = await insertKey(databases.primary, {
    roleAssignments: {
      project: { elasticsearch: [{ role_id: 'x', all: true, application_roles: ['viewer', 'of-p7'] }] },
    },
  });
  await databases.replicated();
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

const post = (body: string | Buffer | ReadableStream, contentType = 'application/json') =>
  call(`${regional.url}${AUTHENTICATE_PATH}`, {
    method: 'POST',
    headers: { authorization: key.authorization, 'content-type': contentType },
    body,
  });

const contexts = (count: number) =>
  Array.from({ length: count }, (_, index) => projectContext(`p${index}`, key.organizationId));

describe('an Authorization header without a credential is refused with 401 and a helpful message', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const cases: [string, (credential: string) => string | undefined, RegExp][] = [
    ['missing', () => undefined, /missing.*ApiKey <credential>/],
    ['empty', () => '', /missing/],
    ['a scheme without a value', () => 'ApiKey', /prefix/],
    ['a bearer token', (credential) => `Bearer ${credential}`, /Bearer tokens are not accepted/],
    ['another scheme', (credential) => `Basic ${credential}`, /not ApiKey/],
    ['no scheme at all', (credential) => credential, /not ApiKey/],
    ['truncated by one character', (credential) => `ApiKey ${credential.slice(0, -1)}`, /base64/],
    ['truncated to whole base64', (credential) => `ApiKey ${credential.slice(0, -8)}`, /checksum/],
    [
      'of another environment',
      (credential) => `ApiKey ${credential.replace('essu_dev_', 'essu_')}`,
      /does not start with an accepted prefix/,
    ],
    [
      'a native Elasticsearch API key',
      () => `ApiKey ${base64('VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw')}`,
      /does not start with an accepted prefix/,
    ],
    ['with a wrong checksum', withOtherChecksum, /checksum/],
    ['base64-encoded twice', (credential) => `ApiKey ${base64(credential)}`, /a second time/],
    [
      'joined to an id and encoded twice',
      (credential) => `ApiKey ${base64(`${key.id}:${credential}`)}`,
      /joined to an id/,
    ],
    ['of 8,000 characters', (credential) => `ApiKey ${credential.repeat(70).slice(0, 8_000)}`, /longer than/],
  ];

  it.each(cases)('%s', async (_name, header, sentence) => {
    const authorization = header(key.credential);
    const response = await authenticate(regional, authorization);
    expectRefusal(response, 401, '0xD00DF3', [key.credential, key.secret, ...credentialParts(authorization)]);
    expect(response.body.error.message).toMatch(sentence);
    expect(response.headers.get('www-authenticate')).toBe('ApiKey');
  });

  it('is refused before the body is checked', async () => {
    expectRefusal(await authenticate(regional, undefined, { rawBody: 'no json' }), 401, '0xD00DF3');
  });

  it('accepts the scheme in any case', async () => {
    expect((await authenticate(regional, `apikey ${key.credential}`)).status).toBe(200);
  });

  /** The last character of the checksum that carries bits of its own is another one. */
  function withOtherChecksum(credential: string): string {
    const bytes = Buffer.from(credential.slice('essu_dev_'.length), 'base64');
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    return `ApiKey essu_dev_${bytes.toString('base64')}`;
  }

  /** What of a header must not come back: its value, and a piece of it long enough to be no coincidence. */
  function credentialParts(authorization: string | undefined): string[] {
    const value = authorization?.split(' ').at(-1) ?? '';
    return value.length < 20 ? [] : [value, value.slice(0, 20)];
  }
});

describe('an invalid body is refused with 400 and the path of the invalid field', () => {
  const first = (change: object) =>
    JSON.stringify({ contexts: [{ ...projectContext('p1', 'org'), ...change }] });
  const cases: [string, string, string | null][] = [
    ['no JSON', '{"contexts":', null],
    ['no UTF-8', 'latin1', null],
    ['a list', '[]', 'body'],
    ['a string', '"contexts"', 'body'],
    ['null', 'null', 'body'],
    ['contexts that are no list', '{"contexts":{}}', 'contexts'],
    ['a context that is no object', '{"contexts":["p1"]}', 'contexts[0]'],
    ['a context without a project', first({ project_id: undefined }), 'contexts[0].project_id'],
    ['an empty project id', first({ project_id: '' }), 'contexts[0].project_id'],
    ['a project id that is a number', first({ project_id: 1 }), 'contexts[0].project_id'],
    [
      'an organization of 10,000 characters',
      first({ project_organization_id: 'x'.repeat(10_000) }),
      'contexts[0].project_organization_id',
    ],
    ['an unknown context type', first({ type: 'deployment' }), 'contexts[0].type'],
    ['an unknown project type', first({ project_type: 'mainframe' }), 'contexts[0].project_type'],
    [
      'a project type that is part of every object',
      first({ project_type: '__proto__' }),
      'contexts[0].project_type',
    ],
  ];

  it.each(cases)('%s', async (name, rawBody, resource) => {
    const response = await post(name === 'no UTF-8' ? Buffer.from('{"contexts":"\xe9"}', 'latin1') : rawBody);
    expectRefusal(response, 400, '0x1A0400', [key.credential]);
    expect(response.body.error.resource).toBe(resource);
  });

  it('a query flag that is neither true nor false, or given twice', async () => {
    for (const query of ['?include_token=yes', '?include_token=true&include_token=true']) {
      const response = await authenticate(regional, key.authorization, { query });
      expectRefusal(response, 400, '0x1A0400');
      expect(response.body.error.resource).toBe('include_token');
    }
  });
});

describe('sizes', () => {
  it('accepts exactly 1,000 contexts', async () => {
    await putRole(databases.primary, key.organizationId, 'of-p7', {}, 'p7');
    await databases.replicated();
    const response = await authenticate(regional, key.authorization, { contexts: contexts(MAX_CONTEXTS) });
    expect([response.status, response.body.contexts?.length]).toEqual([200, 1_000]);
    const roles = response.body.contexts.map((one: { application_roles: string[] }) => one.application_roles);
    expect([roles[6], roles[7]]).toEqual([['viewer'], ['viewer', 'of-p7']]);
  });

  it('refuses 1,001 contexts with 400 and says how many are allowed', async () => {
    const response = await authenticate(regional, key.authorization, {
      contexts: contexts(MAX_CONTEXTS + 1),
    });
    expectRefusal(response, 400, '0x1A0400');
    expect(response.body.error).toMatchObject({
      resource: 'contexts',
      message: expect.stringContaining('at most 1000 contexts'),
    });
  });

  it('refuses a longer body than 1,000 contexts need with 413, announced or chunked', async () => {
    const ofLength = (length: number) => '{}'.padEnd(length);
    expect((await post(ofLength(MAX_BODY_BYTES))).status).toBe(200);
    const tooLong = ofLength(MAX_BODY_BYTES + 1);
    for (const body of [tooLong, new Blob([tooLong]).stream()]) {
      expectRefusal(await post(body), 413, '0x1A0413', [key.credential]);
    }
  });
});

describe('content types', () => {
  it('accepts the JSON content type without a body, and no content type without a body', async () => {
    expect((await authenticate(regional, key.authorization, { rawBody: '' })).status).toBe(200);
    expect((await authenticate(regional, key.authorization)).status).toBe(200);
  });

  it('accepts JSON with a charset and vendor JSON', async () => {
    for (const type of [
      'application/json; charset=utf-8',
      'application/vnd.elasticsearch+json; compatible-with=9',
    ]) {
      expect((await post('{}', type)).status).toBe(200);
    }
  });

  it('refuses every other content type with 415', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/jsonp',
      'nonsense',
      '',
    ]) {
      expectRefusal(await post('{}', type), 415, '0x1A0415');
    }
  });
});
