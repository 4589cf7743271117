import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AUTHENTICATE_PATH } from '../../src/regional/authentication-path.ts';
import { type IssuedKey, insertKey, projectRoles, revokeKey } from '../support/keys.ts';
import { CLIENT_SECRET, projectContext, startRegional, type TestRegional } from '../support/regional.ts';
import { createWorld, type World } from '../support/world.ts';

interface Call {
  method: string;
  path: string;
  headers: Record<string, string | string[]>;
  body: string | undefined;
}

let world: World;
let fast: TestRegional;
let plain: TestRegional;
let keys: Record<'viewer' | 'roleless' | 'internal' | 'revoked' | 'expired', IssuedKey>;

beforeAll(async () => {
  world = await createWorld();
  const roleAssignments = projectRoles('elasticsearch', 'pé1', ['viewer', 'ghost']);
  keys = {
    viewer: await insertKey(world.primary, { roleAssignments, createdBy: 'üser-✓-1' }),
    roleless: await insertKey(world.primary),
    internal: await insertKey(world.primary, { roleAssignments, internal: true }),
    revoked: await insertKey(world.primary, { revokedAt: new Date() }),
    expired: await insertKey(world.primary, { expiresAt: new Date(0) }),
  };
  await world.replicated();
  const settings = { BODY_LIMIT_BYTES: '400000' };
  fast = await startRegional(world.replicaUrl, settings);
  plain = await startRegional(world.replicaUrl, { ...settings, FAST_LANE: 'false', CACHE_MAX_ENTRIES: '1' });
});
afterAll(async () => {
  await fast?.close();
  await plain?.close();
  await world?.close();
});

/** Everything of an answer that does not name the request or the moment. */
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
    JSON.stringify({ contexts: [context, projectContext('pé1', 'somebody-else')] }),
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
  const [fastAnswer, plainAnswer] = [await send(fast, call), await send(plain, call)];
  expect(fastAnswer, JSON.stringify({ ...call, headers: Object.keys(call.headers) }).slice(0, 500)).toEqual(
    plainAnswer,
  );
}

async function memoryHits(): Promise<number> {
  const metrics = await (await fetch(`${fast.managementUrl}/metrics`)).text();
  return Number(
    /iam_authentication_requests_total\{outcome="granted",tier="memory"\} (\d+)/.exec(metrics)?.[1] ?? 0,
  );
}

describe('the fast lane', () => {
  it('answers what the long way answers, for every kind of call', async () => {
    for (const call of corpus()) await expectSame(call);
  });

  it('answers what the long way answers, for calls with a random byte changed', async () => {
    const random = seeded(7);
    for (let count = 0; count < 300; count += 1) await expectSame(mutate(usual(keys.viewer), random));
  });

  it('takes the second of two equal calls, and none after the key is revoked', async () => {
    const key = await insertKey(world.primary, {
      roleAssignments: projectRoles('elasticsearch', 'pé1', ['viewer']),
    });
    await world.replicated();
    const first = await send(fast, usual(key));
    const before = await memoryHits();
    expect(await send(fast, usual(key))).toEqual(first);
    expect(await memoryHits()).toBe(before + 1);

    await revokeKey(world.primary, key.id);
    await world.replicated();
    await expect.poll(async () => (await send(fast, usual(key))).status).toBe(401);
  });

  it('never mixes up calls that differ only in how their parts are joined', async () => {
    const { viewer } = keys;
    await send(fast, usual(viewer));
    const moved = usual(viewer, {
      headers: { 'content-type': 'application/json', 'x-client-authentication': viewer.authorization },
    });
    expect((await send(fast, moved)).status).toBe(401);
  });
});
