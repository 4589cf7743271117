import type { Queries } from '../database.ts';
import type { AuditEvent } from './audit-event.ts';

/** Writes an event. Call it inside the transaction of the change, so that neither exists without the other. */
export async function recordEvent(on: Queries, event: AuditEvent): Promise<void> {
  const { actor } = event;
  await on.query(
    `INSERT INTO audit_events (organization_id, actor_type, actor_id, action, outcome, target_type, target_id,
       source_ip, request_id, reason, before, after, requested, count, targets, targets_omitted)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12::jsonb, $13::jsonb, $14, $15::text[], $16)`,
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
      json(event.requested),
      event.count ?? 1,
      event.targets ?? null,
      event.targetsOmitted ?? null,
    ],
  );
  on.onEvent(event);
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
