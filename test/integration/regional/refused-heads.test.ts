import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { MAX_BODY_BYTES } from '../../../src/regional/authentication-request.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { startRegional, type TestRegional } from '../../support/regional.ts';

const LENGTH = 100_000;
const valid = `Authorization: ${authorizationOf(newCredential())}\r\n`;

let databases: TestDatabases;
let regional: TestRegional;
let socket: Socket | undefined;
beforeAll(async () => {
  databases = await createDatabases();
  regional = await startRegional(databases.replicaUrl);
});
afterAll(async () => {
  await regional?.close();
  await databases?.close();
});
afterEach(() => void socket?.destroy());

function head(method: string, path: string, headers = '', type = 'application/json'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${LENGTH}\r\n${headers}\r\n`;
}

async function send(text: string): Promise<Socket> {
  const { hostname, port } = new URL(regional.url);
  socket = connect(Number(port), hostname).setEncoding('utf8');
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

async function nextStatus(client: Socket): Promise<number> {
  const [text] = (await once(client, 'data')) as [string];
  return Number(text.split(' ')[1]);
}

it.each([
  [401, 'a missing credential', head('POST', AUTHENTICATE_PATH)],
  [
    401,
    'a damaged credential',
    head('POST', AUTHENTICATE_PATH, `${valid.replace('essu_dev_', 'essu_dev_A')}`),
  ],
  [401, 'a missing credential of any type', head('POST', AUTHENTICATE_PATH, '', 'text/plain')],
  [
    413,
    'a body that is too long',
    head('POST', AUTHENTICATE_PATH, valid).replace(`${LENGTH}`, `${MAX_BODY_BYTES + 1}`),
  ],
  [415, 'another content type', head('POST', AUTHENTICATE_PATH, valid, 'text/plain')],
  [404, 'another path', head('POST', '/uiam/api/v1/unknown', valid)],
  [405, 'another method', head('PUT', AUTHENTICATE_PATH, valid)],
])('answers with %i before the body of a request with %s arrives', async (status, _name, text) => {
  expect(await nextStatus(await send(text))).toBe(status);
});

it.each([
  ['in the fast lane', head('POST', AUTHENTICATE_PATH)],
  ['in node:http', head('POST', AUTHENTICATE_PATH, 'Trailer: x\r\n')],
])('serves the next request after a body that it did not read, %s', async (_name, text) => {
  const client = await send(text);
  expect(await nextStatus(client)).toBe(401);
  client.write(`${'x'.repeat(LENGTH)}${head('GET', '/next').replace(`${LENGTH}`, '0')}`);
  expect(await nextStatus(client)).toBe(404);
});

it.each([
  ['in the fast lane', ''],
  ['in node:http', 'Trailer: x\r\n'],
])(
  'answers a made-up credential with 401 once its body has arrived, whatever that is, %s',
  async (_name, field) => {
    const client = await send(`${head('POST', AUTHENTICATE_PATH, `${valid}${field}`)}{`);
    client.write(`"contexts":1]${' '.repeat(LENGTH - 14)}`);
    expect(await nextStatus(client)).toBe(401);
  },
);
