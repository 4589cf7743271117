import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { call, sendBytes } from '../../support/http-call.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { startUnreadyRegional, type TestRegional } from '../../support/regional.ts';

const authorization = authorizationOf(newCredential());
let regional: TestRegional;

beforeAll(async () => {
  regional = await startUnreadyRegional(inject('postgres').region.url);
});
afterAll(() => regional?.close());

describe('a request without a route is refused with the common error body', () => {
  it.each([
    ['POST', '/'],
    ['POST', '/uiam/api/v1/authentication/_authenticate/'],
    ['GET', '/metrics'],
    ['GET', '/../../etc/passwd'],
  ])('%s %s is 404', async (method, path) => {
    const response = await call(`${regional.url}${path}`, { method, headers: { authorization } });
    expectRefusal(response, 404, '0x1A0404', [authorization]);
  });

  it.each(['GET', 'DELETE', 'PROPFIND'])('%s of _authenticate is 405', async (method) => {
    const response = await call(`${regional.url}${AUTHENTICATE_PATH}?x=1`, {
      method,
      headers: { authorization },
    });
    expectRefusal(response, 405, '0x1A0405', [authorization]);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('counts as no authentication', async () => {
    const counted = async () =>
      (await (await fetch(`${regional.managementUrl}/metrics`)).text())
        .split('\n')
        .filter((line) => line.startsWith('iam_authentication_'));
    const before = await counted();
    for (const path of ['/', '/metrics', AUTHENTICATE_PATH, '/uiam/api/v1/authentication/api-keys/_grant'])
      await call(`${regional.url}${path}`, { headers: { authorization } });
    expect(await counted()).toEqual(before);
    await call(`${regional.url}${AUTHENTICATE_PATH}`, { method: 'POST' });
    expect(await counted()).not.toEqual(before);
  });

  it('an invalid URL path is 400', async () => {
    expectRefusal(await call(`${regional.url}/%zz`, { headers: { authorization } }), 400, '0x1A0400', [
      authorization,
    ]);
  });
});

describe('an invalid HTTP request is refused with 400 in JSON, and the connection is closed', () => {
  const head = `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`;
  it.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a TLS greeting', Buffer.from('16030100c8010000c40303', 'hex')],
    ['a header line without a colon', `${head}nonsense\r\n\r\n`],
    ['a header with a control character', `${head}X-Opaque-Id: a\x00b\r\n\r\n`],
    ['a Content-Length that is no number', `${head}Content-Length: many\r\n\r\n`],
    ['two lengths', `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`],
    [
      'a chunk without a size',
      `${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ['100 KB of headers', `${head}X-Opaque-Id: ${'x'.repeat(100_000)}\r\n\r\n`],
    [
      'no Host',
      `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    ],
  ])('%s', async (_name, bytes) => {
    expectRefusal(await sendBytes(regional.url, bytes), 400, '0x1A0400', [authorization]);
  });

  it('a client that disconnects during a request does not affect other clients', async () => {
    const { hostname, port } = new URL(regional.url);
    const socket = connect(Number(port), hostname);
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`, () =>
      socket.resetAndDestroy(),
    );
    await new Promise((resolve) => socket.once('close', resolve));
    expectRefusal(await call(regional.url), 404, '0x1A0404');
    expect(regional.logLines.filter((line) => line.includes('"log.level":"error"'))).toEqual([]);
  });
});
