import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { type IssuedKey, insertKey, projectRoles } from '../../support/keys.ts';
import { outcome, type Pods, startPods } from '../../support/pods.ts';
import { RedisAdmin } from '../../support/redis-contents.ts';
import { authenticate, CLIENT_SECRET, projectContext } from '../../support/regional.ts';
import { putRole } from '../../support/roles.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';

let databases: TestDatabases;
let redis: TestRedis;
let admin: RedisAdmin;
let pods: Pods;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  admin = new RedisAdmin(redis.url);
  pods = await startPods(1, databases.replicaUrl, redis.url, {
    CACHE_KEYS: randomBytes(32).toString('base64'),
    REDIS_TIMEOUT_MS: '1000', // every value must be read in time, however busy the machine is
  });
});
afterAll(async () => {
  await pods?.stop();
  admin?.close();
  await redis?.stop();
  await databases?.close();
});
beforeEach(async () => {
  await admin.client.flushdb();
});

const pod = () => pods.all[0] as Pods['all'][number];
const responsesInRedis = async () => (await admin.client.keys('*:response:*')).length;

async function newKey(fields: Parameters<typeof insertKey>[1] = {}): Promise<IssuedKey> {
  const roleAssignments = projectRoles('elasticsearch', 'p1', ['viewer', 'reader']);
  const key = await insertKey(databases.primary, { roleAssignments, ...fields });
  await databases.replicated();
  return key;
}

async function ask(key: IssuedKey, options: Parameters<typeof authenticate>[2] = {}) {
  const contexts = [projectContext('p1', key.organizationId)];
  return authenticate(pod(), key.authorization, { contexts, ...options });
}

/** Number of reads from Redis during the work: one for a shared response, a second one after a miss. */
async function reads(work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const stats = await admin.client.info('commandstats');
    const of = (command: string, field: string) =>
      Number(new RegExp(`cmdstat_${command}:.*\\b${field}=(\\d+)`).exec(stats)?.[1] ?? 0);
    // Each script, which writes, calls the command once. A read needs two values: the entry and the fence.
    const scripts = of('evalsha', 'calls') - of('evalsha', 'failed_calls') + of('eval', 'calls');
    return (of('getrange', 'calls') - scripts) / 2;
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

/** Restarts the pod without recent changes, as if all of them were old. */
async function restartLater(settings: Record<string, string> = {}): Promise<void> {
  await pods.stop();
  await databases.region.query("UPDATE changes SET at = at - interval '1 hour'");
  await pods.restart(settings);
}

/** The response of one pod, and then of a new pod that has only the entries in Redis. */
async function bothWays(key: IssuedKey, options?: Parameters<typeof authenticate>[2]) {
  const made = await ask(key, options);
  await expect.poll(responsesInRedis).toBeGreaterThan(0);
  await restartLater();
  let found = made;
  const taken = await reads(async () => {
    found = await ask(key, options);
  });
  expect(taken, 'reads from Redis for one shared response').toBe(1);
  return { made, found };
}

async function defineReader(key: IssuedKey, privileges: string[]): Promise<void> {
  await putRole(databases.primary, key.organizationId, 'reader', {
    indices: [{ names: ['logs-*'], privileges }],
  });
  await databases.replicated();
}

function readerPrivileges({ body }: Awaited<ReturnType<typeof ask>>): string[] {
  return body.contexts[0].role_descriptors.reader.indices[0].privileges;
}

it.each<[name: string, options: Parameters<typeof authenticate>[2]]>([
  ['a project', {}],
  ['no project', { rawBody: '{}' }],
  ['the raw assignments', { query: '?include_role_assignments=true' }],
  ['several projects, one of them denied', {}],
])('a second pod returns the same bytes as the first for %s', async (name, options) => {
  const key = await newKey({ createdBy: 'üser-✓' });
  const contexts = [projectContext('p1', key.organizationId), projectContext('pé2', key.organizationId)];
  const { made, found } = await bothWays(key, name.startsWith('several') ? { contexts } : options);
  expect(made.status).toBe(200);
  expect(JSON.stringify(found.body)).toBe(JSON.stringify(made.body));
});

it('calls that differ in any part have separate responses', async () => {
  const key = await newKey();
  await bothWays(key);
  expect((await ask(key, { query: '?include_role_descriptors=false' })).body.contexts[0]).not.toHaveProperty(
    'role_descriptors',
  );
  expect((await ask(key, { contexts: [projectContext('p2', key.organizationId)] })).status).toBe(403);
  expect(outcome(await ask(key, { headers: { 'x-client-authentication': CLIENT_SECRET } }))).toBe(
    '401 0x8560B2',
  );
});

it('a pod applies a role change to a response of another pod', async () => {
  const key = await newKey();
  await defineReader(key, ['read']);
  const { found } = await bothWays(key);
  expect(readerPrivileges(found)).toEqual(['read']);
  await defineReader(key, ['read', 'write']);
  await expect.poll(async () => readerPrivileges(await ask(key))).toEqual(['read', 'write']);
});

it('refuses a replayed response from before a role change, in a running pod and after a restart', async () => {
  const key = await newKey();
  await defineReader(key, ['read']);
  await bothWays(key);
  const before = await admin.dump();
  await defineReader(key, ['read', 'write']);
  await expect.poll(async () => readerPrivileges(await ask(key))).toEqual(['read', 'write']);
  for (const restart of [false, true]) {
    await admin.restore(before);
    if (restart) await pods.restart();
    expect(readerPrivileges(await ask(key))).toEqual(['read', 'write']);
  }
});

it('returns the current role after a change while no pod ran', async () => {
  const key = await newKey();
  await defineReader(key, ['read']);
  await bothWays(key);
  await pods.stop();
  await defineReader(key, ['read', 'write']);
  await pods.restart();
  expect(readerPrivileges(await ask(key))).toEqual(['read', 'write']);
});

it('a shared response for an internal key needs client authentication that this pod accepts', async () => {
  const key = await newKey({ internal: true });
  const headers = { 'x-client-authentication': CLIENT_SECRET };
  await bothWays(key, { headers });
  await restartLater({ CLIENT_AUTHENTICATION_SECRETS: 'another-client-secret' });
  expect(outcome(await ask(key, { headers }))).toBe('401 0x8560B2');
});

it('a shared response expires together with its key', async () => {
  const expiresAt = new Date(Date.now() + 2_500);
  const key = await newKey({ expiresAt });
  expect((await bothWays(key)).found.status).toBe(200);
  await expect.poll(async () => outcome(await ask(key)), { timeout: 5_000 }).toBe('401 0xE436AE');
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
  await pods.restart();
  expect(outcome(await ask(key))).toBe('401 0xE436AE');
});

it('a shared response is not used beyond the MAX_STALENESS_MS of the reading pod', async () => {
  const key = await newKey();
  await bothWays(key);
  const storedAtMs = Date.now();
  await expect.poll(() => Date.now() - storedAtMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  await restartLater({ MAX_STALENESS_MS: '1000', REVALIDATE_AFTER_MS: '500' });
  expect(await reads(() => ask(key))).toBe(2);
  await pods.restart();
});

it('a very long response is not shared', async () => {
  const key = await newKey();
  const contexts = Array.from({ length: 100 }, () => projectContext('p1', key.organizationId));
  const made = await ask(key, { contexts });
  await pods.restart();
  expect(await responsesInRedis()).toBe(0);
  expect(JSON.stringify((await ask(key, { contexts })).body)).toBe(JSON.stringify(made.body));
});

it('a key in memory needs no read from Redis', async () => {
  const key = await newKey();
  await ask(key);
  await expect.poll(responsesInRedis).toBe(1);
  expect(await reads(() => ask(key, { query: '?include_role_descriptors=false' }))).toBe(0);
});
