import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { credentialDigest } from '../../../../../src/credential/digest.ts';
import { hashSecret } from '../../../../../src/credential/hash.ts';
import { LAYOUT, RedisKeys } from '../../../../../src/keys/cache/redis/redis-keys.ts';
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
import { keyRecord } from '../../../../support/records.ts';
import { RedisAdmin } from '../../../../support/redis-contents.ts';
import { authenticate } from '../../../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';

const MISSING = '401 0x28D520';
const REVOKED = '401 0xD38358';

const cacheKey = randomBytes(32);
const redisKeys = new RedisKeys([cacheKey]);

let databases: TestDatabases;
let redis: TestRedis;
let intruder: RedisAdmin;
let pods: Pods;
let good: IssuedKey;
let other: IssuedKey;
let revoked: IssuedKey;
let history: string;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  const { rows } = await databases.region.query(
    'SELECT generation FROM history_breaks ORDER BY seq DESC LIMIT 1',
  );
  history = rows[0].generation;
  intruder = new RedisAdmin(redis.url);
  pods = await startPods(1, databases.replicaUrl, redis.url, {
    CACHE_KEYS: cacheKey.toString('base64'),
    // The pod must read every value from Redis: no timeout on a busy machine, no hit in memory.
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

/** Verifies each key once, so that Redis has all entries of the keys. */
beforeEach(async () => {
  await intruder.client.flushdb();
  good = await insertKey(databases.primary, { createdBy: 'good' });
  other = await insertKey(databases.primary, { createdBy: 'other' });
  revoked = await insertKey(databases.primary, { createdBy: 'revoked', revokedAt: new Date() });
  await databases.replicated();
  await expectRightVerdicts();
  await expect.poll(async () => (await intruder.values()).length).toBeGreaterThanOrEqual(8);
});

async function verdict(authorization: string): Promise<string> {
  const response = await authenticate(pods.all[0] as { url: string }, authorization);
  return response.status === 200 ? `200 ${response.body.user_id}` : outcome(response);
}

/** An unseen wrong secret for the key `good`. */
function wrongCredential(): { id: string; secret: string; layout: 'v1' } {
  return { ...newCredential(), id: good.id, layout: 'v1' };
}

/** The right verdicts, whatever Redis contains. The memory cache holds one entry, so this order never hits it. */
async function expectRightVerdicts(wrong = wrongCredential()): Promise<void> {
  expect([
    await verdict(authorizationOf(wrong)),
    await verdict(revoked.authorization),
    await verdict(other.authorization),
    await verdict(good.authorization),
  ]).toEqual([MISSING, REVOKED, '200 other', '200 good']);
}

interface RedisKeysOfKey {
  fence: string;
  credential: string;
  /** Of the request that `verdict` sends. */
  response: string;
}

function redisKeysOf({ id, secret }: { id: string; secret: string }): RedisKeysOfKey {
  const [credential] = redisKeys.entries('credential', id, credentialDigest(id, secret)) as [string];
  const authorization = authorizationOf({ id, secret, layout: 'v1' });
  const client = { secret: undefined, certificate: false };
  const call = callDigest({ authorization, client, rawQuery: '', body: undefined, network: '' });
  const [response] = redisKeys.entries('response', id, `${history} ${call}`) as [string];
  const [fence] = redisKeys.fences(id, history) as [string];
  return { fence, credential, response };
}

async function valueAt(redisKey: string): Promise<Buffer> {
  const value = await intruder.client.getBuffer(redisKey);
  if (value === null) throw new Error('no such key');
  return value;
}

function flipped(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  const bit = Math.floor(Math.random() * copy.length * 8);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

it('the pod reads no more of a value than the service writes', async () => {
  const sentBytes = async () =>
    Number(/total_net_output_bytes:(\d+)/.exec(await intruder.client.info('stats'))?.[1]);
  const { fence, credential, response } = redisKeysOf(good);
  const original = await valueAt(fence);
  const huge = Buffer.alloc(64 * 1_048_576, 'x');
  for (const redisKey of [credential, response]) await intruder.client.set(redisKey, huge);
  await intruder.client.set(fence, Buffer.concat([original, huge]));
  const before = await sentBytes();
  await expectRightVerdicts();
  expect((await sentBytes()) - before).toBeLessThan(2 * 1_048_576);
});

it('the pod reads the entries that the intruder changes: unchanged, they are hits', async () => {
  const fromRedis = () =>
    metric(
      pods.all[0] as Pods['all'][number],
      'iam_authentication_requests_total{outcome="granted",tier="redis"}',
    );
  const before = (await fromRedis()) ?? 0;
  await expectRightVerdicts();
  expect(await fromRedis()).toBe(before + 2);
});

const changes: [name: string, change: (value: Buffer) => Buffer | string][] = [
  ['emptied', () => ''],
  ['cut in half', (value) => value.subarray(0, value.length / 2)],
  ['cut by a byte', (value) => value.subarray(0, -1)],
  ['a version', () => '0000000000000001'],
  ['noise', (value) => randomBytes(value.length)],
  ['changed in one bit', flipped],
  ['the highest version', () => 'f'.repeat(16)],
  ['an invalid version', () => 'z'.repeat(16)],
  ['8 MiB long', () => Buffer.alloc(8 * 1024 * 1024, 'x')],
];

it.each(changes)('changes no verdict when every value in Redis is %s', async (_name, change) => {
  for (const [name, value] of await intruder.values()) await intruder.client.set(name, change(value));
  await expectRightVerdicts();
  await expectRightVerdicts();
});

it('changes no verdict when Redis holds forged values', async () => {
  const record = keyRecord(revoked.id, Number.MAX_SAFE_INTEGER, {
    organizationId: 'org-1',
    secretHash: await hashSecret(revoked.secret, TEST_HASH_PARAMETERS),
    createdBy: 'forged',
  });
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
  const at = redisKeysOf(revoked);
  const laterMs = Date.now() + 60_000;
  for (const [redisKey, payload] of [
    [at.credential, `${JSON.stringify(key)}\n${JSON.stringify(roleAssignments)}`],
    [at.response, `${JSON.stringify(facts)}\n{"user_id":"forged"}`],
  ] as const) {
    const sealers = {
      plain: Buffer.from(payload),
      'sealed with another key': new SealedBox([randomBytes(32)], Date.now).seal(payload, redisKey, laterMs),
      'sealed for another Redis key': new SealedBox([cacheKey], Date.now).seal(payload, '', laterMs),
      'sealed and expired': new SealedBox([cacheKey], Date.now).seal(payload, redisKey, Date.now() - 1),
    };
    for (const [name, sealed] of Object.entries(sealers)) {
      await intruder.client.set(redisKey, sealed);
      expect(await verdict(good.authorization)).toBe('200 good');
      expect(await verdict(revoked.authorization), name).toBe(REVOKED);
    }
  }
});

it('refuses a wrong secret although the entries of the right one are copied to its Redis keys', async () => {
  const from = redisKeysOf(good);
  for (const value of [await valueAt(from.credential), await valueAt(from.response)]) {
    const wrong = wrongCredential();
    const to = redisKeysOf(wrong);
    for (const redisKey of [to.credential, to.response]) await intruder.client.set(redisKey, value);
    await expectRightVerdicts(wrong);
  }
});

it('changes no verdict when the values of any two Redis keys are swapped', async () => {
  const all = await intruder.values();
  for (let shift = 1; shift < all.length; shift += 1) {
    for (const [index, [name]] of all.entries()) {
      await intruder.client.set(name, (all[(index + shift) % all.length] as [string, Buffer])[1]);
    }
    await expectRightVerdicts();
  }
});

it('refuses a revoked key when older entries are replayed, before and after a restart', async () => {
  const replay = await replayOf(good);
  await revokeKey(databases.primary, good.id);
  await databases.replicated();
  await expect.poll(() => verdict(good.authorization)).toBe(REVOKED);
  await replay();
  expect(await verdict(good.authorization)).toBe(REVOKED);
  await pods.restart();
  expect(await verdict(good.authorization)).toBe(REVOKED);
  await replay();
  await pods.restart();
  expect(await verdict(good.authorization)).toBe(REVOKED);
});

it('refuses a rotated secret when older entries are replayed, before and after a restart', async () => {
  const replay = await replayOf(good);
  const next = newCredential();
  await databases.primary.query('UPDATE api_keys SET secret_hash = $2 WHERE id = $1', [
    good.id,
    await hashSecret(next.secret, TEST_HASH_PARAMETERS),
  ]);
  await databases.replicated();
  const rotated = authorizationOf({ ...next, id: good.id });
  await expect.poll(() => verdict(good.authorization)).toBe(MISSING);
  for (const restart of [false, true]) {
    await replay();
    if (restart) await pods.restart();
    expect([await verdict(good.authorization), await verdict(rotated)]).toEqual([MISSING, '200 good']);
  }
});

/** Captures the entries of a key; the result writes them back. */
async function replayOf(key: IssuedKey): Promise<() => Promise<void>> {
  const names = Object.values(redisKeysOf(key)) as string[];
  const values = await Promise.all(names.map(valueAt));
  return async () => {
    for (const [index, name] of names.entries()) await intruder.client.set(name, values[index] as Buffer);
  };
}

it('treats values of another type as misses, overwrites them, and keeps the breaker closed', async () => {
  const { client } = intruder;
  const makers = [
    (name: string) => client.multi().del(name).lpush(name, 'x'),
    (name: string) => client.multi().del(name).hset(name, 'x', 'y'),
    (name: string) => client.multi().del(name).sadd(name, 'x'),
    (name: string) => client.multi().del(name).xadd(name, '*', 'x', 'y'),
  ];
  const names = (await intruder.values()).map(([name]) => name);
  for (const make of makers) {
    for (const name of names) await make(name).exec();
    for (let round = 0; round < 3; round += 1) await expectRightVerdicts();
    expect(await metric(pods.all[0] as Pods['all'][number], 'iam_redis_breaker_state')).toBe(0);
    await expect.poll(() => client.type(redisKeysOf(good).response)).toBe('string');
  }
});

it('sends its scripts again after SCRIPT FLUSH', async () => {
  await intruder.client.script('FLUSH');
  const key = await insertKey(databases.primary, { createdBy: 'late' });
  await databases.replicated();
  expect(await verdict(key.authorization)).toBe('200 late');
  await expect.poll(() => intruder.client.strlen(redisKeysOf(key).credential)).toBeGreaterThan(16);
});

it('reveals no id, organization, hash, secret or digest to a reader of Redis', async () => {
  const { rows } = await databases.primary.query(
    'SELECT id, organization_id, created_by, secret_hash FROM api_keys',
  );
  const sensitive = [
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
  expect(sensitive.filter((text) => contents.includes(text))).toEqual([]);
  const names = (await intruder.values()).map(([name]) => name);
  const opaque = new RegExp(
    `^${LAYOUT}:(\\{[\\w-]{22}\\}:(fence:[0-9a-f-]{36}|(credential|response|counter):[\\w-]{22})|[\\w-]{22}:time)$`,
  );
  expect(names.filter((name) => !opaque.test(name))).toEqual([]);
});
