import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  newOrganization,
  startTestControlPlane,
  type TestControlPlane,
} from '../../support/control-plane.ts';
import { followAudit, iam, iamOnTerminal } from '../../support/iam.ts';
import { type IssuedKey, insertKey } from '../../support/keys.ts';

const COLOUR = '\u001b[';

let controlPlane: TestControlPlane;
let owner: IssuedKey;
let environment: Record<string, string>;
beforeAll(async () => {
  controlPlane = await startTestControlPlane();
  owner = await newOrganization(controlPlane.primary.pool);
  environment = { IAM_CONTROL_PLANE_URL: controlPlane.url, IAM_API_KEY: owner.credential };
});
afterAll(() => controlPlane?.close());

const newKey = (fields = {}) =>
  insertKey(controlPlane.primary.pool, { organizationId: owner.organizationId, ...fields });
async function json(...args: string[]) {
  const end = args.indexOf('--');
  const { stdout, stderr } = await iam(args.toSpliced(end < 0 ? args.length : end, 0, '--json'), environment);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}
const onProject = (projectId: string, ...roles: string[]) => ({
  project: {
    elasticsearch: [
      {
        role_id: 'elasticsearch-application-only',
        all: false,
        project_ids: [projectId],
        application_roles: roles,
      },
    ],
  },
});

describe('iam keys revoke', () => {
  it('asks on a terminal, shows the keys, and revokes nothing without consent', async () => {
    const keys = [await newKey(), await newKey()];
    const ids = keys.map(({ id }) => id);
    const question = /Revoke these 2 keys\?/;
    const refused = await iamOnTerminal(['keys', 'revoke', '--', ...ids], environment, [[question, 'n']]);
    expect([refused.exitCode, refused.screen]).toEqual([2, expect.stringContaining('Nothing was revoked')]);
    for (const id of ids) expect(refused.screen).toContain(id);
    expect((await json('keys', 'show', '--', ids[0] ?? '')).status).toBe('active');
    const granted = await iamOnTerminal(['keys', 'revoke', '--', ...ids], environment, [[question, 'y']]);
    expect(granted.exitCode).toBe(0);
    expect((await json('keys', 'show', '--', ids[1] ?? '')).status).toBe('revoked');
  });

  it('does not ask with --yes', async () => {
    const key = await newKey();
    expect((await iamOnTerminal(['keys', 'revoke', '--yes', '--', key.id], environment)).exitCode).toBe(0);
    expect((await json('keys', 'show', '--', key.id)).status).toBe('revoked');
  });

  it('changes nothing with --dry-run, and shows what it would revoke', async () => {
    const key = await newKey({ roleAssignments: onProject('shop', 'viewer') });
    const { stdout } = await iam(['keys', 'revoke', '--dry-run', '--', key.id], environment);
    expect(stdout).toContain('viewer on elasticsearch:shop');
    expect(await json('keys', 'revoke', '--dry-run', '--', key.id)).toMatchObject({
      revoked: [],
      would_revoke: [{ id: key.id, status: 'active' }],
    });
    expect((await json('keys', 'show', '--', key.id)).status).toBe('active');
  });

  it('names options of the command line in a refusal, not parameters of the API', async () => {
    const { stderr } = await iam(['keys', 'revoke', '--', owner.id], environment);
    expect(stderr).toContain('Add --force to override');
    expect(stderr).not.toContain('?force');
  });
});

describe('iam keys show', () => {
  it('describes permissions in words and names roles that do not exist', async () => {
    await iam(
      ['roles', 'put', 'existing', '--project', 'elasticsearch:shop', '--descriptor', '{}'],
      environment,
    );
    const key = await newKey({ roleAssignments: onProject('shop', 'viewer', 'existing', 'ghost') });
    const { stdout } = await iam(['keys', 'show', '--', key.id], environment);
    expect(stdout).toMatch(/^permissions +viewer, existing, ghost on elasticsearch:shop$/m);
    expect(stdout).toContain('the role ghost of elasticsearch:shop does not exist');
    expect(stdout).not.toContain('the role existing');
    expect((await json('keys', 'show', '--', key.id)).missing_roles).toEqual([
      { name: 'ghost', project: { projectType: 'elasticsearch', projectId: 'shop' } },
    ]);
  });
});

describe('iam keys list', () => {
  it('reads every page with --all, and filters by project, role, creator and text', async () => {
    const tenant = await newOrganization(controlPlane.primary.pool);
    const { organizationId } = tenant;
    const settings = { ...environment, IAM_API_KEY: tenant.credential };
    await controlPlane.primary.pool.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by, version)
       SELECT 'bulk-' || n, $1, 'import ' || n, 'none', $2, 'user-' || n % 3, 0 FROM generate_series(1, 2500) AS n`,
      [organizationId, JSON.stringify(onProject('shop', 'viewer'))],
    );
    const all = {
      organization: [{ role_id: 'billing-admin' }],
      project: { security: [{ role_id: 'x', all: true, application_roles: ['editor'] }] },
    };
    const special = await newKey({ organizationId, roleAssignments: all });
    const list = async (...args: string[]) => {
      const { stdout, stderr } = await iam(['keys', 'list', '--json', ...args], settings);
      expect(stderr).toBe('');
      return (JSON.parse(stdout).keys as { id: string }[]).map(({ id }) => id);
    };
    expect(await list()).toHaveLength(1_000);
    expect(await list('--all')).toHaveLength(2_502);
    expect(await list('--project', 'elasticsearch:shop')).toHaveLength(2_500);
    expect(await list('--project', 'security:any')).toEqual([special.id]);
    expect(await list('--role', 'billing-admin')).toEqual([special.id]);
    expect(await list('--role', 'editor')).toEqual([special.id]);
    expect(await list('--creator', 'user-2')).toHaveLength(833);
    expect(await list('--text', 'IMPORT 2500')).toEqual(['bulk-2500']);
    expect(await list('--text', 'import 2500', '--creator', 'user-2')).toEqual([]);
  });

  it('cuts long texts and shows colours and relative times on a terminal only', async () => {
    await newKey({ expiresAt: new Date(Date.now() + 3 * 86_400_000 + 60_000) });
    const { screen } = await iamOnTerminal(['keys', 'list'], environment);
    expect(screen).toContain('in 3 days');
    expect(screen).toContain(COLOUR);
    const plain = await iam(['keys', 'list'], environment);
    expect(plain.stdout).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d/);
    expect(plain.stdout).not.toContain(COLOUR);
    expect((await iamOnTerminal(['keys', 'list'], { ...environment, NO_COLOR: '1' })).screen).not.toContain(
      COLOUR,
    );
  });
});

describe('iam keys create', () => {
  it('requires permissions or the wish to copy them', async () => {
    const { exitCode, stderr } = await iam(['keys', 'create', '--description', 'x'], environment);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--same-permissions-as-mine')]);
    const copied = await json('keys', 'create', '--description', 'x', '--same-permissions-as-mine');
    expect(copied.role_assignments).toMatchObject({ organization: [{ role_id: 'organization-admin' }] });
    expect(copied.warnings).toHaveLength(1);
  });

  it('offers the similar role on a terminal for a misspelt one', async () => {
    const args = ['keys', 'create', '--description', 'x', '--project', 'elasticsearch:shop=veiwer'];
    const { exitCode, screen } = await iamOnTerminal(args, environment, [[/Use "viewer" instead\?/, 'y']]);
    expect([exitCode, screen]).toEqual([0, expect.stringContaining('viewer on elasticsearch:shop')]);
    const cancelled = await iamOnTerminal(args, environment, [[/Use "viewer" instead\?/, 'c']]);
    expect([cancelled.exitCode, cancelled.screen]).toEqual([
      2,
      expect.stringContaining('Nothing was created'),
    ]);
    // Without a terminal it only warns.
    expect((await json(...args)).warnings).toEqual([expect.stringContaining('"veiwer"')]);
  });
});

describe('iam audit', () => {
  it('shows filtered events, the newest last', async () => {
    const key = await newKey();
    await iam(['keys', 'rotate', '--', key.id], environment);
    await iam(['keys', 'revoke', '--', key.id], environment);
    const { stdout } = await iam(['audit', '--target', key.id], environment);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(`success api_key.rotate by key ${owner.id} on api_key ${key.id}`),
      expect.stringMatching(`success api_key.revoke by key ${owner.id} on api_key ${key.id}`),
    ]);
    const { events } = await json(
      'audit',
      '--target',
      key.id,
      '--action',
      'api_key.revoke',
      '--outcome',
      'success',
    );
    expect(events).toHaveLength(1);
  });

  it('accepts durations as times in the past', async () => {
    const key = await newKey();
    await iam(['keys', 'revoke', '--', key.id], environment);
    const count = async (...args: string[]) =>
      (await json('audit', `--target=${key.id}`, ...args)).events.length;
    expect(await count('--since', '1h')).toBe(1);
    expect(await count('--until', '1h')).toBe(0);
    expect(await count('--since', '2026-01-01T01:00:00+01:00')).toBe(1);
  });

  it('says so if there are no events', async () => {
    expect(await iam(['audit', '--until', '5000d'], environment)).toEqual({
      exitCode: 0,
      stdout: 'no events\n',
      stderr: '',
    });
  });

  it('follows the trail: each new event once, in order', async () => {
    const key = await newKey();
    const follower = followAudit(['--target', key.id], environment);
    try {
      await iam(['keys', 'rotate', '--', key.id], environment);
      expect(await follower.next()).toMatchObject({ action: 'api_key.rotate' });
      await iam(['keys', 'revoke', '--', key.id], environment);
      expect(await follower.next()).toMatchObject({ action: 'api_key.revoke' });
    } finally {
      follower.stop();
    }
  });
});

it('prints its version', async () => {
  expect((await iam(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
