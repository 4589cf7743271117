import { IamError } from '../../errors.ts';
import type { Queries } from '../database.ts';
import type { Principal } from '../principal.ts';
import type { AuditAction, AuditEvent } from './audit-event.ts';

const MAX_TARGET_ID_CHARS = 512;

/** Writes an event. Call it inside the transaction of the change, so that neither exists without the other. */
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
  on.onEvent(event);
}

/** A change that a caller attempts. */
interface Attempt {
  principal: Principal;
  action: AuditAction;
  targetType: 'api_key' | 'role';
  /** Untrusted text from a URL; absent when the target does not exist yet. */
  targetId?: string | undefined;
}

/** Runs a change and records its refusal. The transaction of a refused change is rolled back, so this is a write of its own. */
export async function recordingRefusals<Result>(
  database: Queries,
  { principal, action, targetType, targetId }: Attempt,
  change: () => Promise<Result>,
): Promise<Result> {
  try {
    return await change();
  } catch (error) {
    if (error instanceof IamError) {
      await recordEvent(database, {
        organizationId: principal.organizationId,
        actor: principal.actor,
        action,
        outcome: 'failure',
        targetType,
        targetId: storableId(targetId),
        reason: error.cloud.code,
      });
    }
    throw error;
  }
}

/** Postgres cannot store every text that a URL can carry. */
function storableId(id: string | undefined): string | undefined {
  return id?.slice(0, MAX_TARGET_ID_CHARS).replaceAll('\0', '').toWellFormed();
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
