import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../../src/regional/authentication-call.ts';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  projectRoles,
  revokeKey,
} from '../../support/keys.ts';
import { CLIENT_SECRET, projectContext, startRegional, type TestRegional } from '../../support/regional.ts';

interface Call {
  method: string;
  path: string;
  headers: Record<string, string | string[]>;
  body: string | undefined;
}

let databases: TestDatabases;
let fast: TestRegional;
let plain: TestRegional;
let keys: Record<'viewer' | 'roleless' | 'internal' | 'revoked' | 'expired', IssuedKey>;

beforeAll(async () => {
  databases = await createDatabases();
  const roleAssignments = projectRoles('elasticsearch', 'pé1', ['viewer', 'ghost']);
  keys = {
    viewer: await insertKey(databases.primary, { roleAssignments, createdBy: 'üser-✓-1' }),
    roleless: await insertKey(databases.primary),
    internal: await insertKey(databases.primary, { roleAssignments, internal: true }),
    revoked: await insertKey(databases.primary, { revokedAt: new Date() }),
    expired: await insertKey(databases.primary, { expiresAt: new Date(0) }),
  };
  await databases.replicated();
  const settings = { BODY_LIMIT_BYTES: '400000' };
  fast = await startRegional(databases.replicaUrl, settings);
  plain = await startRegional(databases.replicaUrl, {
    ...settings,
    FAST_LANE: 'false',
    CACHE_MAX_ENTRIES: '1',
  });
});
afterAll(async () => {
  await fast?.close();
  await plain?.close();
  await databases?.close();
});

/** The response without request id, date and length. */
async function send(service: TestRegional, call: Call) {
  const { status, headers, body } = await new Promise<{ status: number; headers: object; body: string }>(
    (resolve, reject) => {
      const outgoing = request(
        `${service.url}${call.path}`,
        { method: call.method, headers: call.headers },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: { ...response.headers, date: undefined },
              body: Buffer.concat(chunks).toString('latin1'),
            }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(call.body);
    },
  );
  return {
    status,
    headers: { ...headers, 'content-length': undefined },
    body: body.replace(/"request_id":"[^"]*"/, '"request_id":"…"'),
  };
}

const usual = (key: IssuedKey, change: Partial<Call> = {}): Call => ({
  method: 'POST',
  path: AUTHENTICATE_PATH,
  headers: { authorization: key.authorization, 'content-type': 'application/json' },
  body: JSON.stringify({ contexts: [projectContext('pé1', key.organizationId)] }),
  ...change,
});

function corpus(): Call[] {
  const { viewer, internal } = keys;
  const headers = usual(viewer).headers;
  const context = projectContext('pé1', viewer.organizationId);
  const bodies = [
    undefined,
    '',
    '{}',
    'null',
    '[]',
    '{"contexts":null}',
    '{"contexts":[]}',
    '{"contexts":[{}]}',
    '{"contexts":[{"type":"deployment"}]}',
    '{bad json',
    '"\\u00e9"',
    JSON.stringify({ contexts: [context, projectContext('other', viewer.organizationId)] }),
    JSON.stringify({ contexts: [context, projectContext('pé1', 'another-organization')] }),
    JSON.stringify({ contexts: Array.from({ length: 100 }, () => context) }),
    JSON.stringify({ contexts: Array.from({ length: 1_001 }, () => context) }),
    `${JSON.stringify({ contexts: [context] })}${' '.repeat(300_000)}`,
    `${JSON.stringify({ contexts: [context] })}${' '.repeat(400_000)}`,
    'x'.repeat(2_000_000),
  ];
  const queries = [
    '',
    '?',
    '?include_role_assignments=true',
    '?include_role_descriptors=false',
    '?include_token=maybe',
    '?a=1&a=2',
    '?%zz',
  ];
  return [
    ...Object.values(keys).map((key) => usual(key)),
    ...bodies.map((body) => usual(viewer, { body })),
    ...queries.map((query) => usual(viewer, { path: `${AUTHENTICATE_PATH}${query}` })),
    usual(internal, {
      headers: {
        ...headers,
        authorization: internal.authorization,
        'x-client-authentication': CLIENT_SECRET,
      },
    }),
    usual(internal, {
      headers: { ...headers, authorization: internal.authorization, 'x-client-authentication': '' },
    }),
    usual(viewer, { headers: { ...headers, 'x-client-authentication': CLIENT_SECRET } }),
    usual(viewer, { headers: { ...headers, 'x-client-authentication': '' } }),
    usual(viewer, { headers: { ...headers, 'content-type': 'application/json; charset=utf-8' } }),
    usual(viewer, { headers: { ...headers, 'content-type': 'text/plain' } }),
    usual(viewer, { headers: { authorization: viewer.authorization } }),
    usual(viewer, { headers: { authorization: viewer.authorization }, body: undefined }),
    usual(viewer, { headers: { ...headers, 'transfer-encoding': 'chunked' } }),
    usual(viewer, {
      headers: { ...headers, authorization: viewer.authorization.replace('ApiKey', 'apikey') },
    }),
    usual(viewer, { headers: { ...headers, authorization: `${viewer.authorization} ` } }),
    usual(viewer, { headers: { ...headers, authorization: `Bearer ${viewer.credential}` } }),
    usual(viewer, { headers: { 'content-type': 'application/json' } }),
    ...[newCredential(), { ...newCredential(), id: viewer.id }].flatMap((wrong) =>
      bodies.map((body) =>
        usual(viewer, { headers: { ...headers, authorization: authorizationOf(wrong) }, body }),
      ),
    ),
    usual(viewer, { method: 'GET', body: undefined }),
    usual(viewer, { method: 'PUT' }),
    usual(viewer, { path: `${AUTHENTICATE_PATH}/` }),
    usual(viewer, { path: `${AUTHENTICATE_PATH}x` }),
    usual(viewer, { path: '/nothing' }),
  ];
}

/** A call with one random change of a byte in its credential, its body or its query. */
function mutate(call: Call, random: () => number): Call {
  const change = (text: string) => {
    const at = Math.floor(random() * text.length);
    return text.slice(0, at) + String.fromCharCode(33 + Math.floor(random() * 90)) + text.slice(at + 1);
  };
  const kind = Math.floor(random() * 3);
  if (kind === 0)
    return {
      ...call,
      headers: { ...call.headers, authorization: change(call.headers.authorization as string) },
    };
  if (kind === 1 && call.body) return { ...call, body: change(call.body) };
  return { ...call, path: `${call.path}?${change('include_role_descriptors=false')}` };
}

/** Deterministic, so that a failure can be repeated (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function expectSame(call: Call): Promise<void> {
  await send(fast, call);
  await send(plain, usual(keys.roleless));
  const [fastResponse, plainResponse] = [await send(fast, call), await send(plain, call)];
  expect(fastResponse, JSON.stringify({ ...call, headers: Object.keys(call.headers) }).slice(0, 500)).toEqual(
    plainResponse,
  );
}

/** The bytes of a call, as they are on the wire. */
function wire(call: Call, extraFields: string[] = []): string {
  const body = Buffer.from(call.body ?? '').toString('latin1');
  const fields = Object.entries({ host: 'x', 'content-length': String(body.length), ...call.headers });
  const lines = [...fields.map(([name, value]) => `${name}: ${String(value)}`), ...extraFields];
  return `${call.method} ${call.path} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
}

/**
 * Sends pieces, each when the one before has left, and gives every byte until the server closes.
 * @param first is sent before, and answered before anything else is sent
 */
async function stream(service: TestRegional, pieces: string[], first?: string): Promise<string> {
  const { port } = new URL(service.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  if (first !== undefined) {
    socket.write(first, 'latin1');
    await once(socket, 'data');
  }
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, 'latin1', resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  return Buffer.concat(received)
    .toString('latin1')
    .replace(/"request_id":"[^"]*"/g, '"request_id":"…"')
    .replace(/content-length: \d+/g, 'content-length: …')
    .replace(/Date: [^\r]*/g, 'Date: …');
}

/** Cuts a text into pieces at random places; without any cut one time in three. */
function cut(text: string, random: () => number): string[] {
  const cuts = random() < 1 / 3 ? 0 : Math.floor(random() * 6);
  const places = Array.from({ length: cuts }, () => Math.floor(random() * text.length)).sort((a, b) => a - b);
  return [...places, text.length].map((place, index) => text.slice(places[index - 1] ?? 0, place));
}

async function memoryHits(): Promise<number> {
  const metrics = await (await fetch(`${fast.managementUrl}/metrics`)).text();
  return Number(
    /iam_authentication_requests_total\{outcome="granted",tier="memory"\} (\d+)/.exec(metrics)?.[1] ?? 0,
  );
}

describe('the fast lane', () => {
  it('returns the same response as the route for every kind of call', async () => {
    for (const call of corpus()) await expectSame(call);
  });

  it('returns the same response as the route for calls with a random byte changed', async () => {
    const random = seeded(7);
    for (let count = 0; count < 300; count += 1) await expectSame(mutate(usual(keys.viewer), random));
  });

  it('serves the second of two equal calls from memory, and none after the key is revoked', async () => {
    const key = await insertKey(databases.primary, {
      roleAssignments: projectRoles('elasticsearch', 'pé1', ['viewer']),
    });
    await databases.replicated();
    const first = await send(fast, usual(key));
    const before = await memoryHits();
    expect(await send(fast, usual(key))).toEqual(first);
    expect(await memoryHits()).toBe(before + 1);

    await revokeKey(databases.primary, key.id);
    await databases.replicated();
    await expect.poll(async () => (await send(fast, usual(key))).status).toBe(401);
  });

  it('distinguishes calls that differ only in which header has the credential', async () => {
    const { viewer } = keys;
    await send(fast, usual(viewer));
    const moved = usual(viewer, {
      headers: { 'content-type': 'application/json', 'x-client-authentication': viewer.authorization },
    });
    expect((await send(fast, moved)).status).toBe(401);
  });

  describe('on one connection', () => {
    const last = () => wire(usual(keys.viewer), ['connection: close']);
    const unusual = [
      (text: string) => text.replace('\r\n', '\n'),
      (text: string) => text.replace('HTTP/1.1', 'HTTP/1.0'),
      (text: string) => text.replace('host: x', 'Host : x'),
      (text: string) => text.replace('\r\n\r\n', '\r\nx-y: a\r\n b\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\ntransfer-encoding: chunked\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\ncontent-length: 3\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\ncontent-length:\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\nauthorization: ApiKey x\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\nx-y: \xe9\r\n\r\n'),
      (text: string) => text.replace('\r\n\r\n', '\r\nx-y: a\rb\r\n\r\n'),
      (text: string) => text.replace(/content-length: \d+/, 'content-length: +5'),
      (text: string) => text.replace(/^POST/, 'GET'),
      (text: string) => `\r\n${text}`,
      (text: string) => `hello${text}`,
    ];

    it('pipelined calls of every kind, split anywhere, have the same responses as without the lane', async () => {
      const random = seeded(11);
      const some = corpus().filter(
        ({ headers, body = '' }) => headers['transfer-encoding'] === undefined && body.length < 20_000,
      );
      const draw = () => some[Math.floor(random() * some.length)] as Call;
      for (let round = 0; round < 150; round += 1) {
        const text =
          Array.from({ length: 1 + Math.floor(random() * 5) }, () => wire(draw())).join('') + last();
        const pieces = cut(text, random);
        expect(await stream(fast, pieces), text).toBe(await stream(plain, pieces));
      }
    });

    it('bytes that are not a plain request, and all that follow, are handled as without the lane', async () => {
      const random = seeded(13);
      for (const change of unusual) {
        const first = wire(usual(keys.viewer));
        const text = change(first) + last();
        for (let round = 0; round < 5; round += 1) {
          const pieces = round === 0 ? [text] : cut(text, random);
          expect(await stream(fast, pieces, first), JSON.stringify(text)).toBe(
            await stream(plain, pieces, first),
          );
        }
      }
    });

    it('serves a request that arrives slowly', async () => {
      const text = wire(usual(keys.viewer));
      const { port } = new URL(fast.url);
      const socket = connect(Number(port), '127.0.0.1');
      for (const piece of [text.slice(0, 30), text.slice(30, -5), text.slice(-5)]) {
        socket.write(piece, 'latin1');
        await new Promise((resolve) => setTimeout(resolve, 1_200)); // longer than the lane waits
      }
      const [response] = (await once(socket, 'data')) as [Buffer];
      expect(response.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      socket.destroy();
    });

    it('stops reading from a client that never reads its responses', async () => {
      const { port } = new URL(fast.url);
      const socket = connect(Number(port), '127.0.0.1').pause();
      const hits = await memoryHits();
      const batch = wire(usual(keys.viewer)).repeat(500);
      let sent = 0;
      while (socket.writableLength < 8_388_608) {
        socket.write(batch, 'latin1');
        sent += 500;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await memoryHits()) - hits).toBeLessThan(sent);
      socket.destroy();
    });
  });
});

describe('closing', () => {
  it('closes idle connections at once', async () => {
    const service = await startRegional(databases.replicaUrl);
    const { port } = new URL(service.url);
    const idle = connect(Number(port), '127.0.0.1');
    idle.write(wire(usual(keys.viewer)), 'latin1');
    await once(idle, 'data');
    const gone = once(idle, 'close');
    await service.close();
    await gone;
  });

  it('finishes open requests first and sends Connection: close', async () => {
    const service = await startRegional(databases.replicaUrl);
    const { port } = new URL(service.url);
    const busy = connect(Number(port), '127.0.0.1');
    let received = '';
    busy.setEncoding('latin1').on('data', (text: string) => {
      received += text;
    });
    const gone = once(busy, 'close');
    const blocker = await databases.region.connect();
    await blocker.query('BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE');
    busy.write(wire(usual(keys.viewer)), 'latin1');
    await expect
      .poll(
        async () =>
          (
            await blocker.query(
              "SELECT count(*)::int AS waiting FROM pg_locks WHERE relation = 'api_keys'::regclass AND NOT granted",
            )
          ).rows[0],
      )
      .toEqual({ waiting: 1 });
    const closed = service.close();
    await blocker.query('ROLLBACK');
    blocker.release();
    await Promise.all([closed, gone]);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n/);
  });
});
