import { describe, expect, it } from 'vitest';
import { callDigest } from '../../../src/regional/authentication-call.ts';
import {
  MAX_BODY_BYTES,
  MAX_CONTEXTS,
  MAX_VALUES,
  parseAuthenticationRequest,
  wantsToken,
} from '../../../src/regional/authentication-request.ts';
import { permissionDenied } from '../../../src/regional/denial.ts';
import { RequestReader } from '../../../src/regional/request-reader.ts';

const CONTEXT = {
  type: 'project',
  project_id: 'shop',
  project_type: 'elasticsearch_vector',
  project_organization_id: 'org',
};
const bytes = (body: unknown) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

/** The parsed request, or the resource of the refusal. */
function parse(query: string, body?: Uint8Array) {
  try {
    return parseAuthenticationRequest(query, body);
  } catch (error) {
    const { reason, resource, message } = error as { reason: string; resource: unknown; message: string };
    return { reason, resource, message };
  }
}

describe('the request', () => {
  it('has no contexts if the body is absent, empty or says so', () => {
    const none = { contexts: undefined };
    for (const body of [undefined, Buffer.alloc(0), bytes({}), bytes({ contexts: null })])
      expect(parse('', body)).toMatchObject(none);
    expect(parse('', bytes({ contexts: [] }))).toMatchObject({ contexts: [] });
  });

  it('has the projects of its contexts, with the canonical type', () => {
    expect(parse('', bytes({ contexts: [CONTEXT] }))).toMatchObject({
      contexts: [{ projectId: 'shop', projectType: 'elasticsearch', organizationId: 'org' }],
    });
  });

  it('has descriptors unless refused, and assignments only if requested', () => {
    expect(parse('')).toMatchObject({ includeRoleAssignments: false, includeRoleDescriptors: true });
    expect(parse('include_role_assignments=true&include_role_descriptors=false')).toMatchObject({
      includeRoleAssignments: true,
      includeRoleDescriptors: false,
    });
    expect(parse('include_role_assignments=false&include_role_descriptors=true')).toMatchObject({
      includeRoleAssignments: false,
      includeRoleDescriptors: true,
    });
  });

  it('has a flag behind a thousand other parameters', () => {
    expect(parse(`${'x&'.repeat(1_000)}include_role_descriptors=false`)).toMatchObject({
      includeRoleDescriptors: false,
    });
  });

  it('has no null character in an id: Postgres would refuse the lookups of other requests with it', () => {
    for (const field of ['project_id', 'project_organization_id']) {
      expect(parse('', bytes({ contexts: [{ ...CONTEXT, [field]: 'a\0' }] }))).toMatchObject({
        reason: 'REQUEST_INVALID',
        resource: `contexts[0].${field}`,
      });
    }
  });

  it('wants a token if it says so or names an audience', () => {
    expect(['', 'include_token=false', 'include_token=true', 'audience=x'].map(wantsToken)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(() => wantsToken('include_token=yes')).toThrow(
      expect.objectContaining({ reason: 'REQUEST_INVALID' }),
    );
  });

  it('may have 1,000 contexts, and not more', () => {
    const contexts = (count: number) => bytes({ contexts: Array(count).fill(CONTEXT) });
    expect(parse('', contexts(MAX_CONTEXTS))).toMatchObject({ contexts: { length: 1_000 } });
    expect(parse('', contexts(MAX_CONTEXTS + 1))).toMatchObject({
      resource: 'contexts',
      message: expect.stringContaining('at most 1000 contexts'),
    });
  });

  it('fits the maximum size with 1,000 contexts and the longest ids', () => {
    const longest = {
      ...CONTEXT,
      project_id: 'p'.repeat(256),
      project_type: 'elasticsearch_general_purpose',
      project_organization_id: 'o'.repeat(256),
    };
    const body = bytes({ contexts: Array(MAX_CONTEXTS).fill(longest) });
    expect(parse('', body)).toMatchObject({ contexts: { length: 1_000 } });
    expect(body.length).toBeGreaterThan(0.9 * MAX_BODY_BYTES);
    expect(body.length).toBeLessThanOrEqual(MAX_BODY_BYTES);
  });

  it('has its contexts counted before they are read', () => {
    expect(parse('', bytes({ contexts: Array(MAX_CONTEXTS + 1).fill({}) }))).toMatchObject({
      resource: 'contexts',
    });
    expect(parse('', bytes({ contexts: Array(MAX_CONTEXTS).fill({}) }))).toMatchObject({
      resource: 'contexts[0].type',
    });
  });

  it.each([['['], ['{"a":'], ['1,'], [',[']])(
    'is refused before it is parsed if it has more values than 1,000 contexts need: %s',
    (unit) => {
      // No valid JSON, so a parser would refuse it for that.
      expect(parse('', bytes(unit.repeat(MAX_VALUES + 1)))).toMatchObject({
        resource: 'body',
        message: expect.stringContaining('at most 8192 values'),
      });
    },
  );

  it('may have many values, and any text', () => {
    const zeros = `{"of newer clients":[${'0,'.repeat(MAX_VALUES - 2)}0]}`;
    expect(parse('', bytes(zeros))).toMatchObject({ contexts: undefined });
    expect(parse('', bytes(zeros.replace('0', '0,0')))).toMatchObject({ resource: 'body' });
    expect(parse('', bytes({ padding: '"[{,\\'.repeat(MAX_VALUES) }))).toMatchObject({ contexts: undefined });
  });

  it.each([
    ['body', '{'],
    ['no UTF-8', 'latin1'],
    ['body', '[]'],
    ['contexts[1].project_type', { contexts: [CONTEXT, { ...CONTEXT, project_type: 'kibana' }] }],
    ['contexts[0].project_id', { contexts: [{ ...CONTEXT, project_id: '' }] }],
    ['contexts[0].project_id', { contexts: [{ ...CONTEXT, project_id: 'x'.repeat(257) }] }],
    ['contexts[0].type', { contexts: [{ ...CONTEXT, type: 'deployment' }] }],
  ])('is refused by the path of its first invalid field: %s', (resource, body) => {
    const refusal = parse('', body === 'latin1' ? Buffer.from('"é"', 'latin1') : bytes(body));
    expect(refusal).toMatchObject({ reason: 'REQUEST_INVALID' });
    if (body === '{' || body === 'latin1')
      expect(refusal).toMatchObject({ message: expect.stringContaining('JSON') });
    else expect(refusal).toMatchObject({ resource, message: expect.stringMatching(/^[^:]+: /) });
  });

  it('is refused for an unknown value of a flag', () => {
    expect(parse('include_role_assignments=yes')).toMatchObject({ resource: 'include_role_assignments' });
    expect(parse(`audience=${'x'.repeat(2_049)}`)).toMatchObject({ resource: 'audience' });
  });
});

describe('the request reader', () => {
  const reader = new RequestReader(1_000_000);
  const body = JSON.stringify({ contexts: [CONTEXT] });

  it('returns one object for equal requests, and another for different ones', () => {
    const first = reader.read('', body, 'org');
    expect(reader.read('', body, 'org')).toBe(first);
    expect(reader.read('include_role_assignments=true', body, 'org')).not.toBe(first);
    expect(reader.read('', undefined, 'org')).toMatchObject({ contexts: undefined });
    expect(reader.read('', '', 'org')).toMatchObject({ contexts: undefined });
  });

  it('does not remember a refusal as a request', () => {
    for (let time = 0; time < 2; time += 1)
      expect(() => reader.read('', '{', 'org')).toThrow('not valid JSON');
  });
});

describe('the digest of a call', () => {
  const call = {
    authorization: 'ApiKey a',
    client: { secret: undefined, certificate: false },
    rawQuery: 'q',
    body: '{}',
    network: '192.0.2.1',
  };

  it('is the same for the same call', () => {
    expect(callDigest({ ...call, client: { ...call.client } })).toBe(callDigest(call));
  });

  it('differs with everything that decides the response', () => {
    const calls = [
      call,
      { ...call, authorization: undefined },
      { ...call, authorization: 'ApiKey b' },
      { ...call, rawQuery: '' },
      { ...call, body: undefined },
      { ...call, body: '{} ' },
      { ...call, client: { secret: undefined, certificate: true } },
      { ...call, client: { secret: '', certificate: false } },
      { ...call, client: { secret: '', certificate: true } },
      { ...call, client: { secret: 'a', certificate: false } },
      { ...call, client: { secret: 'b', certificate: false } },
      { ...call, client: { secret: 'certificate', certificate: false } },
    ];
    expect(new Set(calls.map(callDigest)).size).toBe(calls.length);
  });
});

describe('the refusal of a call without any granted context', () => {
  const denied = (projectId: string) => ({
    granted: false as const,
    context: { projectId, projectType: 'security' as const, organizationId: 'org' },
    derivedFrom: [],
    reason: 'no_such_roles' as const,
    unresolved: ['a', 'b'],
  });

  it('names the first project and its reason, and counts the others', () => {
    const one = permissionDenied([denied('p1')]);
    expect(one).toMatchObject({ reason: 'PERMISSION_DENIED', resource: 'p1' });
    expect(one.message).toBe(
      'Access to security project p1 is denied: the project has none of the assigned roles: a, b.',
    );
    expect(permissionDenied([denied('p1'), denied('p2'), denied('p3')]).message).toContain(
      '(and 2 more contexts were denied)',
    );
    expect(permissionDenied([])).toMatchObject({ reason: 'PERMISSION_DENIED' });
  });
});
