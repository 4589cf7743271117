import type { Actor } from '../principal.ts';

/** The calls that the audit trail records: changes, and refused attempts to change or to read. docs/audit.md lists them. */
export const AUDIT_ACTIONS = {
  'api_key.create': 'creation of a key',
  'api_key.grant': 'creation of a key by a service, with `_grant`',
  'api_key.convert': 'conversion of a native Elasticsearch key, with `_convert`',
  'api_key.rotate': 'rotation of a key',
  'api_key.revoke': 'revocation of keys',
  'api_key.list': 'list of keys',
  'api_key.get': 'read of one key',
  'role.put': 'creation or replacement of a custom role',
  'role.delete': 'deletion of a custom role',
  'role.list': 'list of roles',
  'role.get': 'read of one custom role',
  'predefined_roles.load': 'update of the predefined roles',
  'audit.read': 'read of the audit trail',
  'organization.create': 'creation of an organization',
  'organization.get': 'read of an organization',
} as const;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

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
