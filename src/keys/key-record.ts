import type { RoleAssignments } from '../roles/role-assignments.ts';

/** A key as the service reasons about it. Times are milliseconds since the epoch. */
export interface KeyRecord {
  id: string;
  organizationId: string;
  /** argon2id PHC string of the current secret. */
  secretHash: string;
  /** PHC string of the secret before the last rotation, good until `previousSecretExpiresAtMs`. */
  previousSecretHash: string | null;
  previousSecretExpiresAtMs: number | null;
  roleAssignments: RoleAssignments;
  internal: boolean;
  /** User id of the creator; the account may be gone, the key lives on. */
  createdBy: string;
  createdAtMs: number;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
  /** Grows with every change of any key or role on the primary. */
  version: number;
}

/** A key with what people know it by; who is asked whether a key is good has no use for that. */
export interface DescribedKeyRecord extends KeyRecord {
  description: string;
}

/** A stored row that does not parse: that key is quarantined (503), no other key notices. */
export class QuarantinedKeyError extends Error {
  override name = 'QuarantinedKeyError';
  readonly keyId: string;
  /** Column or JSON path that is broken; never a value. */
  readonly field: string;

  constructor(keyId: string, field: string) {
    super(`key ${keyId} has a broken ${field}`);
    this.keyId = keyId;
    this.field = field;
  }

  /** The column alone. */
  get column(): string {
    return this.field.split('.')[0] ?? '';
  }
}

/** A hash that a key has, current or previous, as the record's own string; `undefined` for any other hash. */
export function ownHash(record: KeyRecord, hash: string | undefined): string | undefined {
  if (hash === record.secretHash) return record.secretHash;
  return hash !== undefined && hash === record.previousSecretHash ? record.previousSecretHash : undefined;
}
