import { expect, it } from 'vitest';
import { iam } from '../../support/iam.ts';

const create = ['keys', 'create', '--description', 'x'];
const types = 'elasticsearch, observability, security, vectordb, workplaceai';

// Without a control plane and a database: the command line itself refuses these.
it.each<[message: string, args: string[]]>([
  [
    '--since must be a time such as 2026-01-01T00:00:00Z, or a duration such as 1h or 7d, not "yesterday".',
    ['audit', '--since', 'yesterday'],
  ],
  [
    '--until must be a time such as 2026-01-01T00:00:00Z, or a duration such as 1h or 7d, not "2026-13-01T00:00:00Z".',
    ['audit', '--until', '2026-13-01T00:00:00Z'],
  ],
  [
    '--until must be a time such as 2026-01-01T00:00:00Z, or a duration such as 1h or 7d, not "999999999w".',
    ['audit', '--until', '999999999w'],
  ],
  ['--limit must be a whole number from 1 to 500, not "0".', ['audit', '--limit', '0']],
  ['--limit must be a whole number from 1 to 1000, not "many".', ['keys', 'list', '--limit', 'many']],
  ['--outcome must be one of success, failure, not "ok".', ['audit', '--outcome', 'ok']],
  ['--status must be one of active, expired, revoked, all, not "foo".', ['keys', 'list', '--status', 'foo']],
  [
    '--kind must be one of external, internal, all, not "intern". Did you mean internal?',
    ['keys', 'list', '--kind', 'intern'],
  ],
  [
    '--expiring-within must be a duration such as "30d", not "soon".',
    ['keys', 'list', '--expiring-within', 'soon'],
  ],
  [
    '--expiring-within works only with --status active.',
    ['keys', 'list', '--expiring-within', '30d', '--status', 'all'],
  ],
  [
    '--expires must be a duration such as "3h", "30d" or "12w", or "never", not "forever".',
    [...create, '--expires', 'forever', '--all-projects', 'security=viewer'],
  ],
  [
    '--expires must be at most one year (365d), or "never", not "366d".',
    ['keys', 'rotate', 'some-key', '--expires', '366d'],
  ],
  [
    '--grace must be a duration such as "24h", or "0" to end the old secret immediately, not "1 day".',
    ['keys', 'rotate', 'some-key', '--grace', '1 day'],
  ],
  ['--description must not be blank.', ['keys', 'create', '--description', ' ']],
  [
    `The project type in --project must be one of ${types}, not "elastisearch". Did you mean elasticsearch?`,
    [...create, '--project', 'elastisearch:shop=viewer'],
  ],
  [
    `The project type in --all-projects must be one of ${types}, not "foo".`,
    [...create, '--all-projects', 'foo=viewer'],
  ],
  [
    `The project type in --project must be one of ${types}, not "Security". Did you mean security?`,
    ['roles', 'delete', 'reader', '--project', 'Security:soc'],
  ],
  ['--quota must be a whole number with at most 7 digits, not "-1".', ['bootstrap', '--quota=-1']],
])('says: %s', async (message, args) => {
  expect(await iam(args)).toEqual({ exitCode: 2, stdout: '', stderr: `error: ${message}\n` });
});

it('suggests an action of the audit trail, and lists all', async () => {
  const { exitCode, stdout, stderr } = await iam(['audit', '--action', 'api_key.revok', '--json']);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(JSON.parse(stderr).errors).toEqual([
    {
      code: 'cli.usage',
      message: expect.stringMatching(
        /^--action must be one of api_key\.create, .*organization\.get, not "api_key\.revok"\. Did you mean api_key\.revoke\?$/,
      ),
    },
  ]);
});

it('names the variables with passwords and the scope of each command in the help', async () => {
  const { stdout: migrate } = await iam(['migrate', '--help']);
  for (const variable of ['IAM_REGIONAL_PASSWORD', 'IAM_CONTROL_PLANE_PASSWORD', 'IAM_REPLICATOR_PASSWORD'])
    expect(migrate).toContain(variable);
  expect((await iam(['roles', '--help'])).stdout).toContain('"iam roles load" works only on the database.');
});
