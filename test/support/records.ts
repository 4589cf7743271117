import type { KeyRecord } from '../../src/keys/key-record.ts';

/** A key record with defaults for all other fields. */
export function keyRecord(id: string, version: number, fields: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    organizationId: 'org',
    secretHash: 'not a hash',
    secretTag: null,
    previousSecretHash: null,
    previousSecretTag: null,
    previousSecretExpiresAtMs: null,
    roleAssignments: {},
    internal: false,
    createdBy: 'user',
    description: 'test',
    createdAtMs: 0,
    expiresAtMs: null,
    revokedAtMs: null,
    version,
    ...fields,
  };
}
