import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, type IssuedKey, insertKey, newCredential } from '../../support/keys.ts';
import { expectRefusal } from '../../support/refusal.ts';
import {
  authenticate,
  startRegional,
  startUnreadyRegional,
  type TestRegional,
} from '../../support/regional.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const timeouts = { DATABASE_CONNECT_TIMEOUT_MS: '500', DATABASE_QUERY_TIMEOUT_MS: '1000' };
/** Both timeouts and a margin for a busy machine. */
const MAX_RESPONSE_MS = 2_500;

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

/** A key that no cache of the service has. */
async function newKey(): Promise<IssuedKey> {
  const key = await insertKey(databases.primary);
  await databases.replicated();
  return key;
}

const faults: [string, () => unknown][] = [
  ['refuses connections', () => proxy.cut()],
  ['is silent behind a firewall', () => proxy.blackhole()],
  ['never responds', () => proxy.halfOpen('toClient')],
];

it.each(faults)(
  'returns 503 with Retry-After in bounded time, never 401, when the replica %s',
  async (_name, breakIt) => {
    await authenticate(regional, (await newKey()).authorization); // the pool holds a connection
    const keys = await Promise.all([newKey(), newKey(), newKey()]);
    await breakIt();
    const begun = performance.now();
    const responses = await Promise.all([
      ...keys.map((key) => authenticate(regional, key.authorization)),
      authenticate(regional, authorizationOf(newCredential())),
    ]);
    expect(performance.now() - begun).toBeLessThan(MAX_RESPONSE_MS);
    for (const response of responses)
      expectRefusal(
        response,
        503,
        '0x1A0503',
        keys.map((key) => key.credential),
      );
  },
);

it('returns 503 for more requests than connections as fast as for one when the replica is silent', async () => {
  const key = await newKey();
  proxy.blackhole();
  const begun = performance.now();
  const responses = await Promise.all(
    Array.from({ length: 60 }, () => authenticate(regional, key.authorization)),
  );
  expect(performance.now() - begun).toBeLessThan(MAX_RESPONSE_MS);
  expect(new Set(responses.map((response) => response.status))).toEqual(new Set([503]));
});

it('serves requests that need no replica while it is unreachable', async () => {
  await proxy.cut();
  expectRefusal(await authenticate(regional, 'ApiKey essu_dev_garbage'), 401, '0xD00DF3');
  expect((await fetch(`${regional.managementUrl}/livez`)).status).toBe(200);
});

it('uses a replica again once it is back', async () => {
  const key = await newKey();
  await proxy.cut();
  expect((await authenticate(regional, key.authorization)).status).toBe(503);
  await proxy.restore();
  await expect
    .poll(async () => (await authenticate(regional, key.authorization)).status, { timeout: 10_000 })
    .toBe(200);
});

it('starts without its replica live and not ready, returns 503, and becomes ready without intervention', async () => {
  const key = await newKey();
  await proxy.cut();
  const late = await startUnreadyRegional(replicaUrl, timeouts);
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

it('returns 503, never 401, when the replica denies a read', async () => {
  const key = await newKey();
  await databases.region.query('REVOKE SELECT ON api_keys FROM iam_regional');
  try {
    expectRefusal(await authenticate(regional, key.authorization), 503, '0x1A0503');
  } finally {
    await databases.region.query('GRANT SELECT ON api_keys TO iam_regional');
  }
});
