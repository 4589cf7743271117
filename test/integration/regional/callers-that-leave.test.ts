import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { metric } from '../../support/pods.ts';
import { authenticate, startRegional, type TestRegional } from '../../support/regional.ts';
import { connectFrom, nextStatus } from '../../support/slow-clients.ts';

/** An argon2id hash whose comparison takes about a second. No secret matches it. */
const SLOW_HASH = `$argon2id$v=19$m=131072,t=16,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const CALLERS = 40;

let databases: TestDatabases;
let regional: TestRegional;
beforeAll(async () => {
  databases = await createDatabases();
  regional = await startRegional(databases.replicaUrl, { ARGON2_CONCURRENCY: '1' });
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

async function newKeys(count: number, secretHash?: string): Promise<IssuedKey[]> {
  const keys: IssuedKey[] = [];
  for (let nth = 0; nth < count; nth += 1)
    keys.push(await insertKey(databases.primary, secretHash === undefined ? {} : { secretHash }));
  await databases.replicated();
  return keys;
}

/** Sends a call, through the fast lane or, because of its chunked body, through Fastify. */
async function send({ authorization }: IssuedKey, lane: 'fast' | 'Fastify'): Promise<Socket> {
  const socket = await connectFrom(regional.url, '127.0.0.1');
  const body =
    lane === 'fast'
      ? '\r\n'
      : 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  socket.write(`POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n${body}`);
  return socket;
}

const runs = async () => (await metric(regional, 'iam_argon2_run_seconds_count')) ?? 0;
const abandoned = async () => (await metric(regional, 'iam_argon2_abandoned_total')) ?? 0;
const waiting = () => metric(regional, 'iam_argon2_waiting');
const running = () => metric(regional, 'iam_argon2_running');

/** Occupies the only slot of argon2. Resolves when the comparison runs, with the end of it. */
async function occupySlot(slow: IssuedKey): Promise<{ end: Promise<unknown> }> {
  const end = authenticate(regional, slow.authorization);
  await expect.poll(running, { interval: 5 }).toBe(1);
  return { end };
}

it.each(['fast', 'Fastify'] as const)(
  'connections that close while their secrets wait cost no argon2 run (%s lane)',
  async (lane) => {
    const [slow] = (await newKeys(1, SLOW_HASH)) as [IssuedKey];
    const [staying, ...leaving] = (await newKeys(CALLERS + 1)) as [IssuedKey, ...IssuedKey[]];
    const before = { runs: await runs(), abandoned: await abandoned() };
    const { end } = await occupySlot(slow);
    const sockets = await Promise.all(leaving.map((key) => send(key, lane)));
    const stays = await send(staying, lane);
    const status = nextStatus(stays);
    await expect.poll(waiting, { interval: 5 }).toBe(CALLERS + 1);
    for (const socket of sockets) socket.destroy();
    // The slot is occupied until the service has seen the closed connections.
    expect(await running()).toBe(1);
    await end;
    expect(await status).toBe(200);
    stays.destroy();
    expect(await runs()).toBe(before.runs + 2);
    expect(await abandoned()).toBe(before.abandoned + CALLERS);
    expect(await waiting()).toBe(0);
  },
);

it('a secret that two connections present is compared while one of them is open', async () => {
  const [slow] = (await newKeys(1, SLOW_HASH)) as [IssuedKey];
  const [key, last] = (await newKeys(2)) as [IssuedKey, IssuedKey];
  const before = { runs: await runs(), abandoned: await abandoned() };
  const { end } = await occupySlot(slow);
  const [leaves, stays] = [await send(key, 'fast'), await send(key, 'Fastify')];
  const status = nextStatus(stays);
  // Sent after both, so both have arrived when it waits.
  const marker = await send(last, 'fast');
  const lastStatus = nextStatus(marker);
  await expect.poll(waiting, { interval: 5 }).toBe(2);
  leaves.destroy();
  expect(await running()).toBe(1);
  await end;
  expect([await status, await lastStatus]).toEqual([200, 200]);
  for (const socket of [stays, marker]) socket.destroy();
  expect(await runs()).toBe(before.runs + 3);
  expect(await abandoned()).toBe(before.abandoned);
});

it('a client that closes only its own side gets the response, or 503 if its secret has to wait', async () => {
  const [slow] = (await newKeys(1, SLOW_HASH)) as [IssuedKey];
  const [first, second] = (await newKeys(2)) as [IssuedKey, IssuedKey];
  const served = await send(first, 'fast');
  served.end();
  expect(await nextStatus(served)).toBe(200);
  const { end } = await occupySlot(slow);
  const dropped = await send(second, 'fast');
  dropped.end();
  const status = nextStatus(dropped);
  await end;
  expect(await status).toBe(503);
});
