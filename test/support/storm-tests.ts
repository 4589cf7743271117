import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashSecret } from '../../src/credential/hash.ts';
import { createDatabases, type TestDatabases } from './databases.ts';
import { latency } from './figures.ts';
import { authorizationOf, newCredential } from './keys.ts';
import { Load, printFigures } from './load.ts';
import { type Pods, startPods } from './pods.ts';
import { startTestRedis, type TestRedis } from './servers/redis.ts';
import { liveHeapMiB, Storm } from './storm.ts';

/** Size of the storms. */
export interface StormSize {
  coldKeys: number;
  wrongSecrets: number;
}

const SHED = '503 0x1A0529';
/** Shed by the queue of lookups. */
const STORE_SHED = '503 0x1A3503';
const UNAVAILABLE = '503 0x1A0503';
/** Share of calls for which no connection to Postgres could be opened in time: Postgres has to log in during the storm. */
const UNAVAILABLE_SHARE = 0.05;
const WRONG = '401 0x28D520';
/** Parameters of production: one comparison takes milliseconds. */
const HASH_PARAMETERS = { memoryKiB: 4_096, timeCost: 1, parallelism: 1 };
/** Bound for warm traffic on a busy machine; the test prints the real figure. */
const WARM_P99_MS = 2_000;
/** Maximum growth of the live heap per cold key (record, memo, response). */
const HEAP_KIB_PER_KEY = 8;
/** Maximum further growth per storm: cached wrong secrets, pools, compiled code. */
const HEAP_MIB = 48;

interface Key {
  id: string;
  authorization: string;
}

/** The same guarantees at two sizes: a small one in every run, the full one in the soak suite. */
export function stormTests({ coldKeys, wrongSecrets }: StormSize): void {
  let databases: TestDatabases;
  let redis: TestRedis;
  let pods: Pods;
  let warm: Key[];

  beforeAll(async () => {
    [databases, redis] = await Promise.all([createDatabases(), startTestRedis()]);
    pods = await startPods(1, databases.replicaUrl, redis.url, { ARGON2_QUEUE_LIMIT: '64' });
    warm = await newKeys(20);
    await new Load().callAll(pod(), warm.map(sent));
  });
  afterAll(async () => {
    await pods?.stop();
    await redis?.stop();
    await databases?.close();
  });

  const pod = () => pods.all[0] as Pods['all'][number];
  const sent = (key: Key) => key.authorization;

  /** Many keys that share one secret, because hashing with production parameters is slow. */
  async function newKeys(count: number): Promise<Key[]> {
    const organizationId = `org-${randomUUID()}`;
    await databases.primary.query('INSERT INTO organizations (id, name) VALUES ($1, $1)', [organizationId]);
    const { secret } = newCredential();
    const ids = Array.from({ length: count }, () => newCredential().id);
    await databases.primary.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT id, $1, 'test', $3, '{}', 'user-1', 0 FROM unnest($2::text[]) AS given (id)`,
      [organizationId, ids, await hashSecret(secret, HASH_PARAMETERS)],
    );
    await databases.replicated();
    return ids.map((id) => ({ id, authorization: authorizationOf({ id, secret, layout: 'v1' }) }));
  }

  /** Sends warm traffic at a steady rate during a storm and measures the heap growth. */
  async function withWarmTraffic(storm: () => Storm, meanwhile: () => Promise<void> = async () => {}) {
    const heapBeforeMiB = liveHeapMiB();
    const warmStorm = new Storm({
      kind: 'again',
      url: pod().url,
      clients: 2,
      pauseMs: 5,
      authorizations: warm.map(sent),
    });
    const begun = performance.now();
    const running = storm();
    await meanwhile();
    const result = await running.done;
    const seconds = (performance.now() - begun) / 1_000;
    const traffic = await warmStorm.stop();
    const heapGrowthMiB = Number((liveHeapMiB() - heapBeforeMiB).toFixed(1));
    expect(traffic.outcomes).toEqual({ 200: traffic.timesMs.length });
    expect(latency(traffic).p99Ms).toBeLessThan(WARM_P99_MS);
    expect(result.sheddingWithoutRetryAfter).toBe(0);
    return { result, figures: { seconds, storm: result.outcomes, warm: latency(traffic), heapGrowthMiB } };
  }

  it(`a storm of ${coldKeys} cold keys does not affect warm traffic; shed requests get 503 with Retry-After and succeed later`, async () => {
    const cold = await newKeys(coldKeys);
    const { result, figures } = await withWarmTraffic(
      () => new Storm({ kind: 'each', url: pod().url, clients: 300, authorizations: cold.map(sent) }),
    );
    printFigures(`storm of ${coldKeys} cold keys`, figures);
    const {
      200: granted = 0,
      [SHED]: shed = 0,
      [STORE_SHED]: storeShed = 0,
      [UNAVAILABLE]: unavailable = 0,
    } = result.outcomes;
    expect(granted + shed + storeShed + unavailable).toBe(coldKeys);
    expect(unavailable).toBeLessThan(coldKeys * UNAVAILABLE_SHARE);
    expect(granted).toBeGreaterThan(0);
    expect(figures.heapGrowthMiB).toBeLessThan(HEAP_MIB + (coldKeys * HEAP_KIB_PER_KEY) / 1_024);

    const later = new Load();
    await later.callAll(pod(), result.shed.slice(0, 200), 2);
    expect(later.report().outcomes).toEqual(
      result.shed.length === 0 ? {} : { 200: Math.min(result.shed.length, 200) },
    );
  });

  it(`a storm of ${wrongSecrets} wrong secrets for one key blocks neither its holder nor cold keys`, async () => {
    const [attacked, ...others] = (await newKeys(1)).concat(await newKeys(60)) as [Key, ...Key[]];
    await new Load().callAll(pod(), [attacked.authorization]);
    const [holder, cold] = [new Load(), new Load()];
    const { result, figures } = await withWarmTraffic(
      () =>
        new Storm({ kind: 'wrong', url: pod().url, clients: 200, ids: [attacked.id], count: wrongSecrets }),
      async () => {
        for (const key of others) {
          await holder.call(pod(), attacked.authorization);
          await cold.call(pod(), key.authorization);
        }
      },
    );
    printFigures(`storm of ${wrongSecrets} wrong secrets for one key`, {
      ...figures,
      holder: holder.report(),
      cold: cold.report(),
    });
    const { [WRONG]: wrong = 0, [SHED]: shed = 0 } = result.outcomes;
    expect(wrong + shed).toBe(wrongSecrets);
    expect(shed).toBeGreaterThan(0);
    expect(holder.report().outcomes).toEqual({ 200: others.length });
    expect(cold.report().outcomes).toEqual({ 200: others.length });
    expect(figures.heapGrowthMiB).toBeLessThan(HEAP_MIB);
  });
}
