import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT_SECRET,
  callApi,
  newOrganization,
  OWNER_ASSIGNMENTS,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey, type KeyFields } from '../../../support/keys.ts';

const KEYS = '/api/v1/users/auth/keys';
const AS_SERVICE = { 'x-client-authentication': CLIENT_SECRET };
const INTERNAL_QUOTA = 2;

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startTestControlPlane({ INTERNAL_KEY_QUOTA: String(INTERNAL_QUOTA) });
});
afterAll(() => controlPlane?.close());

/** Status, and the code of a refusal. */
async function call(method: string, path: string, as: IssuedKey, body?: unknown, headers = {}) {
  const response = await callApi(controlPlane, method, path, as.authorization, { body, headers });
  return response.status < 300 ? response.status : [response.status, response.body.errors[0].code];
}
const keyOf = ({ organizationId }: IssuedKey, fields: KeyFields) =>
  insertKey(controlPlane.primary.pool, { organizationId, ...fields });
const expired = { expiresAt: new Date(Date.now() - 60_000) };

describe('the last owner', () => {
  const REFUSED = [409, 'api_keys.last_owner'];

  it('is the last external one: an internal owner key does not count', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    await keyOf(owner, { internal: true, roleAssignments: OWNER_ASSIGNMENTS });
    expect(await call('DELETE', `${KEYS}/${owner.id}`, owner)).toEqual(REFUSED);
    await keyOf(owner, { roleAssignments: OWNER_ASSIGNMENTS });
    expect(await call('DELETE', `${KEYS}/${owner.id}`, owner)).toBe(200);
  });

  it('is not protected by revoked owners, owners of other organizations, and keys that are no owners', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const stranger = await newOrganization(controlPlane.primary.pool);
    await keyOf(owner, { roleAssignments: OWNER_ASSIGNMENTS, revokedAt: new Date() });
    await keyOf(owner, { roleAssignments: { organization: [{ role_id: 'billing-admin' }] } });
    await keyOf(owner, {
      roleAssignments: {
        organization: [{ role_id: 'organization-admin', organization_id: stranger.organizationId }],
      },
    });
    expect(await call('DELETE', `${KEYS}/${owner.id}`, owner)).toEqual(REFUSED);
    expect(await call('DELETE', KEYS, owner, { keys: [owner.id] })).toEqual(REFUSED);
  });

  it('may be replaced, but all owners cannot be revoked in one call', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const second = await keyOf(owner, { roleAssignments: OWNER_ASSIGNMENTS });
    expect(await call('DELETE', KEYS, owner, { keys: [owner.id, second.id] })).toEqual(REFUSED);
    expect(await call('DELETE', KEYS, owner, { keys: [second.id] })).toBe(200);
  });

  it('does not prevent the revocation of internal owner keys, not even of the only one', async () => {
    const owner = await newOrganization(controlPlane.primary.pool);
    const internal = { internal: true, roleAssignments: OWNER_ASSIGNMENTS };
    const [service, other] = [await keyOf(owner, internal), await keyOf(owner, internal)];
    expect(await call('DELETE', `${KEYS}/${owner.id}?force=true`, owner)).toBe(200);
    expect(await call('DELETE', `${KEYS}/${other.id}`, service, undefined, AS_SERVICE)).toBe(200);
    expect(await call('DELETE', `${KEYS}/${service.id}`, service, undefined, AS_SERVICE)).toBe(200);
  });
});

describe('a rotation that revives an expired key', () => {
  const revive = (key: IssuedKey, as: IssuedKey) =>
    call('POST', `${KEYS}/${key.id}/_rotate`, as, { expiration: '7d' });

  it('is refused while the quota is used up', async () => {
    const owner = await newOrganization(controlPlane.primary.pool, 2);
    const [old, filler] = [await keyOf(owner, expired), await keyOf(owner, {})];
    expect(await revive(old, owner)).toEqual([409, 'api_keys.quota_exceeded']);
    expect(await call('DELETE', `${KEYS}/${filler.id}`, owner)).toBe(200);
    expect(await revive(old, owner)).toBe(200);
  });

  it('of an internal key is refused while the quota of internal keys is used up, and only then', async () => {
    const owner = await newOrganization(controlPlane.primary.pool, 1);
    const old = await keyOf(owner, { ...expired, internal: true });
    const fillers = [];
    for (let count = 0; count < INTERNAL_QUOTA; count += 1)
      fillers.push(await keyOf(owner, { internal: true }));
    expect(await revive(old, owner)).toEqual([429, 'api_keys.internal_quota_exceeded']);
    expect(await call('DELETE', `${KEYS}/${fillers[0]?.id}`, owner)).toBe(200);
    expect(await revive(old, owner)).toBe(200);
  });

  it('does not depend on the quota for a key that is still active', async () => {
    const owner = await newOrganization(controlPlane.primary.pool, 1);
    expect(await call('POST', `${KEYS}/${owner.id}/_rotate`, owner, { expiration: '7d' })).toBe(200);
  });

  it('counts from then on', async () => {
    const owner = await newOrganization(controlPlane.primary.pool, 2);
    expect(await revive(await keyOf(owner, expired), owner)).toBe(200);
    expect(await call('POST', KEYS, owner, { description: 'one more' })).toEqual([
      409,
      'api_keys.quota_exceeded',
    ]);
  });
});
