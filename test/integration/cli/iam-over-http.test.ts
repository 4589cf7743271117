import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  auditOf,
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { iam } from '../../support/iam.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';
import { startTcpProxy } from '../../support/servers/tcp-proxy.ts';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let environment: Record<string, string>;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
  environment = { IAM_CONTROL_PLANE_URL: `${controlPlane.url}/`, IAM_API_KEY: owner.credential };
});
afterAll(() => controlPlane?.close());

async function json(...args: string[]) {
  const result = await iam([...args, '--json'], environment);
  expect(result.stderr).toBe('');
  return JSON.parse(result.stdout);
}

it('creates, lists, rotates, revokes and shows a key without a database URL', async () => {
  const key = await json(
    'keys',
    'create',
    '--description',
    'over HTTP',
    '--all-projects',
    'elasticsearch=viewer',
  );
  expect(key).toMatchObject({
    organization_id: owner.organizationId,
    key: expect.stringMatching(/^essu_dev_/),
  });
  expect((await json('keys', 'list')).keys).toHaveLength(2);
  expect((await json('keys', 'rotate', key.id, '--grace', '1h')).id).toBe(key.id);
  await json('keys', 'revoke', key.id);
  expect((await json('keys', 'show', key.id)).status).toBe('revoked');
  const events = await auditOf(controlPlane.primary.pool, owner.organizationId);
  expect(new Set(events.map((event) => event.actor_id))).toEqual(new Set([owner.id]));
});

it('writes, lists and deletes custom roles', async () => {
  const project = ['--project', 'security:soc'];
  await json('roles', 'put', 'reader', ...project, '--descriptor', '{"cluster":["monitor"]}');
  expect((await json('roles', 'list', ...project)).roles).toEqual([
    { name: 'reader', descriptor: expect.objectContaining({ cluster: ['monitor'] }) },
  ]);
  expect(await json('roles', 'delete', 'reader', ...project)).toEqual({ deleted: 'reader' });
});

it.each([
  ['to revoke the last owner key', 4, 'owner', ['keys', 'revoke', 'OWNER']],
  ['an unknown key', 3, 'no such API key', ['keys', 'show', 'nothing']],
  [
    'an internal key',
    2,
    '--internal',
    ['keys', 'create', '--description', 'x', '--internal', '--same-permissions-as-mine'],
  ],
  ['an organization', 2, '--organization', ['keys', 'list', '--organization', 'x']],
])('refuses %s with its exit code', async (_title, exitCode, message, args) => {
  const result = await iam(
    args.map((arg) => (arg === 'OWNER' ? owner.id : arg)),
    environment,
  );
  expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(message)]);
  expect(result.stderr).not.toContain(owner.credential);
});

it('refuses a key without the owner role and an invalid credential', async () => {
  const viewer = await insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId });
  for (const credential of [viewer.credential, 'nonsense']) {
    expect((await iam(['keys', 'list'], { ...environment, IAM_API_KEY: credential })).exitCode).toBe(4);
  }
});

it('distinguishes an unreachable control plane from a refusal', async () => {
  const result = await iam(['keys', 'list'], { ...environment, IAM_CONTROL_PLANE_URL: 'http://127.0.0.1:1' });
  expect([result.exitCode, result.stderr]).toEqual([5, expect.stringContaining('cannot be reached')]);
});

it('retries after a lost response without creating a second key', async () => {
  const proxy = await startTcpProxy({ targetPort: Number(new URL(controlPlane.url).port) });
  try {
    proxy.halfOpen('toClient');
    const command = iam(
      ['keys', 'create', '--description', 'lost', '--all-projects', 'security=viewer', '--json'],
      { ...environment, IAM_CONTROL_PLANE_URL: `http://127.0.0.1:${proxy.port}` },
    );
    const made = async () => {
      const { rows } = await controlPlane.primary.pool.query(
        "SELECT count(*)::int AS count FROM api_keys WHERE description = 'lost'",
      );
      return rows[0].count;
    };
    await expect.poll(made, { timeout: 10_000 }).toBe(1);
    await proxy.cut();
    await proxy.restore();
    const result = await command;
    expect([result.exitCode, result.stderr]).toEqual([0, '']);
    expect(JSON.parse(result.stdout).key).toMatch(/^essu_dev_/);
    expect(await made()).toBe(1);
  } finally {
    await proxy.close();
  }
});
