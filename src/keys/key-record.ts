import type { RoleAssignments } from '../roles/role-assignments.ts';

/** A key as the service uses it. Times are milliseconds since the epoch. `key-row.ts` reads it from Postgres. */
export interface KeyRecord {
  id: string;
  organizationId: string;
  /** argon2id PHC string of the current secret. */
  secretHash: string;
  /** `secretTag` of the current secret; `null` if an older release issued it. */
  secretTag: number | null;
  /** PHC string of the secret before the last rotation, valid until `previousSecretExpiresAtMs`. */
  previousSecretHash: string | null;
  previousSecretTag: number | null;
  previousSecretExpiresAtMs: number | null;
  roleAssignments: RoleAssignments;
  internal: boolean;
  /** User id of the creator. The key outlives the creator's account. */
  createdBy: string;
  description: string;
  createdAtMs: number;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
  /** Increases with every change of any key or role on the primary. */
  version: number;
}

/** A stored row that does not parse. That key is quarantined (503); other keys are unaffected. */
export class QuarantinedKeyError extends Error {
  override name = 'QuarantinedKeyError';
  readonly keyId: string;
  /** The broken column, or the path in its JSON; never a value. */
  readonly field: string;

  constructor(keyId: string, field: string) {
    super(`The row of key ${keyId} has an invalid ${field}`);
    this.keyId = keyId;
    this.field = field;
  }

  get column(): string {
    return this.field.split('.')[0] ?? '';
  }
}

/** Returns the record's own string if `hash` is its current or previous hash, else `undefined`. */
export function ownHash(record: KeyRecord, hash: string | undefined): string | undefined {
  if (hash === record.secretHash) return record.secretHash;
  return hash !== undefined && hash === record.previousSecretHash ? record.previousSecretHash : undefined;
}
