import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { type StubRegion, startStubRegion } from '../../support/stub-region.ts';

const RUNNING = 128;
const WAITING = 256;
const CALLS = 500;
const authorization = authorizationOf(newCredential());

let silent: Server;
let region: StubRegion;
const sockets = new Set<Socket>();
beforeEach(async () => {
  silent = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  region = await startStubRegion(
    { CONTROL_PLANE_URL: `http://127.0.0.1:${port}`, CREDENTIAL_PREFIX: 'essu_dev' },
    async () => '{}',
  );
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  silent.close();
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
    .poll(() => outcomes.refusedAtOnce + outcomes.refusedLater, { timeout: 10_000 })
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
  await expect.poll(() => sockets.size, { timeout: 10_000 }).toBe(RUNNING);
  const startedAt = performance.now();
  expect((await grant({})).status).toBe(401);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  abort.abort();
  await Promise.allSettled(waiting);
});
