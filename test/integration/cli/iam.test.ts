import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCredential } from '../../../src/credential/format.ts';
import { verifySecret } from '../../../src/credential/hash.ts';
import { iam } from '../../support/iam.ts';
import { createPrimary, type TestPrimary } from '../../support/primary.ts';

let primary: TestPrimary;
let environment: Record<string, string>;
const json = async (...args: string[]) => {
  const result = await iam(args.includes('--') ? args : [...args, '--json'], environment);
  expect(result.stderr).toBe('');
  return JSON.parse(result.stdout);
};

beforeAll(async () => {
  primary = await createPrimary();
  environment = { PRIMARY_DATABASE_URL: primary.controlPlaneUrl };
  await json('bootstrap', '--organization', 'org-cli', '--name', 'CLI');
});
afterAll(() => primary.close());

async function create(...args: string[]) {
  return json('keys', 'create', '--description', 'a key', ...args);
}

describe('iam keys', () => {
  it('prints a credential that decodes and stores only its hash', async () => {
    const key = await create('--project', 'elasticsearch:shop=viewer,developer', '--expires', 'never');
    expect(key).toMatchObject({
      description: 'a key',
      organization_id: 'org-cli',
      status: 'active',
      internal: false,
    });
    expect(key.expiration_date).toBeUndefined();
    expect(key.role_assignments.project.elasticsearch).toEqual([
      {
        role_id: 'elasticsearch-application-only',
        organization_id: 'org-cli',
        all: false,
        project_ids: ['shop'],
        application_roles: ['viewer', 'developer'],
      },
    ]);
    const decoded = decodeCredential(key.key, ['essu_dev']);
    if (!decoded.ok) throw new Error(decoded.reason);
    const { rows } = await primary.pool.query('SELECT * FROM api_keys WHERE id = $1', [key.id]);
    expect(await verifySecret(rows[0].secret_hash, decoded.credential.secret)).toBe(true);
    const everything = await primary.pool.query('SELECT to_jsonb(a)::text AS event FROM audit_events a');
    for (const { event } of everything.rows) {
      expect(event).not.toContain(decoded.credential.secret);
      expect(event).not.toContain('argon2');
    }
  });

  it('prints the credential once, and never in show', async () => {
    const made = await iam(
      ['keys', 'create', '--description', 'seen once', '--all-projects', 'security=viewer'],
      environment,
    );
    expect(made.exitCode).toBe(0);
    const credential = made.stdout.trim().split('\n').at(-1) ?? '';
    expect(credential).toMatch(/^essu_dev_/);
    expect(made.stdout.split(credential)).toHaveLength(2);
    const id = /^id +(\S+)$/m.exec(made.stdout)?.[1] ?? '';
    const shown = await iam(['keys', 'show', id], environment);
    expect(shown.stdout).toContain('seen once');
    expect(shown.stdout).not.toContain(credential);
  });

  it('accepts an id that starts with a dash after --', async () => {
    await primary.pool.query(
      `INSERT INTO api_keys (id, organization_id, description, secret_hash, role_assignments, created_by)
       VALUES ('-h3A9zXQRCqTLkmM0aZ1bw', 'org-cli', 'dashed', 'none', '{}', 'user-1')`,
    );
    expect((await json('keys', 'show', '--json', '--', '-h3A9zXQRCqTLkmM0aZ1bw')).description).toBe('dashed');
  });

  it('omits a revoked key from the default list and lists it with --status revoked', async () => {
    const key = await create('--all-projects', 'elasticsearch=viewer');
    expect(await json('keys', 'revoke', key.id)).toEqual({ revoked: [key.id] });
    expect(await json('keys', 'revoke', key.id)).toEqual({ revoked: [key.id] });
    const ids = (page: { keys: { id: string }[] }) => page.keys.map(({ id }) => id);
    expect(ids(await json('keys', 'list'))).not.toContain(key.id);
    expect(ids(await json('keys', 'list', '--status', 'revoked'))).toContain(key.id);
    expect((await json('keys', 'show', key.id)).status).toBe('revoked');
  });

  it('rotates a key to a new credential with the same id', async () => {
    const key = await create('--all-projects', 'elasticsearch=viewer');
    const rotated = await json('keys', 'rotate', key.id, '--grace', '1h');
    expect(rotated.id).toBe(key.id);
    expect(rotated.key).not.toBe(key.key);
    expect(rotated.previous_secret_expiration_date).toBeDefined();
    const again = await iam(['keys', 'rotate', key.id], environment);
    expect([again.exitCode, again.stderr]).toEqual([4, expect.stringContaining('grace period')]);
  });

  it('records a refused operation with its target and with what was requested', async () => {
    const first = await create('--all-projects', 'security=viewer');
    const second = await create('--all-projects', 'security=viewer');
    await iam(['keys', 'revoke', first.id, second.id, 'unknown-key', '--json'], environment);
    await json('keys', 'rotate', first.id);
    await iam(['keys', 'rotate', first.id, '--grace', '2h', '--json'], environment);
    const { rows } = await primary.pool.query(
      `SELECT actor_type, action, target_id, reason, requested FROM audit_events
       WHERE outcome = 'failure' AND organization_id = 'org-cli'
         AND (target_id = $1 OR requested->'keys' ? $1) ORDER BY audit_events.id`,
      [first.id],
    );
    expect(rows).toEqual([
      {
        actor_type: 'cli',
        action: 'api_key.revoke',
        target_id: null,
        reason: 'api_keys.key_not_found',
        requested: { keys: [first.id, second.id, 'unknown-key'] },
      },
      {
        actor_type: 'cli',
        action: 'api_key.rotate',
        target_id: first.id,
        reason: 'api_keys.rotation_in_progress',
        requested: { grace_period: '2h' },
      },
    ]);
  });

  it('records the operator of every change in the audit trail', async () => {
    const key = await create('--all-projects', 'elasticsearch=viewer');
    const { rows } = await primary.pool.query(
      'SELECT actor_type, actor_id, action, outcome, after FROM audit_events WHERE target_id = $1',
      [key.id],
    );
    expect(rows).toEqual([
      {
        actor_type: 'cli',
        actor_id: expect.any(String),
        action: 'api_key.create',
        outcome: 'success',
        after: expect.objectContaining({ id: key.id }),
      },
    ]);
  });
});

describe('refusals', () => {
  const cases: [string, number, string, string[]][] = [
    ['to revoke the last owner key', 4, 'owner', ['keys', 'revoke', 'OWNER']],
    ['an unknown key', 3, 'no such API key', ['keys', 'show', 'nothing']],
    ['a key without permissions', 2, '--project', ['keys', 'create', '--description', 'x']],
    [
      'a copy of permissions without a key',
      2,
      '--same-permissions-as-mine works only over HTTP',
      ['keys', 'create', '--description', 'x', '--same-permissions-as-mine'],
    ],
    [
      'an unknown project type in JSON',
      4,
      'The permissions name the unknown project type "foo". The types are elasticsearch, ',
      ['keys', 'create', '--description', 'x', '--role-assignments', '{"project":{"foo":[]}}'],
    ],
    [
      'another organization',
      4,
      'own organization',
      [
        'keys',
        'create',
        '--description',
        'x',
        '--role-assignments',
        '{"organization":[{"role_id":"organization-admin","organization_id":"other"}]}',
      ],
    ],
    [
      'malformed JSON',
      2,
      'not valid JSON',
      ['keys', 'create', '--description', 'x', '--role-assignments', '{'],
    ],
    ['a missing description', 2, '--description', ['keys', 'create']],
    ['an unknown option', 2, '--nope', ['keys', 'list', '--nope']],
  ];
  it.each(cases)('refuses %s', async (_title, exitCode, message, args) => {
    const { rows } = await primary.pool.query(
      "SELECT id FROM api_keys WHERE description = 'First owner key'",
    );
    const result = await iam(
      args.map((arg) => (arg === 'OWNER' ? rows[0].id : arg)),
      environment,
    );
    expect([result.exitCode, result.stderr, result.stdout]).toEqual([
      exitCode,
      expect.stringContaining(message),
      '',
    ]);
  });

  it('distinguishes an unreachable database from a refusal', async () => {
    const result = await iam(['keys', 'list'], {
      PRIMARY_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    });
    expect([result.exitCode, result.stderr]).toEqual([5, expect.stringContaining('ECONNREFUSED')]);
  });

  it('names a missing setting', async () => {
    const result = await iam(['keys', 'list', '--json'], {});
    expect([result.exitCode, JSON.parse(result.stderr).errors[0].message]).toEqual([
      2,
      expect.stringContaining('PRIMARY_DATABASE_URL'),
    ]);
  });
});

describe('iam roles', () => {
  const project = ['--project', 'elasticsearch:shop'];
  it('writes, lists and deletes a role', async () => {
    const descriptor = '{"indices":[{"names":["logs-*"],"privileges":["read"]}]}';
    expect(await json('roles', 'put', 'log-reader', ...project, '--descriptor', descriptor)).toEqual({
      name: 'log-reader',
    });
    expect(
      (await json('roles', 'list', ...project)).roles.map((role: { name: string }) => role.name),
    ).toEqual(['log-reader']);
    expect(await json('roles', 'delete', 'log-reader', ...project)).toEqual({ deleted: 'log-reader' });
    expect((await json('roles', 'list', ...project)).roles).toEqual([]);
    expect((await iam(['roles', 'delete', 'log-reader', ...project], environment)).exitCode).toBe(3);
  });

  it('names each violation by its path', async () => {
    const result = await iam(
      ['roles', 'put', 'bad', ...project, '--descriptor', '-'],
      environment,
      '{"indices":[{"names":["a"],"privileges":[],"nope":1}]}',
    );
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toContain('indices[0].privileges');
    expect(result.stderr).toContain('indices[0].nope');
  });
});
