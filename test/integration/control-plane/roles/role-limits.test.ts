import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  callApi,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../../support/control-plane.ts';
import { iam } from '../../../support/iam.ts';
import type { IssuedKey } from '../../../support/keys.ts';
import { putRole } from '../../../support/roles.ts';

const LIMITS = {
  MAX_ROLE_BYTES: '30000',
  MAX_ROLES_PER_PROJECT: '3',
  MAX_ROLE_BYTES_PER_ORGANIZATION: '65536',
};

let controlPlane: TestControlPlane;
let owner: IssuedKey;
beforeAll(async () => {
  controlPlane = await startTestControlPlane(LIMITS);
});
beforeEach(async () => {
  owner = await newOrganization(controlPlane.primary.pool);
});
afterAll(() => controlPlane?.close());

const sized = (bytes: number) => ({ metadata: { padding: 'x'.repeat(bytes) } });

async function put(name: string, descriptor: unknown, project = 'p1') {
  const path = `/api/v1/projects/elasticsearch/${project}/roles/${name}`;
  const { status, body } = await callApi(controlPlane, 'PUT', path, owner.authorization, {
    body: descriptor,
  });
  return status === 200 ? 'written' : `${status} ${body.errors[0].code}: ${body.errors[0].message}`;
}
const call = async (method: string, name: string) =>
  (
    await callApi(
      controlPlane,
      method,
      `/api/v1/projects/elasticsearch/p1/roles/${name}`,
      owner.authorization,
    )
  ).status;

/** The counter of the organization and the true sum. */
async function bytes() {
  const { rows } = await controlPlane.primary.pool.query<{ counted: string; stored: string }>(
    `SELECT role_bytes AS counted, (
       SELECT coalesce(sum(octet_length(descriptor::text)), 0) FROM roles
       WHERE organization_id = o.id AND deleted_at IS NULL
     ) AS stored FROM organizations AS o WHERE id = $1`,
    [owner.organizationId],
  );
  return { counted: Number(rows[0]?.counted), stored: Number(rows[0]?.stored) };
}

it('a descriptor above the limit is refused with its size and the limit', async () => {
  const [, size] =
    /^400 roles\.invalid_input: The role descriptor has (\d+) bytes of JSON, and the limit is 30000\./.exec(
      await put('a', sized(30_000)),
    ) ?? [];
  const rest = Number(size) - 30_000;
  expect(await put('a', sized(30_000 - rest))).toBe('written');
  expect(await put('a', sized(30_001 - rest))).toContain('has 30001 bytes');
});

it('a project has at most so many roles; a replaced or deleted one makes no difference', async () => {
  for (const name of ['a', 'b', 'c']) expect(await put(name, {})).toBe('written');
  expect(await put('d', {})).toMatch(/^400 .*: The project has 3 custom roles, and the limit is 3\. Delete/);
  expect(await put('a', sized(10))).toBe('written');
  expect(await put('d', {}, 'p2')).toBe('written');
  await call('DELETE', 'b');
  expect(await put('d', {})).toBe('written');
});

it('the roles of an organization have at most so many bytes, over all projects', async () => {
  for (const project of ['p1', 'p2']) expect(await put('a', sized(29_000), project)).toBe('written');
  const { counted } = await bytes();
  const refused = await put('a', sized(10_000), 'p3');
  const [, size] =
    /the organization would have (\d+) bytes, and the limit is 65536\. Delete/.exec(refused) ?? [];
  expect(Number(size)).toBeGreaterThan(counted + 10_000);
  expect(await bytes()).toEqual({ counted, stored: counted });
  expect(await put('a', sized(10))).toBe('written');
  expect(await put('a', sized(10_000), 'p3')).toBe('written');
  await call('DELETE', 'a');
  const { counted: left, stored } = await bytes();
  expect(left).toBe(stored);
});

it('concurrent writes cannot exceed the limit together, and the counter stays right', async () => {
  const projects = Array.from({ length: 12 }, (_, index) => `p${index}`);
  const outcomes = await Promise.all(projects.map((project) => put('a', sized(15_000), project)));
  expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(4);
  const { counted, stored } = await bytes();
  expect(counted).toBe(stored);
  expect(counted).toBeLessThanOrEqual(65_536);
});

it('larger roles from before stay readable, can shrink and can be deleted', async () => {
  const { pool } = controlPlane.primary;
  for (const name of ['a', 'b', 'c', 'd']) await putRole(pool, owner.organizationId, name, sized(60_000));
  expect((await bytes()).counted).toBe((await bytes()).stored);
  expect(await call('GET', 'a')).toBe(200);
  expect(await put('a', sized(29_000))).toBe('written');
  expect(await put('a', sized(29_100))).toContain('the limit is 65536');
  expect(await call('DELETE', 'b')).toBe(200);
  expect((await bytes()).counted).toBe((await bytes()).stored);
});

it('the command line shows the size and the limit', async () => {
  const environment = { ...LIMITS, PRIMARY_DATABASE_URL: controlPlane.primary.controlPlaneUrl };
  const descriptor = JSON.stringify(sized(40_000));
  const { exitCode, stderr } = await iam(
    [
      'roles',
      'put',
      'a',
      '--project',
      'elasticsearch:p1',
      '--organization',
      owner.organizationId,
      '--descriptor',
      descriptor,
    ],
    environment,
  );
  expect(exitCode).not.toBe(0);
  expect(stderr).toMatch(/The role descriptor has 40\d\d\d bytes of JSON, and the limit is 30000\. Divide/);
});
