import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { type FailoverRegion, REGION_SLOT, startFailoverRegion } from '../../support/failover-region.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { metric, type Pods, startPods } from '../../support/pods.ts';

/** The standby that the regions and the commits wait for is down (docs/failover.md). */
const REVOKED = '401 0xD38358';

let servers: FailoverRegion;
let controlPlane: TestControlPlane;
let pods: Pods;
let owner: IssuedKey;
beforeAll(async () => {
  servers = await startFailoverRegion();
  controlPlane = await startTestControlPlane(
    { DATABASE_QUERY_TIMEOUT_MS: '1000' },
    {
      pool: servers.primary,
      url: servers.primaryServer.access.url,
      controlPlaneUrl: servers.controlPlaneUrl,
    },
  );
  pods = await startPods(1, servers.replicaUrl);
  owner = await newOrganization(servers.primary);
}, 120_000);
afterAll(async () => {
  await pods?.stop();
  await controlPlane?.close();
  await servers?.close();
});

const missing = () => metric(controlPlane, 'iam_standby_slots_missing');
const retained = () => metric(controlPlane, `iam_slot_retained_bytes{slot="${REGION_SLOT}"}`);
const outcomeOf = async (key: IssuedKey) => (await pods.outcomes(key.authorization))[0];
const becomes = (read: () => Promise<unknown>, value: unknown) =>
  expect.poll(read, { interval: 20, timeout: 20_000 }).toEqual(value);

async function warmKey(): Promise<IssuedKey> {
  const key = await insertKey(servers.primary, { organizationId: owner.organizationId });
  await becomes(() => outcomeOf(key), '200');
  return key;
}

const revoke = async ({ id }: IssuedKey) =>
  (await callApi(controlPlane, 'DELETE', `/api/v1/users/auth/keys/${id}`, owner.authorization)).status;

it('a stopped standby of synchronized_standby_slots holds the regions back; the metric shows it, and removing its name ends it', async () => {
  await servers.configure({ synchronized_standby_slots: 'beta' });
  await servers.standbyReady();
  await becomes(missing, 0);
  expect(await metric(controlPlane, `iam_slot_usable{slot="${REGION_SLOT}"}`)).toBe(1);
  const key = await warmKey();
  const before = (await retained()) ?? Number.NaN;

  await servers.standbyServer.server.stop('fast');
  const stoppedAt = performance.now();
  expect(await revoke(key)).toBe(200);
  await becomes(missing, 1);
  const shownAfterMs = performance.now() - stoppedAt;
  expect(controlPlane.logLines.join('')).toContain('regions receive nothing');
  await expect.poll(retained, { timeout: 20_000 }).toBeGreaterThan(before);
  expect(await outcomeOf(key)).toBe('200');

  await servers.configure({ synchronized_standby_slots: '' });
  const removedAt = performance.now();
  await becomes(() => outcomeOf(key), REVOKED);
  console.log(
    `[figure] stopped standby: shown by iam_standby_slots_missing after ${(shownAfterMs / 1_000).toFixed(1)} s; revocation applied ${((performance.now() - removedAt) / 1_000).toFixed(1)} s after its name was removed`,
  );
  await becomes(missing, 0);
}, 60_000);

it('a change that the synchronous standby does not have is not acknowledged, and happens once commits no longer wait for it', async () => {
  const key = await warmKey();
  await servers.configure({ synchronous_standby_names: 'beta' });
  // The setting takes effect when the checkpointer reads it.
  await becomes(
    async () =>
      (await servers.primary.query('SHOW synchronous_standby_names')).rows[0].synchronous_standby_names,
    'beta',
  );
  const began = performance.now();
  expect(await revoke(key)).toBe(503);
  expect(performance.now() - began).toBeLessThan(10_000);

  await servers.configure({ synchronous_standby_names: '' });
  await expect.poll(() => revoke(key), { interval: 50, timeout: 20_000 }).toBe(200);
  await becomes(() => outcomeOf(key), REVOKED);
}, 60_000);
