import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
} from '../../support/keys.ts';
import { authenticate, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';
import { connectFrom, metricOf, nextStatus } from '../../support/slow-clients.ts';

const MIB = 1_048_576;
const BUDGET = 8 * MIB;
const BODY_TIMEOUT_MS = 30_000;
const CONNECTIONS = 1_800;
const REFUSED = 'iam_traffic_refusals_total{reason="body_budget"}';
const BODY = Buffer.alloc(100_000, ' ');

let databases: TestDatabases;
let regional: TestRegional;
let key: IssuedKey;
let sockets: Socket[] = [];

beforeAll(async () => {
  databases = await createDatabases();
  key = await insertKey(databases.primary, {
    roleAssignments: projectRoles('elasticsearch', 'p1', ['viewer']),
  });
  await databases.replicated();
  regional = await startRegional(databases.replicaUrl, {
    BODY_BUDGET_BYTES: String(BUDGET),
    BODY_TIMEOUT_MS: String(BODY_TIMEOUT_MS),
  });
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});

const head = (authorization: string, length: number) =>
  `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: ${authorization}\r\nContent-Length: ${length}\r\n\r\n`;

async function open(address = '127.0.0.1'): Promise<Socket> {
  const socket = await connectFrom(regional.url, address);
  sockets.push(socket);
  return socket;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the buffers that are in use. */
function bufferBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/**
 * Sends most of a body of 100 KB on each of 1,800 connections: 180 MB. Waits until far less is in buffers, for a third of the time that
 * a body may take: what was just read is freed late.
 */
async function flood(authorization: () => string): Promise<void> {
  const before = bufferBytes();
  for (let index = 0; index < CONNECTIONS; index += 1) {
    const socket = await open(`127.0.1.${1 + (index % 200)}`);
    socket.resume();
    socket.write(head(authorization(), BODY.length + 1));
    socket.write(BODY);
  }
  await expect
    .poll(() => bufferBytes() - before, { interval: 500, timeout: BODY_TIMEOUT_MS / 3 })
    .toBeLessThan(60_000_000);
}

const contexts = () => [projectContext('p1', key.organizationId)];

it('buffers nothing of 1,800 large bodies without a credential', async () => {
  await flood(() => 'ApiKey none');
  expect(await metricOf(regional, 'iam_body_bytes')).toBe(0);
  expect((await authenticate(regional, key.authorization, { contexts: contexts() })).status).toBe(200);
}, 60_000);

it('bounds the memory of 1,800 large bodies with a credential, and serves others meanwhile', async () => {
  const refused = await metricOf(regional, REFUSED);
  await flood(() => authorizationOf(newCredential()));
  expect(await metricOf(regional, 'iam_body_bytes')).toBeLessThanOrEqual(BUDGET);
  expect(await metricOf(regional, REFUSED)).toBeGreaterThan(refused);
  expect((await authenticate(regional, key.authorization, { contexts: contexts() })).status).toBe(200);
  // All bytes are returned: of refused bodies, of late ones, and of closed connections.
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => metricOf(regional, 'iam_body_bytes'), { timeout: 10_000 }).toBe(0);
}, 60_000);

it('refuses a body beyond the budget with 503 and its own code, and keeps the connection usable', async () => {
  const fill = async (address: string) => {
    const bodies = 50;
    for (let index = 0; index < bodies; index += 1) {
      const socket = await open(address);
      socket.write(head(key.authorization, BODY.length + 1));
      socket.write(BODY);
    }
  };
  // Each address uses half of what the ones before leave, until that is less than two bodies.
  for (const end of [2, 3, 5, 6, 7, 8, 9, 10]) await fill(`127.0.0.${end}`);
  await expect.poll(() => metricOf(regional, 'iam_body_bytes')).toBeGreaterThan(BUDGET - 180_000);
  const socket = await open('127.0.0.4');
  const answered = once(socket, 'data');
  socket.write(head(key.authorization, BODY.length));
  socket.write(BODY);
  const text = String((await answered)[0]);
  expect(text).toMatch(/^HTTP\/1\.1 503 .*retry-after: 1\r\n.*"0x1AB503"/is);
  socket.write(head(key.authorization, 2));
  socket.write('{}');
  expect(await nextStatus(socket)).toBe(200);
}, 30_000);

it.each([
  ['in the fast lane', ''],
  ['in node:http', 'Trailer: x\r\n'],
])(
  'reads a request that arrives byte by byte, %s',
  async (_name, field) => {
    const socket = await open();
    socket.setNoDelay(true);
    const answered = nextStatus(socket);
    const text = `${head(key.authorization, 500).replace('\r\n', `\r\n${field}`)}{}${' '.repeat(498)}`;
    for (const byte of Buffer.from(text)) {
      socket.write(Buffer.of(byte));
      await immediate();
    }
    expect(await answered).toBe(200);
  },
  30_000,
);

describe('the time of a body', () => {
  let hasty: TestRegional;
  beforeAll(async () => {
    hasty = await startRegional(databases.replicaUrl, { BODY_TIMEOUT_MS: '500' });
  });
  afterAll(() => hasty?.close());

  it('refuses a body that does not arrive in time with 408, and closes the connection', async () => {
    const late = 'iam_traffic_refusals_total{reason="body_timeout"}';
    const before = await metricOf(hasty, late);
    const socket = await connectFrom(hasty.url, '127.0.0.1');
    socket.write(`${head(key.authorization, 100)}{`);
    expect(await nextStatus(socket)).toBe(408);
    await once(socket, 'close');
    expect(await metricOf(hasty, late)).toBe(before + 1);
  });

  it('closes a connection whose refused body does not end', async () => {
    const socket = await connectFrom(hasty.url, '127.0.0.1');
    socket.write(head('ApiKey none', 100));
    expect(await nextStatus(socket)).toBe(401);
    await once(socket, 'close');
  });
});
