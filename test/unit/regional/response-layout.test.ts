import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { LAYOUT } from '../../../src/keys/cache/redis/redis-keys.ts';
import type { KeyRecord } from '../../../src/keys/key-record.ts';
import { IdentityWriter, joinResponse } from '../../../src/regional/identity.ts';
import { writePermissions } from '../../../src/regional/response-body.ts';

/** Every field that an answer can have. */
const record: KeyRecord = {
  id: 'id',
  organizationId: 'org-é',
  secretHash: 'h',
  previousSecretHash: null,
  previousSecretExpiresAtMs: null,
  roleAssignments: { organization: [{ role_id: 'organization-admin', organization_id: 'org-é' }] },
  internal: true,
  createdBy: 'user',
  createdAtMs: 0,
  expiresAtMs: 1,
  revokedAtMs: null,
  version: 1,
};
const context = { projectId: 'p', projectType: 'elasticsearch', organizationId: 'org-é' } as const;
const request = { contexts: [context], includeRoleAssignments: true, includeRoleDescriptors: true };

it('pods of two releases share answers only if both write the same: with another text goes another LAYOUT', () => {
  const permissions = writePermissions(
    record,
    request,
    [
      {
        granted: true,
        context,
        basis: [],
        roles: [{ name: 'viewer', descriptorJson: '{}' }],
        unresolved: ['ghost'],
      },
    ],
    [{ granted: false, context, basis: [], reason: 'no_assignment', unresolved: [] }],
  );
  const { user, rest } = new IdentityWriter().write(record);
  const text = joinResponse(permissions, user, record.id, rest);
  expect([LAYOUT, createHash('sha256').update(text).digest('hex').slice(0, 16)]).toEqual([
    'iam4',
    '6944bc44cbbde9f1',
  ]);
});
