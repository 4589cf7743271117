import type { Logger } from 'pino';
import type { AuditEvent } from './audit-event.ts';

/**
 * The audit trail as a stream of log lines of its own (`log.logger: audit`), for systems that collect such things.
 * The table is the record; what was before and after stands only there.
 */
export function auditLog(logger: Logger): (event: AuditEvent) => void {
  // Written whatever the level of the rest: leaving it out is not a matter of verbosity.
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
