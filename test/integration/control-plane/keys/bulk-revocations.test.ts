import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  OWNER_ASSIGNMENTS,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { type IssuedKey, insertKey } from '../../../support/keys.ts';

const KEYS = '/api/v1/users/auth/keys';
/** The largest bulk revocation. */
const IDS = 500;
const CALLS = 1_200;
const REVOCATIONS = 10;
/** Without turns, a revocation waits for most of the calls that came before it, whatever the speed of the machine. */
const MAX_CALLS_BEFORE = CALLS / 4;

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
});
afterAll(() => controlPlane?.close());

const bulk = (owner: IssuedKey, keys: readonly string[]) =>
  callApi(controlPlane, 'DELETE', KEYS, owner.authorization, { body: { keys } });

/** Adds revoked keys. @returns their ids */
async function revokedKeys({ organizationId }: IssuedKey, count: number): Promise<string[]> {
  const { rows } = await controlPlane.primary.pool.query<{ id: string }>(
    `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, revoked_at)
     SELECT 'revoked-' || $1 || n, $1, 'x', 'none', '{}', 'u', now() FROM generate_series(1, $2::int) n RETURNING id`,
    [organizationId, count],
  );
  return rows.map(({ id }) => id);
}

it('of one organization do not delay the revocations of another', async () => {
  const attacker = await newOrganization(controlPlane.primary.pool);
  const victim = await newOrganization(controlPlane.primary.pool);
  const keys = await Promise.all(
    Array.from({ length: REVOCATIONS }, () =>
      insertKey(controlPlane.primary.pool, { organizationId: victim.organizationId }),
    ),
  );
  // With the last owner, each call is refused under the lock of the organization, so it can be repeated.
  const ids = [...(await revokedKeys(attacker, IDS - 1)), attacker.id];
  let ended = 0;
  const attack = Array.from({ length: CALLS }, () =>
    bulk(attacker, ids).finally(() => {
      ended += 1;
    }),
  );
  const statuses: number[] = [];
  const before: number[] = [];
  for (const { id } of keys) {
    const endedBefore = ended;
    const { status } = await callApi(controlPlane, 'DELETE', `${KEYS}/${id}`, victim.authorization);
    statuses.push(status);
    before.push(ended - endedBefore);
  }
  await Promise.all(attack);
  expect(statuses).toEqual(keys.map(() => 200));
  expect(Math.max(...before)).toBeLessThan(MAX_CALLS_BEFORE);
}, 120_000);

it('of revoked keys succeed without the lock of the organization, as long as the caller is an owner', async () => {
  const owner = await newOrganization(controlPlane.primary.pool);
  const reader = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  const second = await insertKey(controlPlane.primary.pool, {
    organizationId: owner.organizationId,
    roleAssignments: OWNER_ASSIGNMENTS,
  });
  const ids = await revokedKeys(owner, IDS);
  const locker = await controlPlane.primary.pool.connect();
  try {
    await locker.query('BEGIN');
    await locker.query('SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [owner.organizationId]);
    expect((await bulk(owner, ids)).status).toBe(200);
    expect((await bulk(reader, ids)).status).toBe(403);
    const locked = bulk(owner, [...ids.slice(1), second.id]);
    await expect
      .poll(async () => (await locker.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount)
      .toBeGreaterThan(0);
    await locker.query('COMMIT');
    expect((await locked).status).toBe(200);
  } finally {
    await locker.query('ROLLBACK');
    locker.release();
  }
}, 30_000);
