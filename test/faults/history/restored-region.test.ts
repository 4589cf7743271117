import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startTestControlPlane, type TestControlPlane } from '../../support/control-plane.ts';
import { revokeKey, rotateKey } from '../../support/keys.ts';
import { insertKeys } from '../../support/many-keys.ts';
import { type OwnRegion, startOwnRegion } from '../../support/own-region.ts';
import { metric, outcome, type Pods, startPods } from '../../support/pods.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';
import { authenticate, ready, startUnreadyRegional, type TestRegional } from '../../support/regional.ts';
import { startTestRedis, type TestRedis } from '../../support/servers/redis.ts';
import { type ShiftedPod, startShiftedPod } from '../../support/shifted-pod.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const KEYS = 1_000;
const EACH = 20;
/** Within it, running pods must have noticed. */
const BOUND_MS = 10_000;
const REFUSED = '401 0xD38358';
const UNCONFIRMED = '503 0x1A6503';
/** Before the pod has read anything from the replica. */
const NOT_EXAMINED = '503 0x1A0503';

/** The pods of all starts share the cache. */
const CACHE_KEYS = randomBytes(32).toString('base64');

interface Key {
  id: string;
  authorization: string;
}

let primary: TestPrimary;
let controlPlane: TestControlPlane;
let redis: TestRedis;
let region: OwnRegion;
let pods: Pods;
let untouched: Key[];
let revoked: Key[];
let rotated: Key[];
beforeEach(async () => {
  [primary, redis] = await Promise.all([createPrimary(), startTestRedis()]);
  controlPlane = await startTestControlPlane({}, primary);
  region = await startOwnRegion(primary.url);
  const keys = await insertKeys(primary.pool, KEYS);
  revoked = keys.slice(0, EACH);
  rotated = keys.slice(EACH, 2 * EACH);
  untouched = keys.slice(2 * EACH, 3 * EACH);
  pods = await startPods(2, region.replicaUrl, redis.url, { CACHE_KEYS });
});
afterEach(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await region?.close();
  await primary?.close();
  await redis?.stop();
});

/** Resolves when the region has applied what is committed on the primary now. */
async function replicated(): Promise<void> {
  const { rows } = await primary.pool.query('SELECT counter FROM beat()');
  await expect
    .poll(async () => (await region.pool.query('SELECT counter FROM heartbeat')).rows[0]?.counter, {
      timeout: 30_000,
    })
    .toSatisfy((counter: string) => BigInt(counter ?? 0) >= BigInt(rows[0].counter));
}

/** A region finds a gap by the heartbeats that it misses. Without any, only the digests show it. */
async function someHeartbeats(): Promise<void> {
  const counter = async () =>
    Number((await region.pool.query('SELECT counter FROM heartbeat')).rows[0].counter);
  const before = await counter();
  await expect.poll(counter, { timeout: 10_000 }).toBeGreaterThan(before + 2);
}

/** Resolves when the primary has learned that the region has what is committed now: it never sends that again. */
async function confirmed(): Promise<void> {
  const { rows } = await primary.pool.query('SELECT pg_current_wal_flush_lsn() AS position');
  const isConfirmed = async () => {
    const { rows: slots } = await primary.pool.query(
      'SELECT confirmed_flush_lsn >= $1 AS confirmed FROM pg_replication_slots WHERE slot_name = $2',
      [rows[0].position, region.name],
    );
    return slots[0]?.confirmed;
  };
  await expect.poll(isConfirmed, { timeout: 30_000 }).toBe(true);
}

const askEach = (keys: readonly Key[], of: readonly { url: string }[] = pods.all) =>
  Promise.all(
    keys.flatMap(({ authorization }) =>
      of.map(async (pod) => outcome(await authenticate(pod, authorization))),
    ),
  );
const askAll = async (keys: readonly Key[], of?: readonly { url: string }[]) =>
  new Set(await askEach(keys, of));

/** Few untouched keys share a bucket with a changed one. */
async function expectMostServed(of?: readonly TestRegional[]): Promise<void> {
  const outcomes = await askEach(untouched, of);
  const refused = outcomes.filter((one) => one !== '200');
  expect(refused.filter((one) => one !== UNCONFIRMED)).toEqual([]);
  expect(refused.length).toBeLessThan(outcomes.length / 2);
}

/** What happens on the primary after the copy of the region was made. */
async function changeKeys(): Promise<{ created: Key[]; renewed: Key[] }> {
  for (const { id } of revoked) await revokeKey(primary.pool, id);
  const renewed = await Promise.all(rotated.map(({ id }) => rotateKey(primary.pool, id)));
  const created = await insertKeys(primary.pool, EACH);
  await replicated();
  return { created, renewed };
}

/** Whether the region has found the gap, and compared all of its rows since. */
async function hasCompared(): Promise<boolean> {
  const { rows } = await region.pool.query(
    `SELECT EXISTS (SELECT FROM history_breaks WHERE reason = 'gap')
       AND NOT EXISTS (SELECT FROM compared_buckets WHERE state IN ('unverified', 'suspected')) AS compared`,
  );
  return rows[0].compared;
}

it('pods that run refuse what a restored region has missed, and serve the rest', async () => {
  await replicated();
  await region.server.save();
  await expect.poll(() => askAll(untouched), { timeout: 30_000 }).toEqual(new Set(['200']));
  const { created, renewed } = await changeKeys();
  await expect.poll(() => askAll(revoked), { timeout: 30_000 }).toEqual(new Set([REFUSED]));
  await someHeartbeats();

  await region.server.stop();
  await region.server.restoreSaved();
  const startedAt = performance.now();
  const late = new Set<string>();
  const valid = new Set<string>();
  await expect
    .poll(
      async () => {
        const outcomes = await askAll(revoked);
        for (const outcome of await askAll([...created, ...renewed])) valid.add(outcome);
        if (performance.now() - startedAt > BOUND_MS) for (const outcome of outcomes) late.add(outcome);
        return await hasCompared();
      },
      { timeout: 45_000, interval: 50 },
    )
    .toBe(true);
  console.log(
    `[figure] restored region: compared after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`,
  );
  // Without a repair, the keys of the differing buckets stay refused.
  for (let turn = 0; turn < 20; turn += 1) {
    for (const outcome of await askAll(revoked)) late.add(outcome);
    for (const outcome of await askAll([...created, ...renewed])) valid.add(outcome);
  }
  expect([...late].filter((outcome) => ![REFUSED, UNCONFIRMED].includes(outcome))).toEqual([]);
  expect([...valid].filter((outcome) => outcome.startsWith('401'))).toEqual([]);
  await expectMostServed();
});

it('pods that start on a restored region never accept a key that was revoked in the gap', async () => {
  await replicated();
  await region.server.save();
  await expect.poll(() => askAll(untouched), { timeout: 30_000 }).toEqual(new Set(['200']));
  const { created, renewed } = await changeKeys();
  // Else new pods do not know of the gap, and refuse the created keys as unknown until their buckets are compared.
  await someHeartbeats();
  await pods.stop();
  await region.server.stop();
  await region.server.restoreSaved();
  const seen = new Set<string>();
  const valid = new Set<string>();
  let asking = true;
  const started = await Promise.all(
    [1, 2].map(() => startUnreadyRegional(region.replicaUrl, { REDIS_URL: redis.url, CACHE_KEYS })),
  );
  try {
    const questions = (async () => {
      for (; asking; await setImmediate()) {
        for (const outcome of await askAll(revoked, started)) seen.add(outcome);
        for (const outcome of await askAll([...created, ...renewed], started)) valid.add(outcome);
      }
    })();
    await Promise.all(started.map(ready));
    asking = false;
    await questions;
    for (const outcome of await askAll(revoked, started)) seen.add(outcome);
    for (const outcome of await askAll([...created, ...renewed], started)) valid.add(outcome);
    await expectMostServed(started);
  } finally {
    await Promise.all(started.map((pod) => pod.close()));
  }
  expect([...seen].filter((outcome) => ![REFUSED, UNCONFIRMED, NOT_EXAMINED].includes(outcome))).toEqual([]);
  expect([...valid].filter((outcome) => outcome.startsWith('401'))).toEqual([]);
});

it('pods that start never accept what a pod has refused a moment before all was killed', async () => {
  await pods.stop();
  const startPod = () => startShiftedPod(0, region.replicaUrl, { REDIS_URL: redis.url, CACHE_KEYS });
  const processes: ShiftedPod[] = [];
  const startBoth = async () => {
    processes.push(...(await Promise.all([startPod(), startPod()])));
    return processes.slice(-2);
  };
  try {
    await replicated();
    await startBoth().then((started) => Promise.all(started.map(ready)));
    // No heartbeat follows, so that neither the counters nor a comparison show that the copy is older.
    await controlPlane.close();
    await region.server.save();
    await expect
      .poll(() => askAll([...revoked, ...rotated, ...untouched], processes), { timeout: 30_000 })
      .toEqual(new Set(['200']));
    for (const { id } of revoked) await revokeKey(primary.pool, id);
    const renewed = await Promise.all(rotated.map(({ id }) => rotateKey(primary.pool, id)));
    await confirmed();
    await expect.poll(() => askAll(revoked, processes), { timeout: 30_000 }).toEqual(new Set([REFUSED]));
    await expect.poll(() => askAll(renewed, processes), { timeout: 30_000 }).toEqual(new Set(['200']));
    await Promise.all([...processes.map((pod) => pod.kill()), region.server.kill()]);
    await region.server.restoreSaved();

    const started = await startBoth();
    const seen = new Set<string>();
    const valid = new Set<string>();
    const observe = async () => {
      const outcomes = await askAll(revoked, started);
      for (const one of outcomes) seen.add(one);
      for (const one of await askAll([...renewed, ...untouched], started)) valid.add(one);
      return outcomes;
    };
    let isReady = false;
    const becomingReady = Promise.all(started.map(ready)).then(() => {
      isReady = true;
    });
    while (!isReady) await observe();
    await becomingReady;
    expect(await observe()).toEqual(new Set([UNCONFIRMED]));
    expect(await askAll(renewed, started)).toEqual(new Set([UNCONFIRMED]));
    expect(await askAll(untouched, started)).toEqual(new Set(['200']));

    // The digests take over. Without a repair, the keys of the differing buckets stay refused.
    controlPlane = await startTestControlPlane({}, primary);
    const found = async () => {
      await observe();
      const { rows } = await region.pool.query(
        `SELECT count(*) FILTER (WHERE compared_buckets.state = 'diverged') = count(*) AS found
         FROM (SELECT DISTINCT bucket FROM api_keys WHERE id = ANY ($1)) AS changed
         LEFT JOIN compared_buckets ON kind = 'keys' AND compared_buckets.bucket = changed.bucket`,
        [[...revoked, ...rotated].map(({ id }) => id)],
      );
      return rows[0].found;
    };
    await expect.poll(found, { timeout: 45_000, interval: 50 }).toBe(true);
    for (let turn = 0; turn < 20; turn += 1) await observe();
    expect([...seen].filter((one) => ![REFUSED, UNCONFIRMED, NOT_EXAMINED].includes(one))).toEqual([]);
    expect([...valid].filter((one) => !['200', UNCONFIRMED, NOT_EXAMINED].includes(one))).toEqual([]);
  } finally {
    await Promise.all(processes.map((pod) => pod.stop()));
  }
});

it('a region whose server restarts while the primary is down is used, but not an older copy of it', async () => {
  await replicated();
  await region.server.save();
  await expect.poll(() => askAll(untouched), { timeout: 30_000 }).toEqual(new Set(['200']));
  await replicated();
  // The pods note the newest heartbeat once per second.
  const counters = async () => (await region.pool.query('SELECT counter FROM heartbeat')).rows[0].counter;
  const before = await counters();
  await expect
    .poll(async () => Number(await counters()), { timeout: 10_000 })
    .toBeGreaterThan(Number(before) + 3);
  // Without a heartbeat, the subscription of the copy receives nothing either.
  await controlPlane.close();
  await region.pool.query(`ALTER SUBSCRIPTION ${region.name} DISABLE`);
  for (const pod of pods.all)
    await expect.poll(() => metric(pod, 'iam_heartbeat_age_seconds'), { timeout: 10_000 }).toBeGreaterThan(3);
  await pods.stop();
  await region.server.stop();
  await region.server.start();
  pods = await startPods(2, region.replicaUrl, redis.url, { CACHE_KEYS });
  expect(await askAll(untouched)).toEqual(new Set(['200']));

  await region.server.stop();
  await region.server.restoreSaved();
  await expect.poll(() => askAll(untouched), { timeout: BOUND_MS }).toEqual(new Set([UNCONFIRMED]));
  controlPlane = await startTestControlPlane({}, primary);
});
