import type { FastifyInstance } from 'fastify';
import { auditPageSchema, auditQuerySchema, readTrail } from '../audit/audit-trail.ts';
import type { Database } from '../database.ts';
import { assertOwner } from '../http/caller.ts';
import { linkNext } from '../http/next-link.ts';
import { errorResponses } from '../http/schemas.ts';

/** Serves the audit trail of the caller's organization. */
export function auditRoute(app: FastifyInstance, database: Database): void {
  app.get(
    '/audit',
    {
      config: { audit: { action: 'audit.read', targetType: 'organization' } },
      schema: {
        tags: ['Audit'],
        operationId: 'readAuditTrail',
        summary: 'Read the audit trail',
        description: 'Lists changes of keys and roles, and refused attempts, newest first. Owners only.',
        querystring: auditQuerySchema,
        response: { 200: auditPageSchema, ...errorResponses(400, 403) },
      },
    },
    async (request, reply) => {
      assertOwner(request.caller);
      const page = await readTrail(
        database.of(request.caller.key.organizationId),
        request.caller.key.organizationId,
        request.query,
      );
      return linkNext(request, reply, page);
    },
  );
}
