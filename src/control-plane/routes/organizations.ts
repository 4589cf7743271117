import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Queries } from '../database.ts';
import { errorResponses } from '../http/schemas.ts';
import { organizationSchema, viewOrganization } from '../organizations/organization-view.ts';

const tags = ['Organizations'];
const params = z.object({ organization_id: z.string().describe('Id of the organization.') });

/** Serves the calls with which clients of the Elastic Cloud API find their organization. */
export function organizationRoutes(app: FastifyInstance, database: Queries): void {
  app.get(
    '/organizations',
    {
      config: { audit: { action: 'organization.get', targetType: 'organization' } },
      schema: {
        tags,
        operationId: 'listOrganizations',
        summary: 'List organizations',
        description: "Lists the caller's organization. Any valid key.",
        response: { 200: z.object({ organizations: z.array(organizationSchema) }), ...errorResponses() },
      },
    },
    async ({ caller }) => ({ organizations: [await viewOrganization(database, caller.key.organizationId)] }),
  );

  app.get<{ Params: { organization_id: string } }>(
    '/organizations/:organization_id',
    {
      config: {
        audit: {
          action: 'organization.get',
          targetType: 'organization',
          targetId: ({ organization_id: id }: z.output<typeof params>) => id,
        },
      },
      schema: {
        tags,
        operationId: 'getOrganization',
        summary: 'Get an organization',
        description: "Returns the caller's organization. Any valid key.",
        params,
        response: { 200: organizationSchema, ...errorResponses(404) },
      },
    },
    ({ caller, params: { organization_id: id } }) =>
      viewOrganization(database, caller.key.organizationId, id),
  );
}
