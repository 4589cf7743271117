import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, type IssuedKey, insertKey, newCredential } from '../../support/keys.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { authenticate, startRegional, type TestRegional } from '../../support/regional.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const timeouts = { DATABASE_CONNECT_TIMEOUT_MS: '500', DATABASE_QUERY_TIMEOUT_MS: '1000' };
/** Both timeouts, and some air for a busy machine. */
const LONGEST_ANSWER_MS = 2_500;

let databases: TestDatabases;
let proxy: TcpProxy;
let regional: TestRegional;
let replicaUrl: string;

beforeAll(async () => {
  databases = await createDatabases();
  const url = new URL(databases.replicaUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  replicaUrl = url.href;
  regional = await startRegional(replicaUrl, timeouts);
});
afterEach(() => proxy.restore());
afterAll(async () => {
  await proxy?.restore();
  await regional?.close();
  await proxy?.close();
  await databases?.close();
});

/** A key that the service has not met yet: nothing of it can be cached. */
async function newKey(): Promise<IssuedKey> {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  return key;
}

const faults: [string, () => unknown][] = [
  ['refuses connections', () => proxy.cut()],
  ['is silent behind a firewall', () => proxy.blackhole()],
  ['never answers', () => proxy.halfOpen('toClient')],
];

it.each(faults)(
  'a replica that %s means 503 with Retry-After, soon, and never 401',
  async (_name, breakIt) => {
    await authenticate(regional, (await newKey()).authorization); // the pool holds a connection
    const keys = await Promise.all([newKey(), newKey(), newKey()]);
    await breakIt();
    const begun = performance.now();
    const answers = await Promise.all([
      ...keys.map((key) => authenticate(regional, key.authorization)),
      authenticate(regional, authorizationOf(newCredential())),
    ]);
    expect(performance.now() - begun).toBeLessThan(LONGEST_ANSWER_MS);
    for (const answer of answers)
      expectRefusal(
        answer,
        503,
        '0x1A0503',
        keys.map((key) => key.credential),
      );
  },
);

it('more requests than connections are 503 as soon as one is when the replica is silent', async () => {
  const key = await newKey();
  proxy.blackhole();
  const begun = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => authenticate(regional, key.authorization)),
  );
  expect(performance.now() - begun).toBeLessThan(LONGEST_ANSWER_MS);
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([503]));
});

it('what needs no replica is answered without one', async () => {
  await proxy.cut();
  expectRefusal(await authenticate(regional, 'ApiKey essu_dev_garbage'), 401, '0xD00DF3');
  expect((await fetch(`${regional.managementUrl}/livez`)).status).toBe(200);
});

it('a replica that comes back is used at once', async () => {
  const key = await newKey();
  await proxy.cut();
  expect((await authenticate(regional, key.authorization)).status).toBe(503);
  await proxy.restore();
  await expect
    .poll(async () => (await authenticate(regional, key.authorization)).status, { timeout: 10_000 })
    .toBe(200);
});

it('a service that starts without its replica is live and unready, answers 503, and becomes ready by itself', async () => {
  const key = await newKey();
  await proxy.cut();
  const late = await startRegional(replicaUrl, timeouts);
  try {
    const status = async (probe: string) => (await fetch(`${late.managementUrl}/${probe}`)).status;
    expect([await status('livez'), await status('startupz'), await status('readyz')]).toEqual([
      200, 503, 503,
    ]);
    expectRefusal(await authenticate(late, key.authorization), 503, '0x1A0503');
    await proxy.restore();
    await expect.poll(() => status('readyz'), { timeout: 20_000 }).toBe(200);
    expect(await status('startupz')).toBe(200);
    await expect.poll(async () => (await authenticate(late, key.authorization)).status).toBe(200);
  } finally {
    await late.close();
  }
});

it('a replica that cannot be read as it should be is our fault, not the key’s', async () => {
  const key = await newKey();
  await databases.region.query('REVOKE SELECT ON api_keys FROM iam_regional');
  try {
    expectRefusal(await authenticate(regional, key.authorization), 503, '0x1A0503');
  } finally {
    await databases.region.query('GRANT SELECT ON api_keys TO iam_regional');
  }
});
