import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, inject, it, vi } from 'vitest';
import { call, sendBytes } from '../../support/http-call.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { CLIENT_SECRET, startUnreadyRegional, type TestRegional } from '../../support/regional.ts';

const KEYS = '/uiam/api/v1/api-keys';
const SECRET = 'forwarding-secret';
const authorization = authorizationOf(newCredential());

/** Records what the region forwards, in place of a control plane. */
let controlPlane: Server;
/** A server to which nothing may be forwarded. */
let other: Server;
let region: TestRegional;
let received: { method: string | undefined; url: string | undefined; headers: IncomingMessage['headers'] }[];
const reached: string[] = [];
beforeAll(async () => {
  controlPlane = createServer((sent, response) => {
    const { method, url, headers } = sent;
    received.push({ method, url, headers });
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': '2',
      connection: 'close, x-of-this-connection',
      'x-of-this-connection': '1',
      'keep-alive': 'timeout=1',
      'proxy-authenticate': 'Basic',
      'x-end-to-end': '1',
    });
    response.end('{}');
  });
  other = createServer((sent, response) => {
    reached.push(sent.url ?? '');
    response.end('{}');
  });
  for (const server of [controlPlane, other])
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  region = await startUnreadyRegional(inject('postgres').region.url, {
    CONTROL_PLANE_URL: `http://127.0.0.1:${portOf(controlPlane)}`,
    FORWARDING_SECRETS: SECRET,
  });
});
afterAll(async () => {
  await region?.close();
  controlPlane?.close();
  other?.close();
});
beforeEach(() => {
  received = [];
});

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** Sends headers that fetch does not allow. */
async function grant(headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${region.url}${KEYS}/_grant`,
      {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', 'x-end-to-end': '1', ...headers },
      },
      (response) => {
        text(response).then(() => resolve(response), reject);
      },
    );
    sent.on('error', reject).end('{}');
  });
}

/** The response to a request whose body does not arrive. */
async function refusedHead(service: TestRegional, path: string, headers: Record<string, string>) {
  const sent = request(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': '1000000', ...headers },
  });
  sent.flushHeaders();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const body = JSON.parse(await text(response));
  sent.on('error', () => {}).destroy();
  return { status: response.statusCode ?? 0, headers: new Headers(response.headers as object), body };
}

it.each([
  ['expect', { expect: '100-continue' }],
  ['keep-alive', { 'keep-alive': '5', connection: 'close' }],
  ['te', { te: 'trailers' }],
  ['trailer', { trailer: 'x-checksum' }],
  ['transfer-encoding', { 'transfer-encoding': 'chunked' }],
  ['upgrade', { upgrade: 'h2c', connection: 'upgrade, http2-settings', 'http2-settings': 'AAMAAABk' }],
  ['upgrade', { upgrade: 'h2c', connection: 'close' }],
  ['proxy-authorization', { 'proxy-authorization': 'Basic eDp5' }],
  ['proxy-authenticate', { 'proxy-authenticate': 'Basic' }],
  ['proxy-authentication-info', { 'proxy-authentication-info': 'x' }],
  ['proxy-connection', { 'proxy-connection': 'keep-alive' }],
  ['x-of-this-connection', { connection: 'X-Of-This-Connection', 'x-of-this-connection': '1' }],
])('forwards a call but not its header %s, which is for one connection', async (name, headers) => {
  const response = await grant(headers as Record<string, string>);
  expect(response.statusCode).toBe(200);
  const [forwarded] = received;
  expect(forwarded?.headers).toMatchObject({ 'x-end-to-end': '1', 'x-iam-forwarding-secret': SECRET });
  expect(Object.keys(forwarded?.headers ?? {})).not.toContain(name);
  expect(forwarded?.headers['http2-settings']).toBeUndefined();
});

it.each([
  ['no credential', {}],
  ['a Bearer token', { authorization: 'Bearer x' }],
  ['a damaged credential', { authorization: authorization.slice(0, -4) }],
])('forwards no call that needs a credential with %s', async (_name, headers) => {
  for (const [method, path] of [
    ['POST', '/_grant'],
    ['DELETE', '/some-id'],
  ] as const) {
    const response = await call(`${region.url}${KEYS}${path}`, { method, headers });
    expectRefusal(response, 401, '0xD00DF3');
  }
  expect(received).toEqual([]);
});

it.each([
  ['no client secret', {}],
  ['an empty client secret', { 'x-client-authentication': '' }],
  ['another client secret', { 'x-client-authentication': `${CLIENT_SECRET}s` }],
  ['a credential alone', { authorization }],
])('forwards no conversion with %s', async (_name, headers) => {
  expectRefusal(await refusedHead(region, `${KEYS}/_convert`, headers), 401, '0x8560B2');
  expect(received).toEqual([]);
});

it('leaves the comparison of client secrets to the control plane if the region has none', async () => {
  const without = await startUnreadyRegional(inject('postgres').region.url, {
    CONTROL_PLANE_URL: `http://127.0.0.1:${portOf(controlPlane)}`,
    CLIENT_AUTHENTICATION_SECRETS: '',
  });
  try {
    const convert = (headers: Record<string, string>) =>
      call(`${without.url}${KEYS}/_convert`, { method: 'POST', headers });
    expectRefusal(await convert({}), 401, '0x8560B2');
    expect(received).toEqual([]);
    expect((await convert({ 'x-client-authentication': 'any' })).status).toBe(200);
  } finally {
    await without.close();
  }
});

it.each(['_refresh', '_invalidate'])('refuses the token call %s before its body is read', async (name) => {
  expectRefusal(await refusedHead(region, `/uiam/api/v1/tokens/${name}`, {}), 401, '0x7E0116');
  expect(received).toEqual([]);
});

it('does not let a client remove the headers of this region with Connection', async () => {
  await grant({
    connection: 'x-iam-forwarding-secret, x-iam-client-address, x-request-id, content-length, host',
  });
  expect(received[0]?.headers).toMatchObject({
    'x-iam-forwarding-secret': SECRET,
    'x-iam-client-address': '127.0.0.1',
    'x-request-id': expect.stringMatching(/./),
    'content-length': '2',
    host: `127.0.0.1:${portOf(controlPlane)}`,
  });
});

it('states the address that a trusted proxy states, and no other', async () => {
  const addressBehind = async (proxies: string) => {
    const behind = await startUnreadyRegional(inject('postgres').region.url, {
      CONTROL_PLANE_URL: `http://127.0.0.1:${portOf(controlPlane)}`,
      FORWARDING_SECRETS: SECRET,
      TRUSTED_PROXIES: proxies,
    });
    try {
      await call(`${behind.url}${KEYS}/_grant`, {
        method: 'POST',
        headers: { authorization, 'x-forwarded-for': '203.0.113.9, 198.51.100.7' },
      });
      return received.pop()?.headers;
    } finally {
      await behind.close();
    }
  };
  expect(await addressBehind('loopback')).toMatchObject({
    'x-iam-client-address': '198.51.100.7',
    'x-forwarded-for': '203.0.113.9, 198.51.100.7, 127.0.0.1',
  });
  expect(await addressBehind('192.0.2.1')).toMatchObject({ 'x-iam-client-address': '127.0.0.1' });
});

it('does not return headers that are for the connection to the control plane', async () => {
  const { headers } = await grant({});
  expect(headers['x-end-to-end']).toBe('1');
  expect(headers.connection).not.toContain('close');
  for (const name of ['x-of-this-connection', 'proxy-authenticate']) expect(headers[name]).toBeUndefined();
  expect(headers['keep-alive']).not.toBe('timeout=1');
});

it.each([
  ['POST', `${KEYS}/_grant`, `${KEYS}/_grant`],
  ['POST', `${KEYS}/_grant?a=/../&b=%zz&c=x?y`, `${KEYS}/_grant?a=/../&b=%zz&c=x?y`],
  ['DELETE', `${KEYS}/some%2Bid?force=true`, `${KEYS}/some%2Bid?force=true`],
  ['DELETE', `${KEYS}/x\\..\\..\\api\\v1`, `${KEYS}/x%5C..%5C..%5Capi%5Cv1`],
  ['POST', `http://OTHER${KEYS}/_convert`, `${KEYS}/_convert`],
  ['DELETE', `http://OTHER${KEYS}/id?force=true`, `${KEYS}/id?force=true`],
  ['POST', `HTTP://user:pw@OTHER${KEYS}/_grant`, `${KEYS}/_grant`],
])('forwards %s %s to the control plane only, as path and query', async (method, target, forwarded) => {
  const host = `127.0.0.1:${portOf(other)}`;
  const { status } = await sendBytes(
    region.url,
    `${method} ${target.replace('OTHER', host)} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nX-Client-Authentication: ${CLIENT_SECRET}\r\nConnection: close\r\n\r\n`,
  );
  expect(status).toBe(200);
  expect(received).toMatchObject([{ method, url: forwarded }]);
  expect(reached).toEqual([]);
});

it.each([
  [`${KEYS}/../../../../api/v1/users/auth/keys`, 404],
  [`${KEYS}/..`, 400],
  [`${KEYS}/%2e%2e%2f%2e%2e`, 400],
  [`http://OTHER#${KEYS}/id`, 400],
  [`http:///${KEYS}/id`, 400],
  [`//OTHER${KEYS}/id`, 404],
])('forwards nothing for the target %s', async (target, status) => {
  const host = `127.0.0.1:${portOf(other)}`;
  const response = await sendBytes(
    region.url,
    `DELETE ${target.replace('OTHER', host)} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
  );
  expectRefusal(response, status, status === 404 ? '0x1A0404' : '0x1A0400');
  expect([received, reached]).toEqual([[], []]);
});

it('waits 10 s for a silent control plane, and 60 s for a conversion, and limits the log lines of failures', async () => {
  const slow = createServer((sent, response) => {
    // Longer than the timeout of the other calls.
    if (sent.url?.endsWith('_convert')) setTimeout(() => response.end('{}'), 14_000);
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const patient = await startUnreadyRegional(inject('postgres').region.url, {
    CONTROL_PLANE_URL: `http://127.0.0.1:${portOf(slow)}`,
  });
  try {
    const begun = performance.now();
    const send = (method: string, path: string) =>
      call(`${patient.url}${KEYS}${path}`, {
        method,
        headers: { authorization, 'x-client-authentication': CLIENT_SECRET },
      });
    const conversion = send('POST', '/_convert');
    const others = await Promise.all([
      send('POST', '/_grant'),
      send('POST', '/_grant'),
      send('DELETE', '/id'),
      send('DELETE', '/id'),
    ]);
    for (const response of others) expectRefusal(response, 503, '0x1A1503');
    expect(performance.now() - begun).toBeGreaterThan(9_000);
    expect(performance.now() - begun).toBeLessThan(13_500);
    expect((await conversion).status).toBe(200);
    const failures = patient.logLines.filter((line) => line.includes('0x1A1503'));
    expect(failures).not.toEqual([]);
    expect(failures.length).toBeLessThan(others.length);
    expect(patient.logLines.join('')).not.toContain('response errored');
  } finally {
    await patient.close();
    slow.closeAllConnections();
    slow.close();
  }
}, 30_000);

it('refuses calls at once while the control plane is silent, sends none twice, and forwards again when it responds', async () => {
  let responds = false;
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const silent = createServer((sent, response) => {
    requests.push(`${sent.method} ${sent.url}`);
    // A connection that is accepted and then carries nothing, as behind a network that drops packets.
    if (responds) response.writeHead(401, { 'content-length': '2' }).end('{}');
  }).on('connection', (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const cut = await startUnreadyRegional(inject('postgres').region.url, {
    CONTROL_PLANE_URL: `http://127.0.0.1:${portOf(silent)}`,
  });
  const revoke = (id: string) =>
    call(`${cut.url}${KEYS}/${id}`, { method: 'DELETE', headers: { authorization } });
  try {
    const first = revoke('first');
    await vi.waitFor(() => expect(cut.logLines.join('')).toContain('control plane is silent'), {
      timeout: 9_000,
    });
    for (let nth = 0; nth < 100; nth += 1) {
      const refused = await revoke('later');
      expectRefusal(refused, 503, '0x1A1503');
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    }
    expectRefusal(await first, 503, '0x1A1503');
    expect(requests.filter((one) => one.startsWith('DELETE'))).toEqual([`DELETE ${KEYS}/first`]);
    expect(await metric(cut, 'iam_forwarded_calls_total{outcome="unavailable"}')).toBe(101);

    responds = true;
    await vi.waitFor(() => expect(cut.logLines.join('')).toContain('calls are forwarded again'), {
      timeout: 15_000,
    });
    expect((await revoke('again')).status).toBe(401);
    expect(await metric(cut, 'iam_forwarded_calls_total{outcome="unauthenticated"}')).toBe(1);
  } finally {
    await cut.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
}, 40_000);

it.each([
  ['GET', `${KEYS}/_grant`, 'DELETE'],
  ['PUT', `${KEYS}/some-id`, 'DELETE'],
  ['GET', '/uiam/api/v1/tokens/_refresh', 'POST'],
])('refuses %s %s with 405 and the methods that it has', async (method, path, methods) => {
  const response = await call(`${region.url}${path}`, { method, headers: { authorization } });
  expectRefusal(response, 405, '0x1A0405');
  expect(response.headers.get('allow')).toContain(methods);
  expect(received).toEqual([]);
});
