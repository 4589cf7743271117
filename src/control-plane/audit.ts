import type { Queries } from './database.ts';
import type { Actor } from './principal.ts';

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

/** Writes an event; inside the transaction of the change it tells, so that neither exists without the other. */
export async function recordEvent(on: Queries, event: AuditEvent): Promise<void> {
  const { actor } = event;
  await on.query(
    `INSERT INTO audit_events (organization_id, actor_type, actor_id, action, outcome, target_type, target_id,
       source_ip, request_id, reason, before, after)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12::jsonb)`,
    [
      event.organizationId,
      actor.type,
      actor.id,
      event.action,
      event.outcome,
      event.targetType ?? null,
      event.targetId ?? null,
      actor.sourceIp ?? null,
      actor.requestId ?? null,
      event.reason ?? null,
      json(event.before),
      json(event.after),
    ],
  );
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
