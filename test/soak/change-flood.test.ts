import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabases } from '../support/databases.ts';
import { report } from '../support/figures.ts';
import { insertKey, revokeKey } from '../support/keys.ts';
import { outcome, type Pods, startPods } from '../support/pods.ts';
import { authenticate } from '../support/regional.ts';
import { startTestRedis, type TestRedis } from '../support/servers/redis.ts';
import { startStandbyRegion } from '../support/standby-region.ts';

const FLOOD = 100_000;
const REVOKED = '401 0xD38358';

let redis: TestRedis;
let pods: Pods;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis?.stop());

describe.each([
  { mode: 'listen', start: createDatabases },
  { mode: 'poll', start: startStandbyRegion },
])('with a change feed in the mode $mode', ({ mode, start }) => {
  let databases: Awaited<ReturnType<typeof start>>;

  beforeAll(async () => {
    databases = await start();
  });
  afterAll(async () => {
    await pods?.stop();
    await databases?.close();
  });

  it('a transaction of 100,000 changes delays a revocation but loses none; warm traffic continues and pods start after it', async () => {
    pods = await startPods(2, databases.replicaUrl, redis.url, { FEED_MODE: mode });
    const [warm, revoked] = [await insertKey(databases.primary), await insertKey(databases.primary)];
    await databases.replicated();
    for (const key of [warm, revoked]) expect(await pods.outcomes(key.authorization)).toEqual(['200', '200']);

    const stop = new AbortController();
    const latenciesMs: number[] = [];
    const outcomes = new Set<string>();
    const traffic = pods.all.map(async (pod) => {
      while (!stop.signal.aborted) {
        const startedAtMs = performance.now();
        outcomes.add(outcome(await authenticate(pod, warm.authorization)));
        latenciesMs.push(performance.now() - startedAtMs);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    await databases.primary.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     SELECT $3 || '-' || n, $1, 'flood', 'none', '{}', 'user-1', 0 FROM generate_series(1, $2) AS n`,
      [warm.organizationId, FLOOD, mode],
    );
    await revokeKey(databases.primary, revoked.id);
    const committedAtMs = performance.now();
    await expect
      .poll(() => pods.outcomes(revoked.authorization), { interval: 5, timeout: 120_000 })
      .toEqual([REVOKED, REVOKED]);
    const delayMs = performance.now() - committedAtMs;
    stop.abort();
    await Promise.all(traffic);
    console.log(
      `[figure] ${mode}: revocation behind one transaction that changes 100,000 keys: refused on 2 pods after ${delayMs.toFixed(0)} ms`,
    );
    report(`${mode}: warm requests during that flood`, latenciesMs);
    expect([...outcomes]).toEqual(['200']);

    const restartedAtMs = performance.now();
    await pods.restart();
    console.log(
      `[figure] ${mode}: start of 2 pods after that flood: ready in ${(performance.now() - restartedAtMs).toFixed(0)} ms`,
    );
    expect(await pods.outcomes(revoked.authorization)).toEqual([REVOKED, REVOKED]);
  });
});
