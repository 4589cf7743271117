import type { Logger } from 'pino';
import type { AuditEvent } from './audit-event.ts';

/**
 * Writes the audit trail as log lines with `log.logger: audit`, for log collectors.
 * The table is the authoritative record, and only it has `before` and `after`.
 */
export function auditLog(logger: Logger): (event: AuditEvent) => void {
  // The level is independent of LOG_LEVEL: verbosity settings must not hide audit events.
  const stream = logger.child({ 'log.logger': 'audit' }, { level: 'info' });
  return (event) => {
    const { actor } = event;
    stream.info(
      {
        event: {
          kind: 'event',
          category: ['iam'],
          action: event.action,
          outcome: event.outcome,
          ...(event.reason !== undefined && { reason: event.reason }),
        },
        ...(event.organizationId !== null && { organization: { id: event.organizationId } }),
        user: { id: actor.id, roles: [actor.type] },
        ...(actor.sourceIp !== undefined && { source: { ip: actor.sourceIp } }),
        ...(actor.requestId !== undefined && { http: { request: { id: actor.requestId } } }),
        ...(event.targetId !== undefined && { target: { type: event.targetType, id: event.targetId } }),
      },
      `${event.action} ${event.outcome}`,
    );
  };
}
