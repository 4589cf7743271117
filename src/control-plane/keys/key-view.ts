import type { KeyRecord } from '../../keys/key-record.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';

export type KeyStatus = 'active' | 'expired' | 'revoked';

/** A key in the format of the Elastic Cloud API. `internal` and all fields after it are our additions. */
export interface KeyView {
  id: string;
  description: string;
  creation_date: string;
  user_id: string;
  organization_id: string;
  expiration_date?: string;
  role_assignments: RoleAssignments;
  internal: boolean;
  status: KeyStatus;
  revocation_date?: string;
  /** End of the grace period of the last rotation; absent outside a grace period. */
  previous_secret_expiration_date?: string;
}

/** A created or rotated key. No other response contains the credential. */
export interface KeyWithCredential extends KeyView {
  key: string;
  warnings?: readonly string[];
}

export function keyStatus(record: Pick<KeyRecord, 'revokedAtMs' | 'expiresAtMs'>, nowMs: number): KeyStatus {
  if (record.revokedAtMs !== null) return 'revoked';
  return record.expiresAtMs !== null && record.expiresAtMs <= nowMs ? 'expired' : 'active';
}

export function keyView(record: KeyRecord, nowMs: number): KeyView {
  const status = keyStatus(record, nowMs);
  const graceEndsAtMs = status === 'active' ? record.previousSecretExpiresAtMs : null;
  return {
    id: record.id,
    description: record.description,
    creation_date: rfc3339(record.createdAtMs),
    user_id: record.createdBy,
    organization_id: record.organizationId,
    ...(record.expiresAtMs !== null && { expiration_date: rfc3339(record.expiresAtMs) }),
    role_assignments: inOrganization(record.roleAssignments, record.organizationId),
    internal: record.internal,
    status,
    ...(record.revokedAtMs !== null && { revocation_date: rfc3339(record.revokedAtMs) }),
    ...(graceEndsAtMs !== null &&
      graceEndsAtMs > nowMs && { previous_secret_expiration_date: rfc3339(graceEndsAtMs) }),
  };
}

/** The published schema requires the organization in every entry; stored entries may omit it. */
function inOrganization(assignments: RoleAssignments, organizationId: string): RoleAssignments {
  const { organization, deployment, project } = assignments;
  const complete = <T extends { organization_id?: string | undefined }>(entries: readonly T[]): T[] =>
    entries.map((entry) => ({ ...entry, organization_id: entry.organization_id ?? organizationId }));
  return {
    ...assignments,
    ...(organization && { organization: complete(organization) }),
    ...(deployment && { deployment: complete(deployment) }),
    ...(project && {
      project: Object.fromEntries(
        Object.entries(project).map(([type, entries]) => [type, complete(entries)]),
      ),
    }),
  };
}

export function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
