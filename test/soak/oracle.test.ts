import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { hashSecret } from '../../src/credential/hash.ts';
import { OWNER_ASSIGNMENTS } from '../support/control-plane.ts';
import { authorizationOf, newCredential, TEST_HASH_PARAMETERS } from '../support/keys.ts';
import { Churn } from '../support/oracle/churn.ts';
import { ORDINARY_MS } from '../support/oracle/disturbances.ts';
import { allFaults, type Fault } from '../support/oracle/faults.ts';
import { type Fleet, startFleet } from '../support/oracle/fleet.ts';
import { Judge } from '../support/oracle/judge.ts';
import { Processes } from '../support/oracle/processes.ts';
import { Random } from '../support/oracle/random.ts';
import { Traffic } from '../support/oracle/traffic.ts';
import { World } from '../support/oracle/world.ts';

/** The full run takes 1,200 s and checks more than a million responses; CI has no time for it. */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 120);
/** Decides on the faults, their order and durations, and on the traffic. */
const SEED = Number(process.env.SOAK_SEED ?? 1);
/** Names of faults to inject, to repeat a part of a run: a regular expression. */
const ONLY = new RegExp(process.env.SOAK_FAULTS ?? '');
const PODS = 3;
const CALLS_PER_SECOND = 1_000;
const CLIENTS = 24;
const CHURN_WORKERS = 3;
const ORGANIZATION = 'oracle';
const ADMIN = 'oracle-owner';
/** The region keeps each change for a day, and repairs are changes too. */
const MAX_CHANGES = 100_000;
/** A record, responses to three bodies and a fence of each key of the last minutes, and those of the fleet. */
const MAX_REDIS_KEYS = 50_000;
/** All rows compared, and differing buckets repaired, after the last fault. */
const SETTLED_MS = 150_000;

vi.setConfig({ testTimeout: SECONDS * 1_000 + 400_000, hookTimeout: 120_000 });

let fleet: Fleet;
let world: World;
let owner: string;
beforeAll(async () => {
  fleet = await startFleet(PODS);
  world = new World(ORGANIZATION);
  const credential = newCredential();
  owner = authorizationOf(credential);
  await fleet.onPrimary('INSERT INTO organizations (id, name, key_quota) VALUES ($1, $1, 1000000)', [
    ORGANIZATION,
  ]);
  await fleet.onPrimary(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
     VALUES ($1, $2, 'owner', $3, $4, $5, 0)`,
    [
      credential.id,
      ORGANIZATION,
      await hashSecret(credential.secret, TEST_HASH_PARAMETERS),
      JSON.stringify(OWNER_ASSIGNMENTS),
      ADMIN,
    ],
  );
});
afterAll(async () => {
  await fleet?.close();
});

/** Injects the faults in the order of the seed until the time is over; a light one may overlap another. */
async function injectFaults(
  faults: readonly Fault[],
  random: Random,
  endsAtMs: number,
  progress: (text: string) => void,
): Promise<void> {
  while (Date.now() < endsAtMs) {
    const order = random.shuffled(faults);
    while (order.length > 0 && Date.now() < endsAtMs) {
      const first = order.pop() as Fault;
      const second = order.at(-1);
      const both = first.isLight && second?.isLight && random.next() < 0.3;
      if (both) order.pop();
      progress(both ? `${first.name}, and ${second.name}` : first.name);
      await Promise.all([first.inject(), both ? second.inject() : undefined]);
      await sleep(random.integer(500, 4_000));
    }
  }
}

const rowsOf = async (run: Fleet['onPrimary']) =>
  (await run('SELECT id, version FROM api_keys ORDER BY id')).rows;

it(`every response of ${SECONDS} s of faults keeps the freshness contract (SOAK_SEED=${SEED})`, async () => {
  console.log(
    `[seed] SOAK_SEED=${SEED} SOAK_SECONDS=${SECONDS} npm run test:soak -- test/soak/oracle.test.ts`,
  );
  const [ofTraffic, ofChurn, ofOrder, ofFaults] = [1, 2, 3, 4].map((n) => new Random(SEED * 10 + n)) as [
    Random,
    Random,
    Random,
    Random,
  ];
  const judge = new Judge(world);
  const churn = new Churn({ fleet, world, owner, random: ofChurn });
  const traffic = new Traffic({ fleet, world, judge, random: ofTraffic });
  const processes = new Processes(fleet);
  await churn.populate();
  await sleep(ORDINARY_MS);
  await traffic.warmUp();

  const startedAtMs = Date.now();
  traffic.start(CLIENTS, CALLS_PER_SECOND);
  churn.start(CHURN_WORKERS, 200);
  const sampling = setInterval(() => void processes.sample(), 5_000);
  const faults = allFaults({ fleet, world, churn, random: ofFaults }).filter(({ name }) => ONLY.test(name));
  const progress = (text: string) =>
    console.log(
      `[progress] ${((Date.now() - startedAtMs) / 1_000).toFixed(0)} s, ${judge.checked} responses, ${judge.violations} violations: ${text}`,
    );
  await injectFaults(faults, ofOrder, startedAtMs + SECONDS * 1_000, progress);
  progress('the faults have ended');
  await churn.stop();
  clearInterval(sampling);

  // After the last fault everything becomes right again, while traffic continues.
  await expect.poll(() => churn.finish(), { timeout: SETTLED_MS, interval: 500 }).toBe(true);
  await churn.settleRole();
  progress('all revocations are acknowledged');
  await expect
    .poll(() => rowsOf(fleet.onRegion), { timeout: SETTLED_MS, interval: 1_000 })
    .toEqual(await rowsOf(fleet.onPrimary));
  progress('the region equals the primary');
  await expect.poll(isQuiet, { timeout: SETTLED_MS, interval: 1_000 }).toBe(true);
  for (const secret of world.allSecrets)
    for (let pod = 0; pod < PODS; pod += 1) await traffic.ask({ kind: 'secret', secret }, pod);
  await traffic.stop();

  const seconds = (Date.now() - startedAtMs) / 1_000;
  console.log(
    `[figure] oracle: seed ${SEED}, ${judge.checked} responses checked in ${seconds.toFixed(0)} s, ${churn.changes} changes, ${judge.violations} violations; ${JSON.stringify(judge.counts)}; faults ${JSON.stringify(world.disturbances.counts())}; at most ${JSON.stringify(processes.peak)} per pod`,
  );
  expect(judge.violations).toBe(0);
  expect(processes.growth()).toEqual([]);
  expect(await left()).toEqual([]);
});

/** Whether no fault excuses anything any more. */
async function isQuiet(): Promise<boolean> {
  const nowMs = Date.now();
  return Array.from({ length: PODS }, (_, pod) => pod).every(
    (pod) => !world.disturbances.excusesUnavailable(pod, nowMs, nowMs),
  );
}

/** What has not been cleaned up: changes that every pod has read, and Redis keys beyond those of living keys. */
async function left(): Promise<string[]> {
  const changes = await fleet.onRegion('SELECT count(*)::int AS count FROM changes');
  const redis = new Redis(fleet.redis.url);
  const size = await redis.dbsize();
  redis.disconnect();
  return [
    ...(changes.rows[0].count > MAX_CHANGES ? [`${changes.rows[0].count} changes`] : []),
    ...(size > MAX_REDIS_KEYS ? [`${size} keys in Redis`] : []),
  ];
}
