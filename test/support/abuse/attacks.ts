import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { MAX_BODY_BYTES } from '../../../src/regional/authentication-request.ts';
import { authorizationOf, newCredential } from '../keys.ts';
import { projectContext } from '../regional.ts';
import { connectFrom } from '../slow-clients.ts';
import { Storm } from '../storm.ts';

/** What a tenant or a client without a credential can send. Each attack resolves when it is over. */

interface Key {
  id: string;
  organizationId: string;
  authorization: string;
}

const headOf = (authorization: string, length: number) =>
  `POST ${AUTHENTICATE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: ${authorization}\r\nContent-Length: ${length}\r\n\r\n`;

/** Addresses of this host, because limits count by address. */
const addressOf = (index: number) => `127.0.1.${1 + (index % 200)}`;

function contextsOf(key: Key, count: number): string {
  return JSON.stringify({
    contexts: Array.from({ length: count }, () => projectContext('p1', key.organizationId)),
  });
}

/** Requests the same context again and again, with large roles. @param contexts per request */
export async function requestMuch(url: string, owner: Key, contexts: number, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const response = await fetch(`${url}${AUTHENTICATE_PATH}`, {
      method: 'POST',
      headers: { authorization: owner.authorization, 'content-type': 'application/json' },
      body: contextsOf(owner, contexts),
    });
    for await (const _ of response.body ?? []) {
      // The test must not hold what it measures in the other process.
    }
  }
}

/** Requests long responses over many connections, and reads none. */
export async function readNothing(url: string, owner: Key, connections: number): Promise<void> {
  const body = contextsOf(owner, 4);
  const sockets: Socket[] = [];
  for (let index = 0; index < connections; index += 1) {
    const socket = await connectFrom(url, addressOf(index));
    sockets.push(socket.pause());
    socket.write(headOf(owner.authorization, body.length) + body);
  }
  await sleep(3_000);
  for (const socket of sockets) socket.destroy();
}

/**
 * Sends all but the last byte of large bodies over many connections, with credentials that are made up.
 * @param bytes of each whole body
 */
export async function sendSlowBodies(url: string, connections: number, bytes: number): Promise<void> {
  const body = Buffer.alloc(bytes - 1, ' ');
  const sockets: Socket[] = [];
  for (let index = 0; index < connections; index += 1) {
    const socket = await connectFrom(url, addressOf(index));
    sockets.push(socket.resume());
    socket.write(headOf(authorizationOf(newCredential()), bytes));
    if (!socket.write(body)) await Promise.race([once(socket, 'drain'), once(socket, 'close'), sleep(200)]);
  }
  await sleep(1_000);
  for (const socket of sockets) socket.destroy();
}

/** Sends bodies that take long to parse, again and again, with credentials that are made up. */
export async function sendDeepBodies(url: string, connections: number, milliseconds: number): Promise<void> {
  const body = '['.repeat(MAX_BODY_BYTES / 2) + ']'.repeat(MAX_BODY_BYTES / 2);
  const until = performance.now() + milliseconds;
  const send = async (index: number) => {
    const socket = await connectFrom(url, addressOf(index));
    const write = () => socket.write(headOf(authorizationOf(newCredential()), body.length) + body);
    write();
    for await (const _response of socket) {
      if (performance.now() >= until) break;
      write();
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => send(index)));
}

/** Sends wrong secrets for the ids of one organization. */
export async function guessSecrets(
  url: string,
  targets: readonly Key[],
  milliseconds: number,
): Promise<void> {
  const storm = new Storm({
    kind: 'wrong',
    url,
    ids: targets.map(({ id }) => id),
    clients: 32,
    count: 10_000_000,
    pauseMs: 5,
  });
  await sleep(milliseconds);
  await storm.stop();
}
