import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auditOf,
  CLIENT_SECRET,
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { authorizationOf, newCredential } from '../../../support/keys.ts';

const LIMIT = 3;
const SECRET = 'forwarding-secret';
const KEYS = '/uiam/api/v1/api-keys';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startTestControlPlane({
    RATE_LIMIT_PER_MINUTE: String(LIMIT),
    FORWARDING_SECRETS: SECRET,
  });
});
afterAll(() => controlPlane?.close());

/** The headers of a region that forwards the call of a client. */
const from = (address: string) => ({
  'x-iam-forwarding-secret': SECRET,
  'x-iam-client-address': address,
});

/** Statuses of one call more than the limit allows. */
async function beyondLimit(call: (index: number) => Promise<{ status: number }>): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index <= LIMIT; index += 1) statuses.push((await call(index)).status);
  return statuses;
}

const unlimited = (status: number) => [...Array<number>(LIMIT).fill(status), 429];

/** Calls without a credential, and the status that a malformed body gets. */
const calls: [string, string, number][] = [
  ['POST', '/uiam/api/v1/tokens/_refresh', 401],
  ['POST', '/uiam/api/v1/tokens/_invalidate', 401],
  ['POST', `${KEYS}/_convert`, 401],
  ['POST', `${KEYS}/_grant`, 401],
  ['DELETE', `${KEYS}/some-key`, 401],
  ['PUT', `${KEYS}/_grant`, 405],
  ['POST', '/uiam/api/v1/unknown', 404],
  ['POST', '/unknown', 404],
  ['POST', '/api/v1/unknown', 401],
  ['PUT', '/api/v1/users/auth/keys', 401],
];

/** Sends the head of a request, without its body. */
async function statusOfHead(method: string, path: string, address: string): Promise<number | undefined> {
  const sent = request(`${controlPlane.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'content-length': '1000000', ...from(address) },
  });
  sent.flushHeaders();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  sent.on('error', () => {}).destroy();
  return response.statusCode;
}

describe.each(calls)('%s %s without a credential', (method, path, status) => {
  const address = `192.0.2.${calls.findIndex((call) => call[0] === method && call[1] === path)}`;

  it('counts once for its address although its body is malformed, and then is refused before its body', async () => {
    const call = () =>
      callApi(controlPlane, method, path, undefined, { rawBody: '{', headers: from(address) });
    expect(await beyondLimit(call)).toEqual(unlimited(status));
    expect(await statusOfHead(method, path, address)).toBe(429);
  });
});

it.each(calls.filter(([, , status]) => status === 401))(
  '%s %s is refused before its body is read',
  async (method, path) => {
    expect(await statusOfHead(method, path, `198.51.100.${path.length}`)).toBe(401);
  },
);

it('counts a malformed body with an unknown credential for the address', async () => {
  for (const [method, path] of [
    ['POST', `${KEYS}/_grant`],
    ['DELETE', `${KEYS}/some-key`],
  ] as const) {
    const call = () =>
      callApi(controlPlane, method, path, authorizationOf(newCredential()), {
        rawBody: '{',
        headers: from(`203.0.113.${method.length}`),
      });
    expect(await beyondLimit(call)).toEqual(unlimited(401));
  }
});

it('records a malformed body of an authenticated caller, and does not count it for the address', async () => {
  const owner = await newOrganization(controlPlane.primary.pool);
  const grant = () =>
    callApi(controlPlane, 'POST', `${KEYS}/_grant`, owner.authorization, {
      rawBody: '{',
      headers: from('203.0.113.99'),
    });
  expect(await beyondLimit(grant)).toEqual(Array(LIMIT + 1).fill(400));
  expect(await auditOf(controlPlane.primary.pool, owner.organizationId)).toMatchObject([
    { action: 'api_key.grant', outcome: 'failure', actor_id: owner.id, reason: 'root.invalid_body' },
  ]);
});

it('does not limit malformed conversions of a trusted service', async () => {
  const convert = () =>
    callApi(controlPlane, 'POST', `${KEYS}/_convert`, undefined, {
      rawBody: '{',
      headers: { 'x-client-authentication': CLIENT_SECRET, ...from('203.0.113.98') },
    });
  expect(await beyondLimit(convert)).toEqual(Array(LIMIT + 1).fill(400));
});

describe('an IPv6 client', () => {
  const refresh = (address: string) =>
    callApi(controlPlane, 'POST', '/uiam/api/v1/tokens/_refresh', undefined, { headers: from(address) });
  const guess = (address: string) =>
    callApi(controlPlane, 'GET', '/api/v1/organizations', authorizationOf(newCredential()), {
      headers: from(address),
    });

  it.each([
    ['without a credential', refresh],
    ['with unknown credentials', guess],
  ])('%s counts as its /64', async (_title, call) => {
    expect(await beyondLimit((index) => call(`2001:db8:1:2::${index + 1}`))).toEqual(unlimited(401));
    expect((await call('2001:db8:1:3::1')).status).toBe(401);
  });

  it('counts as its IPv4 address if that is mapped', async () => {
    const forms = ['192.0.2.200', '::ffff:192.0.2.200', '::ffff:c000:2c8', '0:0:0:0:0:ffff:192.0.2.200'];
    expect(await beyondLimit((index) => refresh(forms[index] as string))).toEqual(unlimited(401));
    expect((await refresh('::ffff:192.0.2.201')).status).toBe(401);
  });

  it('is in the audit trail with its full address', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const created = await callApi(controlPlane, 'POST', '/api/v1/users/auth/keys', owner.authorization, {
      body: { description: 'x' },
      headers: from('2001:db8:7:8::9'),
    });
    const { rows } = await controlPlane.primary.pool.query(
      'SELECT source_ip FROM audit_events WHERE target_id = $1',
      [created.body.id],
    );
    expect(rows).toEqual([{ source_ip: '2001:db8:7:8::9' }]);
  });
});
