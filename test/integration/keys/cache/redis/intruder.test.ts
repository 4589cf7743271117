import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { credentialDigest } from '../../../../../src/credential/digest.ts';
import { hashSecret } from '../../../../../src/credential/hash.ts';
import { RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { SealedBox } from '../../../../../src/keys/cache/redis/sealed-box.ts';
import { callDigest } from '../../../../../src/regional/authentication-call.ts';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import {
  authorizationOf,
  type IssuedKey,
  insertKey,
  newCredential,
  revokeKey,
  TEST_HASH_PARAMETERS,
} from '../../../../support/keys.ts';
import { metric, outcome, type Pods, startPods } from '../../../../support/pods.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { authenticate } from '../../../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const MISSING = '401 0x28D520';
const REVOKED = '401 0xD38358';

const cacheKey = randomBytes(32);
const places = new RedisKeys([cacheKey]);

let databases: TestDatabases;
let redis: TestRedis;
let intruder: RedisAdmin;
let pods: Pods;
let good: IssuedKey;
let other: IssuedKey;
let revoked: IssuedKey;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  intruder = new RedisAdmin(redis.url);
  pods = await startPods(1, databases.replicaUrl, redis.url, {
    CACHE_KEYS: cacheKey.toString('base64'),
    // What is in Redis must be read: in time, however busy the machine is, and not found in memory instead.
    REDIS_TIMEOUT_MS: '1000',
    CACHE_MAX_ENTRIES: '1',
  });
});
afterAll(async () => {
  await pods?.stop();
  intruder?.close();
  await redis?.stop();
  await databases?.close();
});

/** Keys that the region knows, with everything about them in Redis. */
beforeEach(async () => {
  await intruder.client.flushdb();
  good = await insertKey(databases.primary, { createdBy: 'good' });
  other = await insertKey(databases.primary, { createdBy: 'other' });
  revoked = await insertKey(databases.primary, { createdBy: 'revoked', revokedAt: new Date() });
  await databases.replicated();
  await expectTruth();
  await expect.poll(async () => (await intruder.values()).length).toBeGreaterThanOrEqual(8);
});

async function ask(authorization: string): Promise<string> {
  const answer = await authenticate(pods.all[0] as { url: string }, authorization);
  return answer.status === 200 ? `200 ${answer.body.user_id}` : outcome(answer);
}

/** A wrong secret for the good key, not seen before. */
function wrongCredential(): { id: string; secret: string; layout: 'v1' } {
  return { ...newCredential(), id: good.id, layout: 'v1' };
}

/** What is so, whatever Redis says. In this order nothing is answered from memory, which has room for one. */
async function expectTruth(wrong = wrongCredential()): Promise<void> {
  expect([
    await ask(authorizationOf(wrong)),
    await ask(revoked.authorization),
    await ask(other.authorization),
    await ask(good.authorization),
  ]).toEqual([MISSING, REVOKED, '200 other', '200 good']);
}

interface PlacesOfKey {
  fence: string;
  credential: string;
  /** Of the call that `ask` makes. */
  answer: string;
}

function placesOf({ id, secret }: { id: string; secret: string }): PlacesOfKey {
  const [credential] = places.entries('credential', id, credentialDigest(id, secret)) as [string];
  const authorization = authorizationOf({ id, secret, layout: 'v1' });
  const client = { secret: undefined, certificate: false };
  const call = callDigest({ authorization, client, rawQuery: '', body: undefined });
  const [answer] = places.entries('answer', id, call) as [string];
  const [fence] = places.fences(id) as [string];
  return { fence, credential, answer };
}

async function valueAt(place: string): Promise<Buffer> {
  const value = await intruder.client.getBuffer(place);
  if (value === null) throw new Error('nothing is there');
  return value;
}

function flipped(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  const bit = Math.floor(Math.random() * copy.length * 8);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

it('what the intruder would change is really read: without a change the answers come from Redis', async () => {
  const fromRedis = () =>
    metric(
      pods.all[0] as Pods['all'][number],
      'iam_authentication_requests_total{outcome="granted",tier="redis"}',
    );
  const before = (await fromRedis()) ?? 0;
  await expectTruth();
  expect(await fromRedis()).toBe(before + 2);
});

const changes: [name: string, change: (value: Buffer, place: string) => Buffer | string][] = [
  ['emptied', () => ''],
  ['cut in half', (value) => value.subarray(0, value.length / 2)],
  ['cut by a byte', (value) => value.subarray(0, -1)],
  ['a version', () => '0000000000000001'],
  ['noise', (value) => randomBytes(value.length)],
  ['changed in one bit', flipped],
  ['the highest version', () => 'f'.repeat(16)],
  ['a version that is none', () => 'z'.repeat(16)],
  ['8 MiB long', () => Buffer.alloc(8 * 1024 * 1024, 'x')],
];

it.each(changes)('no answer changes when every value in Redis is %s', async (_name, change) => {
  for (const [name, value] of await intruder.values()) await intruder.client.set(name, change(value, name));
  await expectTruth();
  await expectTruth();
});

it('no answer changes when forged values stand at the right places', async () => {
  const record = {
    id: revoked.id,
    organizationId: 'org-1',
    secretHash: await hashSecret(revoked.secret, TEST_HASH_PARAMETERS),
    previousSecretHash: null,
    previousSecretExpiresAtMs: null,
    roleAssignments: {},
    internal: false,
    createdBy: 'forged',
    createdAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
    version: Number.MAX_SAFE_INTEGER,
  };
  const { roleAssignments, ...rest } = record;
  const key = { record: rest, confirmedAtMs: Date.now(), verifiedHash: record.secretHash };
  const facts = {
    id: revoked.id,
    version: Number.MAX_SAFE_INTEGER,
    internal: false,
    scopes: [],
    confirmedAtMs: Date.now(),
    validUntilMs: Number.MAX_SAFE_INTEGER,
    permissionsName: 'forged',
    permissionsLength: 1,
  };
  const at = placesOf(revoked);
  const laterMs = Date.now() + 60_000;
  for (const [place, payload] of [
    [at.credential, `${JSON.stringify(key)}\n${JSON.stringify(roleAssignments)}`],
    [at.answer, `${JSON.stringify(facts)}\n{"user_id":"forged"}`],
  ] as const) {
    const sealers = {
      plain: Buffer.from(payload),
      'sealed with another key': new SealedBox([randomBytes(32)], Date.now).seal(payload, place, laterMs),
      'sealed for another place': new SealedBox([cacheKey], Date.now).seal(payload, '', laterMs),
      'sealed and run out': new SealedBox([cacheKey], Date.now).seal(payload, place, Date.now() - 1),
    };
    for (const [name, sealed] of Object.entries(sealers)) {
      await intruder.client.set(place, sealed);
      expect(await ask(good.authorization)).toBe('200 good');
      expect(await ask(revoked.authorization), name).toBe(REVOKED);
    }
  }
});

it('what a right credential has in Redis does not make a wrong secret right, wherever it is copied to', async () => {
  const from = placesOf(good);
  for (const value of [await valueAt(from.credential), await valueAt(from.answer)]) {
    const wrong = wrongCredential();
    const to = placesOf(wrong);
    for (const place of [to.credential, to.answer]) await intruder.client.set(place, value);
    await expectTruth(wrong);
  }
});

it('values do not speak for another key: every pair of places is swapped', async () => {
  const all = await intruder.values();
  for (let shift = 1; shift < all.length; shift += 1) {
    for (const [index, [name]] of all.entries()) {
      await intruder.client.set(name, (all[(index + shift) % all.length] as [string, Buffer])[1]);
    }
    await expectTruth();
  }
});

it('what is from before a revocation is refused when it is replayed, by a running pod and after a restart', async () => {
  const replay = await replayOf(good);
  await revokeKey(databases.primary, good.id);
  await databases.replicated();
  await expect.poll(() => ask(good.authorization)).toBe(REVOKED);
  await replay();
  expect(await ask(good.authorization)).toBe(REVOKED);
  await pods.restart();
  expect(await ask(good.authorization)).toBe(REVOKED);
  await replay();
  await pods.restart();
  expect(await ask(good.authorization)).toBe(REVOKED);
});

it('what is from before a rotation is of no use when it is replayed', async () => {
  const replay = await replayOf(good);
  const next = newCredential();
  await databases.primary.query('UPDATE api_keys SET secret_hash = $2 WHERE id = $1', [
    good.id,
    await hashSecret(next.secret, TEST_HASH_PARAMETERS),
  ]);
  await databases.replicated();
  const rotated = authorizationOf({ ...next, id: good.id });
  await expect.poll(() => ask(good.authorization)).toBe(MISSING);
  for (const restart of [false, true]) {
    await replay();
    if (restart) await pods.restart();
    expect([await ask(good.authorization), await ask(rotated)]).toEqual([MISSING, '200 good']);
  }
});

/** Puts back all that Redis holds of a key now. */
async function replayOf(key: IssuedKey): Promise<() => Promise<void>> {
  const names = Object.values(placesOf(key)) as string[];
  const values = await Promise.all(names.map(valueAt));
  return async () => {
    for (const [index, name] of names.entries()) await intruder.client.set(name, values[index] as Buffer);
  };
}

it('values of another type are misses, are written over, and do not end the use of Redis', async () => {
  const { client } = intruder;
  const makers = [
    (name: string) => client.lpush(name, 'x'),
    (name: string) => client.hset(name, 'x', 'y'),
    (name: string) => client.sadd(name, 'x'),
    (name: string) => client.xadd(name, '*', 'x', 'y'),
  ];
  const names = (await intruder.values()).map(([name]) => name);
  for (const make of makers) {
    await client.del(...names);
    for (const name of names) await make(name);
    for (let round = 0; round < 3; round += 1) await expectTruth();
    expect(await metric(pods.all[0] as Pods['all'][number], 'iam_redis_breaker_state')).toBe(0);
    await expect.poll(() => client.type(placesOf(good).answer)).toBe('string');
  }
});

it('scripts that were flushed are sent again', async () => {
  await intruder.client.script('FLUSH');
  const key = await insertKey(databases.primary, { createdBy: 'late' });
  await databases.replicated();
  expect(await ask(key.authorization)).toBe('200 late');
  await expect.poll(() => intruder.client.strlen(placesOf(key).credential)).toBeGreaterThan(16);
});

it('who reads all of Redis finds no id, organization, hash, secret or digest', async () => {
  const { rows } = await databases.primary.query(
    'SELECT id, organization_id, created_by, secret_hash FROM api_keys',
  );
  const telling = [
    ...rows.flatMap((row) => [
      row.id,
      row.organization_id,
      row.secret_hash,
      ...row.secret_hash.split('$').slice(4),
    ]),
    ...[good, other, revoked].flatMap((key) => [
      key.secret,
      Buffer.from(key.secret, 'base64').toString('latin1'),
      key.credential,
      credentialDigest(key.id, key.secret),
    ]),
    'argon2',
    'organizationId',
    'createdBy',
    'roleAssignments',
    'confirmedAtMs',
    'application_roles',
    'user_id',
  ];
  const contents = (await intruder.values())
    .map(([name, value]) => `${name}\n${value.toString('latin1')}`)
    .join('\n');
  expect(contents.length).toBeGreaterThan(1_000);
  expect(telling.filter((text) => contents.includes(text))).toEqual([]);
  const names = (await intruder.values()).map(([name]) => name);
  expect(
    names.filter((name) => !/^iam5:\{[\w-]{22}\}:(fence|(credential|answer):[\w-]{22})$/.test(name)),
  ).toEqual([]);
});
