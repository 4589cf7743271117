import { describe, expect, it } from 'vitest';
import { predefinedRoles } from '../../../src/roles/predefined.ts';
import { checkRoleName } from '../../../src/roles/role-name.ts';

it.each(['a', '7', 'Billing_reader-2.eu', 'constructor', 'x'.repeat(507)])('accepts "%s"', (name) => {
  expect(checkRoleName(name, 'elasticsearch')).toBeUndefined();
});

describe('refuses a name that', () => {
  it.each([
    ['is empty', '', /empty/],
    ['is longer than 507 characters', 'x'.repeat(508), /at most 507/],
    ['starts with an underscore', '_x', /start with a letter or digit/],
    ['starts with a dot', '..', /start with a letter or digit/],
    ['starts with a hyphen', '-x', /start with a letter or digit/],
    ['has a space', 'a b', /use only/],
    ['has a slash', 'a/b', /use only/],
    ['has a line break at its end', 'a\n', /use only/],
    ['has a letter outside ASCII', 'rôle', /use only/],
  ])('%s', (_title, name, sentence) => {
    expect(checkRoleName(name, 'elasticsearch')).toMatch(sentence);
  });
});

it('refuses every predefined name of the project type', () => {
  for (const { projectType, name } of predefinedRoles) {
    // Reserved names start with an underscore, which no custom name may have.
    const reason = name.startsWith('_') ? /must start with a letter/ : /is a predefined role/;
    expect(checkRoleName(name, projectType)).toMatch(reason);
  }
});

it('accepts a name that is predefined only on another type', () => {
  expect(checkRoleName('soc_manager', 'elasticsearch')).toBeUndefined();
});
