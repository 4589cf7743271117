import type { Actor } from '../principal.ts';

export type AuditAction =
  | 'api_key.create'
  | 'api_key.grant'
  | 'api_key.convert'
  | 'api_key.rotate'
  | 'api_key.revoke'
  | 'role.put'
  | 'role.delete'
  | 'organization.create'
  | 'audit.read';

/** One line of the trail. `before` and `after` are public views: nothing secret has a place in them. */
export interface AuditEvent {
  organizationId: string | null;
  actor: Actor;
  action: AuditAction;
  outcome: 'success' | 'failure';
  targetType?: 'api_key' | 'role' | 'organization';
  targetId?: string | undefined;
  /** Code of the refusal. */
  reason?: string | undefined;
  before?: unknown;
  after?: unknown;
}
