import { IamError } from '../../errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Queries } from '../database.ts';
import type { Actor, Principal } from '../principal.ts';
import { OWNER } from './assignment-scope.ts';

interface NewOrganization {
  id: string;
  name: string;
  keyQuota: number;
}

export interface Organization extends NewOrganization {
  /** Active keys. May include keys that have expired. */
  externalKeys: number;
  internalKeys: number;
}

const COLUMNS =
  'id, name, key_quota AS "keyQuota", external_keys AS "externalKeys", internal_keys AS "internalKeys"';

export async function createOrganization(
  transaction: Queries,
  actor: Actor,
  organization: NewOrganization,
): Promise<void> {
  const inserted = await transaction.query(
    `INSERT INTO organizations (id, name, key_quota) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id`,
    [organization.id, organization.name, organization.keyQuota],
  );
  if (inserted.length === 0) throw new IamError('ORGANIZATION_EXISTS', { fields: ['organization'] });
  await recordEvent(transaction, {
    organizationId: organization.id,
    actor,
    action: 'organization.create',
    outcome: 'success',
    targetType: 'organization',
    targetId: organization.id,
    after: { name: organization.name, key_quota: organization.keyQuota },
  });
}

export async function listOrganizations(database: Database): Promise<Organization[]> {
  return database.query<Organization>(`SELECT ${COLUMNS} FROM organizations ORDER BY created_at, id`);
}

/**
 * Locks the organization for the rest of the transaction. Changes of its keys then run one after another, so a check of a count
 * and the insert that follows cannot interleave with another change.
 */
export async function lockOrganization(transaction: Queries, organizationId: string): Promise<Organization> {
  const [organization] = await transaction.query<Organization>(
    `SELECT ${COLUMNS} FROM organizations WHERE id = $1 FOR NO KEY UPDATE`,
    [organizationId],
  );
  if (organization === undefined) {
    throw new IamError('ORGANIZATION_NOT_FOUND', { fields: ['organization_id'] });
  }
  return organization;
}

/** State of the caller's key inside a transaction. */
interface CallerState {
  active: boolean;
  owner: boolean;
}

/**
 * Checks that the caller's key is still active, and an owner key if required. Call it after `lockOrganization`: another owner may
 * have revoked the key since its authentication.
 * @throws {IamError} `root.unauthenticated` or `root.permission_denied`
 */
export async function assertCallerActive(
  transaction: Queries,
  principal: Principal,
  required: { owner: boolean; nowMs: number },
): Promise<void> {
  if (principal.keyId === undefined) return;
  const [caller] = await transaction.query<CallerState>(
    `SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) AS active, ${OWNER} AS owner
     FROM api_keys WHERE id = $1 AND organization_id = $2`,
    [principal.keyId, principal.organizationId, new Date(required.nowMs)],
  );
  if (caller?.active !== true) {
    throw new IamError('UNAUTHENTICATED', { message: 'The API key was revoked or has expired meanwhile.' });
  }
  if (required.owner && !caller.owner) throw notAnOwner();
}

export function notAnOwner(): IamError {
  return new IamError('PERMISSION_DENIED', {
    message: 'Only an organization owner (role organization-admin) may do this.',
  });
}
