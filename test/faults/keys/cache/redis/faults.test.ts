import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabases, type TestDatabases } from '../../../../support/databases.ts';
import { authorizationOf, newCredential, revokeKey } from '../../../../support/keys.ts';
import { Load, printFigures } from '../../../../support/load.ts';
import { insertKeys } from '../../../../support/many-keys.ts';
import { metric, type Pods, startPods } from '../../../../support/pods.ts';
import { startTestRedis, type TestRedis } from '../../../../support/servers/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../../support/servers/tcp-proxy.ts';

/** No call may take longer, whatever Redis does and however busy the machine is. */
const LONGEST_CALL_MS = 2_000;

const REVOKED = '401 0xD38358';

let databases: TestDatabases;
let redis: TestRedis;
let proxy: TcpProxy;
let pods: Pods;

beforeAll(async () => {
  [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
  const url = new URL(redis.url);
  proxy = await startTcpProxy({ targetPort: Number(url.port) });
  url.port = String(proxy.port);
  pods = await startPods(2, databases.replicaUrl, url.href);
});
afterAll(async () => {
  await pods?.stop();
  await proxy?.close();
  await redis?.stop();
  await databases?.close();
});
beforeEach(inUse);
afterEach(() => proxy.restore());

async function newKeys(count: number): Promise<{ id: string; authorization: string }[]> {
  const keys = await insertKeys(databases.primary, count);
  await databases.replicated();
  return keys;
}

/** Resolves when every pod uses Redis. Unknown keys are asked for, since nothing else needs Redis. */
async function inUse(): Promise<void> {
  const states = async () => {
    await pods.outcomes(authorizationOf(newCredential()));
    return Promise.all(pods.all.map((pod) => metric(pod, 'iam_redis_breaker_state')));
  };
  await expect.poll(states, { timeout: 6_000 }).toEqual([0, 0]);
}

const answered = (pod: Pods['all'][number], tier: string) =>
  metric(pod, `iam_authentication_requests_total{outcome="granted",tier="${tier}"}`);

const faults: [name: string, begin: () => unknown, end: () => unknown][] = [
  ['as it should be', () => {}, () => {}],
  ['killed', () => redis.kill(), () => redis.restart()],
  ['paused', () => redis.pause(), () => redis.resume()],
  ['slowed to 500 ms', () => proxy.delay(250), () => proxy.delay(0)],
  ['cut off by a firewall', () => proxy.blackhole(), () => proxy.restore()],
  ['emptied again and again', () => emptying(), () => stopEmptying()],
];

it.each(faults)(
  'with Redis %s, fails no request, applies a revocation, and uses Redis again afterwards',
  async (name, begin, end) => {
    const [first, second] = pods.all as [Pods['all'][number], Pods['all'][number]];
    const known = await newKeys(40);
    const cold = await newKeys(150);
    const revoked = known.pop() as { id: string; authorization: string };
    for (const pod of pods.all)
      await new Load().callAll(
        pod,
        known.map((key) => key.authorization),
      );
    await pods.outcomes(revoked.authorization);

    const [warm, unseen] = [new Load(), new Load()];
    await begin();
    try {
      await warm.during(
        pods.all,
        known.map((key) => key.authorization),
        async () => {
          await unseen.callAll(
            first,
            cold.map((key) => key.authorization),
          );
          await unseen.callAll(
            second,
            cold.map((key) => key.authorization),
          );
          await revokeKey(databases.primary, revoked.id);
          await databases.replicated();
          await expect
            .poll(() => pods.outcomes(revoked.authorization), { interval: 5, timeout: 1_000 })
            .toEqual([REVOKED, REVOKED]);
        },
      );
    } finally {
      await end();
    }
    await inUse();
    expect(await pods.outcomes(revoked.authorization)).toEqual([REVOKED, REVOKED]);

    const reports = { warm: warm.report(), cold: unseen.report() };
    printFigures(`Redis ${name}`, reports);
    for (const report of Object.values(reports)) {
      expect(report.outcomes).toEqual({ 200: report.calls });
      expect(report.maxMs).toBeLessThan(LONGEST_CALL_MS);
    }

    const before = (await answered(second, 'redis')) ?? 0;
    const usedAgain = async () => {
      const shared = (await newKeys(5)).map((key) => key.authorization);
      for (const pod of pods.all) await new Load().callAll(pod, shared, 1);
      return ((await answered(second, 'redis')) ?? 0) - before;
    };
    // On a busy machine many replies of Redis are late; a few in time are enough.
    await expect.poll(usedAgain, { timeout: 10_000 }).toBeGreaterThan(0);
  },
);

let emptier: Promise<void> | undefined;
let emptyingOn = false;

function emptying(): void {
  emptyingOn = true;
  emptier = (async () => {
    const admin = new Redis(redis.url);
    while (emptyingOn) await admin.flushdb();
    admin.disconnect();
  })();
}

async function stopEmptying(): Promise<void> {
  emptyingOn = false;
  await emptier;
}
