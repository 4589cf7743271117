import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { type FailoverRegion, startFailoverRegion } from '../../support/failover-region.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { type Pods, startPods } from '../../support/pods.ts';

/** A planned or unplanned change of the primary, on real servers (docs/failover.md). */
const REVOKED = '401 0xD38358';
const CALLERS = 4;

let servers: FailoverRegion;
let controlPlane: TestControlPlane;
let pods: Pods;
let owner: IssuedKey;
beforeAll(async () => {
  servers = await startFailoverRegion();
  controlPlane = await startTestControlPlane(
    {},
    {
      pool: servers.primary,
      url: servers.primaryServer.access.url,
      controlPlaneUrl: servers.controlPlaneUrl,
    },
  );
  pods = await startPods(2, servers.replicaUrl);
  owner = await newOrganization(servers.primary);
}, 120_000);
afterAll(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await servers?.close();
});

const both = (outcome: string) => [outcome, outcome];

async function warmKeys(count: number): Promise<IssuedKey[]> {
  const keys = await Promise.all(
    Array.from({ length: count }, () => insertKey(servers.primary, { organizationId: owner.organizationId })),
  );
  for (const key of keys)
    await expect
      .poll(() => pods.outcomes(key.authorization), { interval: 20, timeout: 20_000 })
      .toEqual(both('200'));
  return keys;
}

const revoke = async ({ id }: IssuedKey): Promise<boolean> => {
  const { status } = await callApi(
    controlPlane,
    'DELETE',
    `/api/v1/users/auth/keys/${id}`,
    owner.authorization,
  );
  expect([200, 503]).toContain(status);
  return status === 200;
};

/** Revokes keys from several callers at once, until `stop`. @returns the keys whose revocation was acknowledged */
async function revokeUntil(
  keys: readonly IssuedKey[],
  stop: (acknowledged: number) => boolean,
): Promise<IssuedKey[]> {
  const waiting = [...keys];
  const acknowledged: IssuedKey[] = [];
  let stopped = false;
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let key = waiting.pop(); key !== undefined && !stopped; key = waiting.pop()) {
        if (!(await revoke(key))) continue;
        acknowledged.push(key);
        stopped ||= stop(acknowledged.length);
      }
    }),
  );
  return acknowledged;
}

/** Authenticates with valid keys on every pod until it is ended. */
function authenticateAllTheTime(keys: readonly IssuedKey[]): { end(): Promise<string[]> } {
  const seen = new Set<string>();
  let ended = false;
  const work = (async () => {
    while (!ended) {
      for (const key of keys) for (const outcome of await pods.outcomes(key.authorization)) seen.add(outcome);
      await sleep(20);
    }
  })();
  return {
    end: async () => {
      ended = true;
      await work;
      return [...seen];
    },
  };
}

async function refusedEverywhere(keys: readonly IssuedKey[]): Promise<void> {
  for (const key of keys)
    await expect
      .poll(() => pods.outcomes(key.authorization), { interval: 20, timeout: 30_000 })
      .toEqual(both(REVOKED));
}

const rowsOf = async (pool: FailoverRegion['primary']) =>
  (await pool.query('SELECT id, version, revoked_at, secret_hash FROM api_keys ORDER BY id')).rows;

it.each(['alpha', 'beta'] as const)(
  'the region follows the promoted standby, and every acknowledged revocation holds, when the primary %s is lost',
  async (lost) => {
    const standby = lost === 'alpha' ? 'beta' : 'alpha';
    await servers.configure({ synchronous_standby_names: standby, synchronized_standby_slots: standby });
    await servers.standbyReady();
    const valid = await warmKeys(5);
    const [afterwards, ...keys] = (await warmKeys(61)) as [IssuedKey, ...IssuedKey[]];
    const asking = authenticateAllTheTime(valid);

    let killedAt = 0;
    const acknowledged = await revokeUntil(keys, (count) => {
      if (count < 30 || killedAt > 0) return false;
      servers.killPrimary();
      killedAt = performance.now();
      return true;
    });
    await servers.promote();
    const promotedAt = performance.now();

    const since = (at: number) => `${((performance.now() - at) / 1_000).toFixed(1)} s`;
    await expect.poll(() => revoke(afterwards), { interval: 50, timeout: 30_000 }).toBe(true);
    const writable = since(promotedAt);
    await refusedEverywhere([afterwards]);
    const followed = since(promotedAt);
    await refusedEverywhere(acknowledged);
    console.log(
      `[figure] failover: ${acknowledged.length} acknowledged revocations, ${lost} killed after the last; promoted ${((promotedAt - killedAt) / 1_000).toFixed(1)} s later; revocations accepted ${writable} and applied in the region ${followed} after the promotion`,
    );
    expect(acknowledged.length).toBeGreaterThanOrEqual(30);
    expect(await asking.end()).toEqual(['200']);
    await expect
      .poll(() => rowsOf(servers.region), { timeout: 20_000 })
      .toEqual(await rowsOf(servers.primary));

    await servers.rebuildStandby();
  },
  60_000,
);
