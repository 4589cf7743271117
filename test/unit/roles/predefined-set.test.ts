import { expect, it } from 'vitest';
import { parsePredefinedSet } from '../../../src/roles/predefined-set.ts';
import { descriptor } from '../../support/roles.ts';

const setOf = (roles: unknown) => ({ version: '2026-01-31', source: 'https://example.test', roles });

it('reads a set, drops its reserved metadata, and names unknown privileges by their role', () => {
  const roles = {
    security: { analyst: { cluster: ['monitor'], metadata: { _reserved: true } } },
    elasticsearch: { viewer: { cluster: ['manage_tea'] } },
  };
  expect(parsePredefinedSet(setOf(roles))).toEqual({
    ok: true,
    set: {
      version: '2026-01-31',
      source: 'https://example.test',
      roles: [
        { projectType: 'elasticsearch', name: 'viewer', descriptor: descriptor({ cluster: ['manage_tea'] }) },
        { projectType: 'security', name: 'analyst', descriptor: descriptor({ cluster: ['monitor'] }) },
      ],
      warnings: [expect.stringContaining('roles.elasticsearch.viewer.cluster[0]: "manage_tea"')],
    },
  });
});

it.each<[string, unknown, string, string]>([
  ['no set', 7, '', 'must be an object'],
  ['a set without roles', { version: '2026-01-31', source: 's' }, 'roles', 'is required'],
  ['a set whose version is no date', { ...setOf({}), version: 'next' }, 'version', 'Invalid ISO date'],
  ['a set with no role', setOf({ elasticsearch: {} }), 'roles', 'must contain at least one role'],
  [
    'a set with an invalid role beside a valid one',
    setOf({ elasticsearch: { viewer: {}, admin: { cluster: 'all' } } }),
    'roles.elasticsearch.admin.cluster',
    'must be an array',
  ],
])('refuses %s', (_, input, path, message) => {
  expect(parsePredefinedSet(input)).toEqual({ ok: false, violations: [{ path, message }] });
});
