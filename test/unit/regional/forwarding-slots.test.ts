import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_UNFINISHED } from '../../../src/http/node-connections.ts';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

// 500 calls at once take long on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** Of one client, which uses half of the slots at most. */
const RUNNING = 128;
const WAITING = 256;
const CALLS = 500;
/** More than the kernel takes for a client that does not read. */
const LONG_BYTES = 8_000_000;
const BUDGET_BYTES = 1_048_576;
const authorization = authorizationOf(newCredential());

/** A control plane that responds to probes, and to no call. */
let slow: Server;
let region: StubRegion;
const sockets = new Set<Socket>();
beforeEach(async () => {
  slow = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head) => {
        if (String(head).startsWith('HEAD'))
          socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
        else sockets.add(socket);
      });
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const { port } = slow.address() as { port: number };
  region = await startStubRegion(
    { CONTROL_PLANE_URL: `http://127.0.0.1:${port}`, CREDENTIAL_PREFIX: 'essu_dev' },
    async () => '{}',
  );
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  slow.close();
  await region.app.close();
});

it('forwards a bounded number of calls at once, and refuses those that would wait for long', async () => {
  const outcomes = { refusedAtOnce: 0, refusedLater: 0 };
  const startedAt = performance.now();
  const calls = Array.from({ length: CALLS }, async () => {
    const response = await fetch(`${region.url}/uiam/api/v1/api-keys/_grant`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: '{}',
    });
    const { error } = (await response.json()) as { error: { code: string } };
    if (error.code !== '0x1A9503') return;
    if (performance.now() - startedAt < 1_900) outcomes.refusedAtOnce += 1;
    else outcomes.refusedLater += 1;
  });
  await expect
    .poll(() => outcomes.refusedAtOnce + outcomes.refusedLater, { timeout: 30_000 })
    .toBe(CALLS - RUNNING);
  expect(outcomes.refusedLater).toBeGreaterThanOrEqual(WAITING);
  // The calls that run occupy the connections of the control plane, and no more.
  expect(sockets.size).toBeLessThanOrEqual(RUNNING);
  for (const socket of sockets) socket.destroy();
  await Promise.all(calls);
});

it('answers calls without a decodable credential while all others wait for the control plane', async () => {
  const grant = (headers: Record<string, string>, signal?: AbortSignal) =>
    fetch(`${region.url}/uiam/api/v1/api-keys/_grant`, {
      method: 'POST',
      headers,
      ...(signal && { signal }),
    });
  const abort = new AbortController();
  const waiting = Array.from({ length: RUNNING }, () => grant({ authorization }, abort.signal));
  await expect.poll(() => sockets.size, { timeout: 30_000 }).toBe(RUNNING);
  const startedAt = performance.now();
  expect((await grant({})).status).toBe(401);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  abort.abort();
  await Promise.allSettled(waiting);
});

it('forwards the call of a client at another address at once while one client uses all that it can', async () => {
  const grantFrom = (localAddress: string) =>
    request(`${region.url}/uiam/api/v1/api-keys/_grant`, {
      method: 'POST',
      localAddress,
      headers: { authorization },
    })
      .on('error', () => {})
      .end();
  const greedy = Array.from({ length: RUNNING + WAITING }, () => grantFrom('127.0.0.1'));
  await expect.poll(() => sockets.size, { timeout: 30_000 }).toBe(RUNNING);
  const other = grantFrom('127.0.0.2');
  await expect.poll(() => sockets.size, { timeout: 5_000 }).toBe(RUNNING + 1);
  for (const call of [...greedy, other]) call.destroy();
});

it('keeps the slots of calls whose clients have left until the control plane has answered', async () => {
  const grant = (signal?: AbortSignal) =>
    fetch(`${region.url}/uiam/api/v1/api-keys/_grant`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: '{}',
      ...(signal && { signal }),
    });
  const abort = new AbortController();
  const left = Array.from({ length: RUNNING }, () => grant(abort.signal));
  await expect.poll(() => sockets.size, { timeout: 30_000 }).toBe(RUNNING);
  abort.abort();
  await Promise.allSettled(left);
  const refused = await grant();
  expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: '0x1A9503' } }]);
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  const abortNext = new AbortController();
  const next = grant(abortNext.signal);
  await expect.poll(() => sockets.size, { timeout: 30_000 }).toBe(1);
  abortNext.abort();
  await Promise.allSettled([next]);
});

describe('a client that does not read its responses', () => {
  let upstream: HttpServer;
  let forwarding: StubRegion;
  const unread: Socket[] = [];
  let bodyBytes: number;
  let forwarded: number;
  beforeEach(async () => {
    bodyBytes = 100;
    forwarded = 0;
    upstream = createHttpServer((request, response) => {
      forwarded += 1;
      request.resume();
      response.end('x'.repeat(bodyBytes));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as { port: number };
    forwarding = await startStubRegion(
      {
        CONTROL_PLANE_URL: `http://127.0.0.1:${port}`,
        CREDENTIAL_PREFIX: 'essu_dev',
        RESPONSE_BUDGET_BYTES: String(BUDGET_BYTES),
        MAX_RESPONSE_BYTES: '1000000',
      },
      async () => 'x'.repeat(LONG_BYTES),
    );
  });
  afterEach(async () => {
    for (const socket of unread.splice(0)) socket.destroy();
    upstream.closeAllConnections();
    upstream.close();
    await forwarding.app.close();
  });

  const revoke = 'DELETE /uiam/api/v1/api-keys/id HTTP/1.1\r\nHost: x\r\n';
  const revocation = `${revoke}Authorization: ${authorization}\r\n\r\n`;
  /** The field makes node:http serve the request. */
  const longCall = `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n`;

  /** Sends requests, and reads no response. */
  async function send(requests: string): Promise<Socket> {
    const socket = connect(Number(new URL(forwarding.url).port), '127.0.0.1').pause();
    unread.push(socket.on('error', () => {}));
    await once(socket, 'connect');
    socket.write(requests);
    return socket;
  }

  /** Forwarded calls whose responses wait behind a long one. */
  async function sendUnread(count: number): Promise<void> {
    const each = MAX_UNFINISHED - 1;
    for (let sent = 0; sent < count; sent += each) {
      await send(longCall + revocation.repeat(Math.min(each, count - sent)));
    }
  }

  const revokeAnother = async () => {
    const { status } = await fetch(`${forwarding.url}/uiam/api/v1/api-keys/id`, {
      method: 'DELETE',
      headers: { authorization },
    });
    return status;
  };

  it('does not delay the forwarded calls of others', async () => {
    await sendUnread(RUNNING + WAITING);
    await expect.poll(() => forwarded, { timeout: 30_000 }).toBe(RUNNING + WAITING);
    expect(await revokeAnother()).toBe(200);
  });

  it('has long responses counted in the budget, and keeps the slots of those beyond it', async () => {
    bodyBytes = 200_000;
    const { responses } = forwarding.traffic;
    const counted = Math.floor(BUDGET_BYTES / bodyBytes);
    await sendUnread(counted + RUNNING);
    await expect.poll(() => forwarded, { timeout: 30_000 }).toBe(counted + RUNNING);
    await expect.poll(() => responses.bytes).toBe(counted * bodyBytes);
    expect(await revokeAnother()).toBe(503);
    for (const socket of unread) socket.destroy();
    await expect.poll(() => responses.bytes).toBe(0);
    expect(await revokeAnother()).toBe(200);
  });
});
