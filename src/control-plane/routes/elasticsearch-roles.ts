import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { roleDescriptorSchema } from '../../roles/role-descriptor.ts';
import { assertOwner, principalOf } from '../http/caller.ts';
import type { CustomRole, CustomRoles } from '../roles/custom-roles.ts';
import {
  isStrict,
  native,
  nativeRoles,
  type ProjectParams,
  projectIdOf,
  projectOf,
  projectParams,
  type RoleParams,
  roleIdOf,
  roleParams,
  strictQuery,
} from './roles.ts';

/** Path of the role calls below `/api/v1`; the rest is that of Elasticsearch. */
export const ELASTICSEARCH_ROLES = '/projects/:project_type/:project_id/_security/role';

/** Elasticsearch limits its warning headers as well. */
const MAX_WARNING_HEADERS = 20;

/**
 * Serves custom roles under the paths of Elasticsearch, with its bodies and statuses, so that scripts written for a cluster
 * need only another base URL. Source: Elasticsearch API, security, roles.
 */
export function elasticsearchRoleRoutes(app: FastifyInstance, roles: CustomRoles): void {
  for (const method of ['put', 'post'] as const)
    app.route<{ Params: RoleParams; Querystring: { strict?: string } }>({
      method: method.toUpperCase(),
      url: '/:name',
      config: { audit: { action: 'role.put', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: `${method}ElasticsearchRole`,
        summary: 'Create or replace a custom role, as in Elasticsearch',
        description: 'Unknown privileges are named in Warning headers. Owners only.',
        params: roleParams,
        querystring: strictQuery.extend(commonQuery.shape),
        body: roleDescriptorSchema,
        response: { 200: z.object({ role: z.object({ created: z.boolean() }) }), ...errors(400) },
      },
      handler: async (request, reply) => {
        const { params } = request;
        const { created, warnings } = await roles.put(
          principalOf(request.caller, request),
          projectOf(params),
          params.name,
          request.body,
          { strict: isStrict(request.query) },
        );
        for (const warning of warnings.slice(0, MAX_WARNING_HEADERS)) {
          reply.raw.appendHeader('warning', `299 regional-iam ${quotedString(warning)}`);
        }
        return { role: { created } };
      },
    });

  app.get<{ Params: RoleParams }>(
    '/:name',
    {
      config: { audit: { action: 'role.get', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: 'getElasticsearchRoles',
        summary: 'Get custom roles, as in Elasticsearch',
        description: 'The name may be a list, separated by commas. 404 with {} if none exists. Owners only.',
        params: roleParams,
        querystring: commonQuery,
        response: { 200: nativeRoles, 404: z.object({}), ...errors() },
      },
    },
    async (request, reply) => {
      assertOwner(request.caller);
      const { caller, params } = request;
      const names = new Set(params.name.split(','));
      const all = await roles.list(caller.key.organizationId, projectOf(params));
      const found = all.filter(({ name }) => names.has(name));
      if (found.length === 0) reply.code(404);
      return rendered(found);
    },
  );

  app.get<{ Params: ProjectParams }>(
    '',
    {
      config: { audit: { action: 'role.list', targetType: 'role', targetId: projectIdOf } },
      schema: {
        tags,
        operationId: 'listElasticsearchRoles',
        summary: 'List the custom roles of a project, as in Elasticsearch',
        description: 'Owners only.',
        params: projectParams,
        querystring: commonQuery,
        response: { 200: nativeRoles, ...errors(400) },
      },
    },
    async (request) => {
      assertOwner(request.caller);
      return rendered(await roles.list(request.caller.key.organizationId, projectOf(request.params)));
    },
  );

  app.delete<{ Params: RoleParams }>(
    '/:name',
    {
      config: { audit: { action: 'role.delete', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: 'deleteElasticsearchRole',
        summary: 'Delete a custom role, as in Elasticsearch',
        description: 'Keys with the role lose its permissions. 404 if it does not exist. Owners only.',
        params: roleParams,
        querystring: commonQuery,
        response: { 200: foundSchema, 404: foundSchema, ...errors() },
      },
    },
    async (request) => {
      const { params } = request;
      await roles.remove(principalOf(request.caller, request), projectOf(params), params.name);
      return { found: true };
    },
  );
}

/** Elasticsearch writes `metadata` even if it is empty. */
function rendered(found: readonly CustomRole[]) {
  return Object.fromEntries(
    found.map(({ name, descriptor }) => [name, { metadata: {}, ...native(descriptor) }]),
  );
}

/** A quoted-string (RFC 9110, 5.6.4). Warnings quote names of the input, so other characters are replaced. */
function quotedString(text: string): string {
  return `"${text.replace(/[^ -~]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}

const tags = ['Roles of Elasticsearch'];
const flag = z.enum(['true', 'false', '']).optional();
/** Parameters that clients of Elasticsearch send. They have no effect here. */
const commonQuery = z.object({
  refresh: z.string().optional().describe('Accepted without effect: roles are effective in milliseconds.'),
  pretty: flag.describe('Accepted without effect.'),
  human: flag.describe('Accepted without effect.'),
  error_trace: flag.describe('Accepted without effect.'),
});
const foundSchema = z.object({ found: z.boolean() });
const causeSchema = z.object({ type: z.string(), reason: z.string() });
const errorSchema = z
  .object({ error: causeSchema.extend({ root_cause: z.array(causeSchema) }), status: z.int() })
  .describe('Error in the format of Elasticsearch.')
  .meta({ id: 'ElasticsearchError' });

function errors(...statuses: number[]) {
  return Object.fromEntries([401, 403, 429, 503, ...statuses].map((status) => [status, errorSchema]));
}
