import type { FastifyInstance } from 'fastify';
import { auditPageSchema, auditQuerySchema, readTrail } from '../audit/audit-trail.ts';
import type { Queries } from '../database.ts';
import { assertOwner } from '../http/caller.ts';
import { errorResponses } from '../http/schemas.ts';

/** `GET /audit`: the trail of the caller's organization. */
export function auditRoute(app: FastifyInstance, database: Queries): void {
  app.get('/audit', { schema: docs }, async (request) => {
    assertOwner(request.caller);
    return readTrail(database, request.caller.key.organizationId, request.query);
  });
}

const docs = {
  tags: ['Audit'],
  summary: 'Read the audit trail',
  description: 'Every change of keys and roles, and every refused attempt, newest first. Owners only.',
  querystring: auditQuerySchema,
  response: { 200: auditPageSchema, ...errorResponses(400, 403) },
};
