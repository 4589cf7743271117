import type { Actor } from '../principal.ts';

/** The changes that the audit trail records. */
export type AuditAction =
  | 'api_key.create'
  | 'api_key.grant'
  | 'api_key.convert'
  | 'api_key.rotate'
  | 'api_key.revoke'
  | 'role.put'
  | 'role.delete'
  | 'organization.create';

/** One entry of the audit trail. `before` and `after` are public views and never contain a secret. */
export interface AuditEvent {
  organizationId: string | null;
  actor: Actor;
  action: AuditAction;
  outcome: 'success' | 'failure';
  targetType?: 'api_key' | 'role' | 'organization';
  targetId?: string | undefined;
  /** Error code of a refusal. */
  reason?: string | undefined;
  before?: unknown;
  after?: unknown;
}
