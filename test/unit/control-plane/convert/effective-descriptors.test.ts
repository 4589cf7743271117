import { describe, expect, it } from 'vitest';
import { effectiveDescriptors } from '../../../../src/control-plane/convert/effective-descriptors.ts';
import type { RoleDescriptor } from '../../../../src/roles/role-descriptor.ts';
import { descriptor } from '../../../support/roles.ts';

const all: RoleDescriptor = descriptor({
  cluster: ['all'],
  indices: [{ names: ['*'], privileges: ['all'], allow_restricted_indices: true }],
  applications: [{ application: '*', privileges: ['*'], resources: ['*'] }],
});
const read: RoleDescriptor = descriptor({ indices: [{ names: ['logs'], privileges: ['read'] }] });

describe('the effective descriptors of a native key', () => {
  it('are those of its creator if it has none of its own', () => {
    expect(effectiveDescriptors([], [read])).toEqual([read]);
  });

  it('are its own if its creator has all of their privileges', () => {
    expect(effectiveDescriptors([read], [all])).toEqual([read]);
    expect(effectiveDescriptors([read], [descriptor({ cluster: ['monitor'] }), read])).toEqual([read]);
  });

  const narrower: [string, Partial<RoleDescriptor>, Partial<RoleDescriptor>][] = [
    ['a cluster privilege', { cluster: ['manage'] }, { cluster: ['monitor'] }],
    ['an index privilege', { indices: [{ names: ['logs'], privileges: ['write'] }] }, read],
    ['an index', { indices: [{ names: ['logs', 'other'], privileges: ['read'] }] }, read],
    [
      'restricted indices',
      { indices: [{ names: ['logs'], privileges: ['read'], allow_restricted_indices: true }] },
      read,
    ],
    ['documents', read, { indices: [{ names: ['*'], privileges: ['all'], query: '{}' }] }],
    ['fields', read, { indices: [{ names: ['*'], privileges: ['all'], field_security: { grant: ['a'] } }] }],
    ['workflows', read, { ...all, restriction: { workflows: ['search_application_query'] } }],
    [
      'an application',
      { applications: [{ application: 'kibana', privileges: ['all'], resources: ['*'] }] },
      { applications: [{ application: 'kibana', privileges: ['read'], resources: ['*'] }] },
    ],
    [
      'an application resource',
      { applications: [{ application: 'kibana', privileges: ['read'], resources: ['*'] }] },
      { applications: [{ application: 'kibana', privileges: ['read'], resources: ['space:a'] }] },
    ],
    ['remote indices', { remote_indices: [{ clusters: ['*'], names: ['a'], privileges: ['read'] }] }, all],
  ];
  it.each(narrower)('are unknown if the creator has fewer privileges in %s', (_what, own, limit) => {
    expect(effectiveDescriptors([descriptor(own)], [descriptor(limit)])).toBeUndefined();
  });
});
