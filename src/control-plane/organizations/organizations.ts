import { IamError } from '../../errors.ts';
import { recordEvent } from '../audit/audit.ts';
import type { Database, Queries } from '../database.ts';
import type { Actor, Principal } from '../principal.ts';
import { OWNER } from './assignment-scope.ts';

export interface Organization {
  id: string;
  name: string;
  keyQuota: number;
}

/** Makes an organization in a transaction of the caller's. */
export async function createOrganization(
  transaction: Queries,
  actor: Actor,
  organization: Organization,
): Promise<void> {
  const made = await transaction.query(
    `INSERT INTO organizations (id, name, key_quota) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id`,
    [organization.id, organization.name, organization.keyQuota],
  );
  if (made.length === 0) throw new IamError('ORGANIZATION_EXISTS', { fields: ['organization'] });
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
  return database.query<Organization>(
    'SELECT id, name, key_quota AS "keyQuota" FROM organizations ORDER BY created_at, id',
  );
}

/**
 * Takes the organization for the rest of the transaction: changes to its keys happen one after another, so that
 * counting the keys and adding one cannot interleave with somebody else's doing the same.
 */
export async function lockOrganization(transaction: Queries, organizationId: string): Promise<Organization> {
  const [organization] = await transaction.query<Organization>(
    'SELECT id, name, key_quota AS "keyQuota" FROM organizations WHERE id = $1 FOR NO KEY UPDATE',
    [organizationId],
  );
  if (organization === undefined) {
    throw new IamError('ORGANIZATION_NOT_FOUND', { fields: ['organization_id'] });
  }
  return organization;
}

/** What the key behind a request is worth at this point of a transaction. */
interface CallerState {
  active: boolean;
  owner: boolean;
}

/**
 * Makes sure that the key that asks is still alive, and an owner's when `owner` is demanded; call it after
 * `lockOrganization`. Between authentication and this moment another owner may have revoked it.
 */
export async function assertCallerActive(
  transaction: Queries,
  principal: Principal,
  demand: { owner: boolean; nowMs: number },
): Promise<void> {
  if (principal.keyId === undefined) return;
  const [standing] = await transaction.query<CallerState>(
    `SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) AS active, ${OWNER} AS owner
     FROM api_keys WHERE id = $1 AND organization_id = $2`,
    [principal.keyId, principal.organizationId, new Date(demand.nowMs)],
  );
  if (standing?.active !== true) {
    throw new IamError('UNAUTHENTICATED', { message: 'The API key was revoked or has expired meanwhile.' });
  }
  if (demand.owner && !standing.owner) throw notAnOwner();
}

export function notAnOwner(): IamError {
  return new IamError('PERMISSION_DENIED', {
    message: 'Only an organization owner (role organization-admin) may do this.',
  });
}
