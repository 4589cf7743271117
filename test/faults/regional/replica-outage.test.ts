import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../support/databases.ts';
import { authorizationOf, newCredential } from '../../support/keys.ts';
import { Load, printFigures } from '../../support/load.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { metric, outcome, type Pods, startPods } from '../../support/pods.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { authenticate, startUnreadyRegional } from '../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../support/servers/tcp-proxy.ts';

const UNAVAILABLE = '503 0x1A0503';
const REVALIDATE_AFTER_MS = 500;
const MAX_STALENESS_MS = 5_000;
/** Maximum wait of the first calls for a silent replica: connect and query timeout. */
const NOTICED_AFTER_MS = 2_000;
/** "At once" on a busy machine: a call that waits for a timeout takes longer. Checked against the median. */
const AT_ONCE_MS = 300;

let databases: TestDatabases;
let proxy: TcpProxy;
let redis: TestRedis;
let pods: Pods;
let replicaUrl: string;
let settings: Record<string, string>;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  const url = new URL(databases.replicaUrl);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  replicaUrl = url.href;
  settings = {
    REDIS_URL: redis.url,
    CACHE_KEYS: randomBytes(32).toString('base64'),
    MAX_STALENESS_MS: String(MAX_STALENESS_MS),
    REVALIDATE_AFTER_MS: String(REVALIDATE_AFTER_MS),
    REDIS_TIMEOUT_MS: '500',
  };
  pods = await startPods(1, replicaUrl, redis.url, settings);
});
beforeEach(async () => {
  await proxy.restore();
  await expect.poll(() => askUnknown().then((response) => response.status), { timeout: 5_000 }).toBe(401);
});
afterEach(() => proxy.restore());
afterAll(async () => {
  await pods?.stop();
  await proxy?.close();
  await redis?.stop();
  await databases?.close();
});

const pod = () => pods.all[0] as Pods['all'][number];
const askUnknown = () => authenticate(pod(), authorizationOf(newCredential()));

async function warmKeys(count: number): Promise<string[]> {
  const keys = (await insertKeys(databases.primary, count)).map((key) => key.authorization);
  await databases.replicated();
  for (const key of keys) expect((await authenticate(pod(), key)).status).toBe(200);
  return keys;
}

const faults: [name: string, begin: () => unknown][] = [
  ['stopped', () => proxy.cut()],
  ['silent behind a firewall', () => proxy.blackhole()],
];

it.each(faults)(
  'with the replica %s, accepts warm keys until MAX_STALENESS_MS, returns 503 for others at once, and recovers within 2 s',
  async (name, begin) => {
    const warm = await warmKeys(20);
    const brokenAtMs = Date.now();
    const sinceMs = () => Date.now() - brokenAtMs;
    await begin();

    // The service has not detected the fault: the first calls may wait for the timeouts.
    const [knownAtFirst, unknownAtFirst] = [new Load(), new Load()];
    await Promise.all([
      knownAtFirst.callAll(pod(), warm),
      unknownAtFirst.callAll(
        pod(),
        Array.from({ length: 5 }, () => authorizationOf(newCredential())),
      ),
    ]);
    expect(knownAtFirst.report().outcomes).toEqual({ 200: 20 });
    expect(unknownAtFirst.report().outcomes).toEqual({ [UNAVAILABLE]: 5 });
    expect(unknownAtFirst.report().maxMs).toBeLessThan(NOTICED_AFTER_MS);

    const [known, unknown] = [new Load(), new Load()];
    await sleep(Math.max(0, NOTICED_AFTER_MS - sinceMs()));
    for (let turn = 0; sinceMs() < MAX_STALENESS_MS - 1_000; turn += 1) {
      await known.call(pod(), warm[turn % warm.length] as string);
      if (turn % 10 === 0) await unknown.call(pod(), authorizationOf(newCredential()));
    }
    const reports = { known: known.report(), unknown: unknown.report() };
    printFigures(`replica ${name}`, { ...reports, atFirst: unknownAtFirst.report() });
    expect(reports.known.calls).toBeGreaterThan(20);
    expect(reports.known.outcomes).toEqual({ 200: reports.known.calls });
    expect(reports.unknown.outcomes).toEqual({ [UNAVAILABLE]: reports.unknown.calls });
    expect(Math.max(reports.known.p50Ms, reports.unknown.p50Ms)).toBeLessThan(AT_ONCE_MS);
    expect(Math.max(reports.known.maxMs, reports.unknown.maxMs)).toBeLessThan(NOTICED_AFTER_MS);
    expectRefusal(await askUnknown(), 503, '0x1A0503');

    // The feed's last confirmation and the last revalidation may be slightly newer than the fault.
    await sleep(MAX_STALENESS_MS + 100 - sinceMs());
    const expired = new Load();
    await expired.callAll(pod(), warm);
    expect(expired.report().outcomes).toEqual({ [UNAVAILABLE]: 20 });
    expect(expired.report().p50Ms).toBeLessThan(AT_ONCE_MS);
    expect((await fetch(`${pod().managementUrl}/readyz`)).status).toBe(200);

    await proxy.restore();
    const backAtMs = Date.now();
    await expect
      .poll(async () => [(await askUnknown()).status, outcome(await authenticate(pod(), warm[0]))], {
        timeout: 2_000,
        interval: 20,
      })
      .toEqual([401, '200']);
    printFigures(`replica back after it was ${name}`, { normalAfterMs: Date.now() - backAtMs });
    const after = new Load();
    await after.callAll(pod(), warm);
    expect(after.report().outcomes).toEqual({ 200: 20 });
  },
);

it('accepts a key that only Redis has while the replica is down, until MAX_STALENESS_MS', async () => {
  const [key] = (await warmKeys(1)) as [string];
  await pods.restart();
  const brokenAtMs = Date.now();
  await proxy.cut();
  expect((await authenticate(pod(), key)).status).toBe(200);
  expect(await metric(pod(), 'iam_authentication_requests_total{outcome="granted",tier="redis"}')).toBe(1);
  await sleep(MAX_STALENESS_MS + 100 - (Date.now() - brokenAtMs));
  expect(outcome(await authenticate(pod(), key))).toBe(UNAVAILABLE);
});

it('a pod that starts while the replica is down is not ready and returns 503, even for keys in Redis, until it is back', async () => {
  const [key] = (await warmKeys(1)) as [string];
  await proxy.cut();
  const late = await startUnreadyRegional(replicaUrl, settings);
  try {
    const readiness = async () => (await fetch(`${late.managementUrl}/readyz`)).status;
    expect(await readiness()).toBe(503);
    // The pod cannot know of revocations before its start.
    expect(outcome(await authenticate(late, key))).toBe(UNAVAILABLE);
    await proxy.restore();
    const backAtMs = Date.now();
    await expect.poll(readiness, { timeout: 3_000, interval: 20 }).toBe(200);
    printFigures('ready after the replica is back', { ms: Date.now() - backAtMs });
    await expect.poll(async () => outcome(await authenticate(late, key)), { timeout: 2_000 }).toBe('200');
  } finally {
    await late.close();
  }
});

it('serves responses of another pod when Redis is down too', async () => {
  const warm = await warmKeys(5);
  await pods.restart();
  for (const key of warm) expect((await authenticate(pod(), key)).status).toBe(200);
  expect(await metric(pod(), 'iam_authentication_requests_total{outcome="granted",tier="redis"}')).toBe(5);
  await redis.kill();
  await proxy.cut();
  await sleep(2 * REVALIDATE_AFTER_MS);
  for (const key of warm) expect((await authenticate(pod(), key)).status).toBe(200);
  await redis.restart();
});
