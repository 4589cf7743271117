import type { Actor } from '../principal.ts';

/** The calls that the audit trail records: changes, and refused attempts to change or to read. */
export type AuditAction =
  | 'api_key.create'
  | 'api_key.grant'
  | 'api_key.convert'
  | 'api_key.rotate'
  | 'api_key.revoke'
  | 'api_key.list'
  | 'api_key.get'
  | 'role.put'
  | 'role.delete'
  | 'role.list'
  | 'role.get'
  | 'predefined_roles.load'
  | 'audit.read'
  | 'organization.create'
  | 'organization.get';

/** One entry of the audit trail. No field contains a secret. */
export interface AuditEvent {
  organizationId: string | null;
  actor: Actor;
  action: AuditAction;
  outcome: 'success' | 'failure';
  targetType?: 'api_key' | 'native_api_key' | 'role' | 'organization' | undefined;
  /** Absent if the target does not exist yet, or if there are several. */
  targetId?: string | undefined;
  /** Error code of a refusal. */
  reason?: string | undefined;
  /** Public views of the target. */
  before?: unknown;
  after?: unknown;
  /** What a refused caller asked for, from `requestedView`. */
  requested?: unknown;
  /** Number of refusals that this event stands for; 1 if unset. */
  count?: number;
  /** Targets of different refusals that this event stands for, and how many more there were. */
  targets?: readonly string[];
  targetsOmitted?: number;
}
