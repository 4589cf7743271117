import { z } from 'zod';
import { type RoleAssignments, roleAssignmentsSchema } from '../roles/role-assignments.ts';

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

const time = z.date().transform((date) => date.getTime());
const rowSchema = z.object({
  id: z.string(),
  organization_id: z.string(),
  description: z.string(),
  secret_hash: z.string(),
  previous_secret_hash: z.string().nullable(),
  previous_secret_expires_at: time.nullable(),
  role_assignments: roleAssignmentsSchema,
  internal: z.boolean(),
  created_by: z.string(),
  created_at: time,
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
  version: z.coerce.number().int().nonnegative(),
});

/** The columns that `parseDescribedKeyRow` reads, for SELECT lists. */
export const KEY_COLUMNS = Object.keys(rowSchema.shape).join(', ');

/**
 * Turns a row of `api_keys`, as node-postgres gives it, into a record.
 * @throws {QuarantinedKeyError} when a column does not have the shape it must have
 */
export function parseDescribedKeyRow(row: { id: string } & Record<string, unknown>): DescribedKeyRecord {
  const parsed = rowSchema.safeParse(row);
  if (!parsed.success) throw new QuarantinedKeyError(row.id, parsed.error.issues[0]?.path.join('.') ?? 'row');
  const { data } = parsed;
  return {
    id: data.id,
    organizationId: data.organization_id,
    description: data.description,
    secretHash: data.secret_hash,
    previousSecretHash: data.previous_secret_hash,
    previousSecretExpiresAtMs: data.previous_secret_expires_at,
    roleAssignments: data.role_assignments,
    internal: data.internal,
    createdBy: data.created_by,
    createdAtMs: data.created_at,
    expiresAtMs: data.expires_at,
    revokedAtMs: data.revoked_at,
    version: data.version,
  };
}

/** A hash that a key has, current or previous, as the record's own string; `undefined` for any other hash. */
export function ownHash(record: KeyRecord, hash: string | undefined): string | undefined {
  if (hash === record.secretHash) return record.secretHash;
  return hash !== undefined && hash === record.previousSecretHash ? record.previousSecretHash : undefined;
}
