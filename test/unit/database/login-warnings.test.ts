import { expect, it } from 'vitest';
import { loginWarnings } from '../../../src/database/login-warnings.ts';

const facts = {
  database: 'iam "x"',
  leaves_temporary: false,
  leaves_advisory_locks: false,
  login_settings: [],
};

it('warns of nothing if no login has a setting of its own and none may create temporary tables', () => {
  expect(loginWarnings(facts)).toEqual([]);
});

it.each([
  'statement_timeout',
  'tcp_user_timeout',
  'tcp_keepalives_idle',
  'tcp_keepalives_interval',
  'tcp_keepalives_count',
])('does not warn of %s, which the documentation gives to logins', (name) => {
  expect(loginWarnings({ ...facts, login_settings: [{ login: 'iam_regional', name }] })).toEqual([]);
});

it('names the login and the setting, never its value, and quotes names in the statements of the fix', () => {
  const [warning, ...others] = loginWarnings({
    ...facts,
    login_settings: [
      { login: 'iam_regional', name: 'statement_timeout' },
      { login: 'iam_regional', name: 'search_path' },
    ],
  });
  expect(others).toEqual([]);
  expect(warning?.message).toContain('iam_regional has its own setting search_path');
  expect(warning?.fix).toContain(
    'ALTER ROLE "iam_regional" RESET ALL; ALTER ROLE "iam_regional" IN DATABASE "iam ""x""" RESET ALL;',
  );
});

it('warns that every login may create temporary tables, after the settings', () => {
  const warnings = loginWarnings({
    ...facts,
    leaves_temporary: true,
    login_settings: [{ login: 'iam_regional', name: 'role' }],
  });
  expect(warnings).toHaveLength(2);
  expect(warnings[1]).toEqual({
    message: expect.stringContaining('temporary tables'),
    fix: expect.stringContaining('REVOKE TEMPORARY ON DATABASE "iam ""x""" FROM PUBLIC;'),
  });
});
