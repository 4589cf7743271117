import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { callApi, newOrganization } from '../../../support/control-plane.ts';
import type { IssuedKey } from '../../../support/keys.ts';
import { metric } from '../../../support/pods.ts';
import { createPrimary, type TestPrimary } from '../../../support/primary.ts';
import { type ShiftedPod, startShiftedControlPlane } from '../../../support/shifted-pod.ts';

const KEYS = '/api/v1/users/auth/keys';
const HOUR_MS = 3_600_000;

let primary: TestPrimary;
let owner: IssuedKey;
let controlPlane: ShiftedPod | undefined;
beforeAll(async () => {
  primary = await createPrimary();
  owner = await newOrganization(primary.pool);
});
afterEach(async () => {
  await controlPlane?.stop();
  controlPlane = undefined;
});
afterAll(() => primary?.close());

const call = (method: string, path: string, body?: unknown) =>
  callApi(controlPlane as ShiftedPod, method, path, owner.authorization, { body });
const readiness = async () => fetch(`${controlPlane?.managementUrl}/readyz`);

it.each([
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
])(
  'a control plane whose clock is an hour %s sets no expiration, still revokes, and recovers',
  async (_, offsetMs) => {
    controlPlane = await startShiftedControlPlane(0, primary.controlPlaneUrl);
    await expect.poll(async () => (await readiness()).status).toBe(200);
    const body = { description: 'a key', expiration: '1h' };
    const created = await call('POST', KEYS, body);
    expect(created.status).toBe(201);
    const { id } = created.body as { id: string };

    await controlPlane.setClock(offsetMs);
    await expect.poll(async () => (await readiness()).status).toBe(503);
    expect(await (await readiness()).text()).toMatch(/the clock of this control plane is 3(600|599)\.\d s/);
    expect(Math.round((await metric(controlPlane, 'iam_clock_offset_seconds')) ?? 0)).toBe(offsetMs / 1_000);
    expect((await call('POST', KEYS, body)).status).toBe(503);
    expect((await call('POST', `${KEYS}/${id}/_rotate`, { expiration: '1h' })).status).toBe(503);
    const granted = await call('POST', '/uiam/api/v1/api-keys/_grant', {
      description: 'granted',
      internal: true,
      role_assignments: { limit: { access: ['application'], resource: ['project'] } },
    });
    expect(granted.status).toBe(503);
    expect((await call('DELETE', `${KEYS}/${id}`)).status).toBe(200);
    const { rows } = await primary.pool.query(
      'SELECT count(*)::int AS wrong FROM api_keys WHERE abs(extract(epoch FROM expires_at - now())) NOT BETWEEN 3000 AND 3601',
    );
    expect(rows).toEqual([{ wrong: 0 }]);

    await controlPlane.setClock(0);
    await expect.poll(async () => (await readiness()).status).toBe(200);
    expect((await call('POST', KEYS, body)).status).toBe(201);
  },
);
