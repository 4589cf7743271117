import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../../dev/ports.ts';
import { type RedisServer, startRedis } from '../../../../../dev/redis/server.ts';
import { connectRedis } from '../../../../../src/keys/cache/redis/redis-client.ts';
import { LAYOUT } from '../../../../../src/keys/cache/redis/redis-keys.ts';
import { CertificateAuthority } from '../../../../support/certificates.ts';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { type IssuedKey, insertKey } from '../../../../support/keys.ts';
import { metric } from '../../../../support/pods.ts';
import { authenticate, startRegional, type TestRegional } from '../../../../support/regional.ts';
import { redisBinary } from '../../../../support/servers/redis.ts';

/** The permissions that docs/operations.md lists. */
const PERMISSIONS = await documentedPermissions();
const KEY_PATTERN = `~${LAYOUT}:*`;

const KEYS = 50;
const binary = redisBinary();

let databases: TestDatabases;
let authority: CertificateAuthority;
let redis: RedisServer;
let tlsPort: number;
let admin: Redis;
let keys: IssuedKey[];
const cacheKey = randomBytes(32).toString('base64');
beforeAll(async () => {
  if (binary === undefined) return;
  [databases, authority, tlsPort] = await Promise.all([
    createDatabases(),
    CertificateAuthority.create(),
    freePort(),
  ]);
  const { files } = await authority.issue('redis');
  const args = ['--tls-port', String(tlsPort), '--tls-cert-file', files.cert, '--tls-key-file', files.key];
  redis = await startRedis({
    binary,
    port: await freePort(),
    detached: false,
    args: [...args, '--tls-ca-cert-file', authority.certFile, '--tls-auth-clients', 'no'],
  });
  admin = new Redis(redis.url);
  keys = await Promise.all(Array.from({ length: KEYS }, () => insertKey(databases.primary)));
  await databases.replicated();
});
afterAll(async () => {
  admin?.disconnect();
  await redis?.stop();
  await authority?.remove();
  await databases?.close();
});

async function setUser(name: string, permissions: string): Promise<string> {
  await admin.call('ACL', 'SETUSER', name, 'reset', 'on', '>pass', ...permissions.split(' '));
  return redis.url.replace('redis://', `redis://${name}:pass@`);
}

/** Starts a pod; resolves when it is ready. Before its clock is compared with the replica's, it stores nothing in Redis. */
async function start(url: string, settings: Record<string, string> = {}): Promise<TestRegional> {
  const pod = await startRegional(databases.replicaUrl, {
    REDIS_URL: url,
    CACHE_KEYS: cacheKey,
    REDIS_TIMEOUT_MS: '1000',
    DATABASE_CONNECT_TIMEOUT_MS: '5000',
    ...settings,
  });
  return pod;
}

const connected = (pod: TestRegional) =>
  expect.poll(() => metric(pod, 'iam_redis_up'), { timeout: 5_000 }).toBe(1);
const granted = (pod: TestRegional, tier: string) =>
  metric(pod, `iam_authentication_requests_total{outcome="granted",tier="${tier}"}`);

async function documentedPermissions(): Promise<string> {
  const page = await readFile(new URL('../../../../../docs/operations.md', import.meta.url), 'utf8');
  return /^ACL SETUSER iam on ><password> (.+)$/m.exec(page)?.[1] ?? '';
}

/** One pod fills the cache, a second one answers from it. */
async function expectSharedCache(
  url: string,
  settings?: Record<string, string>,
  database = 0,
): Promise<void> {
  await admin.flushall();
  await admin.select(database);
  const first = await start(url, settings);
  try {
    await connected(first);
    for (const key of keys) await authenticate(first, key.authorization);
    await expect.poll(async () => (await admin.keys('*:response:*')).length).toBeGreaterThan(KEYS / 2);
    expect(first.logLines.join('')).not.toContain('lacks a permission');
  } finally {
    await first.close();
  }
  const second = await start(url, settings);
  try {
    await connected(second);
    for (const key of keys) expect((await authenticate(second, key.authorization)).status).toBe(200);
    expect(await granted(second, 'redis')).toBeGreaterThan(0);
    expect(second.logLines.join('')).not.toContain('lacks a permission');
  } finally {
    await second.close();
  }
}

describe.skipIf(binary === undefined)('a Redis user with only the documented permissions', () => {
  it('is enough for the shared cache', async () => {
    await expectSharedCache(await setUser('exact', PERMISSIONS));
  });

  it.each(['+evalsha +eval', '+set', '+getrange', KEY_PATTERN])(
    'needs %s: without it a log line says so, and requests succeed',
    async (removed) => {
      // A pod that finds the entries of another test stores none.
      await admin.flushall();
      const pod = await start(
        await setUser('less', PERMISSIONS.replace(removed, '').replace(/ +/g, ' ').trim()),
      );
      try {
        await connected(pod);
        for (const key of keys) expect((await authenticate(pod, key.authorization)).status).toBe(200);
        await expect.poll(() => pod.logLines.join('')).toContain('the Redis user lacks a permission');
        const lines = pod.logLines.filter((line) => line.includes('lacks a permission'));
        expect([lines.length, lines[0]]).toEqual([
          1,
          expect.stringMatching(/NOPERM|can't run this command|ACL failure/),
        ]);
      } finally {
        await pod.close();
      }
    },
  );
});

describe.skipIf(binary === undefined)('a URL with a database', () => {
  it('uses that database', async () => {
    await expectSharedCache(`${await setUser('selecting', `${PERMISSIONS} +select`)}/3`, {}, 3);
  });

  it.each([
    ['without the permission to select it', PERMISSIONS, '/3', /lacks a permission/],
    ['that the server does not have', `${PERMISSIONS} +select`, '/99', /DB index is out of range/],
  ])('%s is not replaced by database 0, and requests succeed', async (_name, permissions, path, message) => {
    await admin.flushall();
    const pod = await start(`${await setUser('numbered', permissions)}${path}`);
    try {
      for (const key of keys) expect((await authenticate(pod, key.authorization)).status).toBe(200);
      await expect.poll(() => pod.logLines.join('')).toMatch(message);
      expect(await metric(pod, 'iam_redis_commands_total{result="ok"}')).toBe(0);
    } finally {
      await pod.close();
    }
    expect(await admin.info('keyspace')).not.toContain('db0:');
  });
});

describe.skipIf(binary === undefined)('a Redis with a private certificate authority', () => {
  const url = () => `rediss://127.0.0.1:${tlsPort}`;

  it('is used with REDIS_CA_FILE', async () => {
    await expectSharedCache(url(), { REDIS_CA_FILE: authority.certFile });
  });

  it('is refused without it, and requests succeed without Redis', async () => {
    const pod = await start(url());
    try {
      for (const key of keys) expect((await authenticate(pod, key.authorization)).status).toBe(200);
      await expect.poll(() => pod.logLines.join('')).toMatch(/unable to verify|self-signed certificate/);
    } finally {
      await pod.close();
    }
  });

  it('may be left during the TLS handshake, also if its certificate is refused', async () => {
    // Without a listener for the alert of the server, vitest reports an uncaught exception.
    const certificate = await readFile(authority.certFile, 'utf8');
    for (let index = 0; index < 200; index += 1) {
      const authorities = index % 2 === 0 ? certificate : undefined;
      const client = connectRedis({ url: url(), cluster: false, authorities });
      client.on('error', () => {});
      setTimeout(() => client.disconnect(), index % 13);
      await sleep(5);
    }
    await expect.poll(() => admin.info('clients')).toContain('connected_clients:1\r');
  });
});
