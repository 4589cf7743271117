import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { IamError } from '../../errors.ts';
import { PROJECT_TYPES } from '../../roles/project-type.ts';
import { type RoleDescriptor, roleDescriptorSchema } from '../../roles/role-descriptor.ts';
import { assertOwner, principalOf } from '../http/caller.ts';
import { errorResponses } from '../http/schemas.ts';
import { type CustomRoles, type Project, roleId } from '../roles/custom-roles.ts';

const ROLES = '/projects/:project_type/:project_id/roles';

export interface ProjectParams {
  project_type: string;
  project_id: string;
}
export interface RoleParams extends ProjectParams {
  name: string;
}

/** Serves custom roles in the format of the role calls of Elasticsearch, and the predefined roles. */
export function roleRoutes(app: FastifyInstance, roles: CustomRoles): void {
  app.put<{ Params: RoleParams; Querystring: { strict?: string } }>(
    `${ROLES}/:name`,
    {
      config: { audit: { action: 'role.put', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: 'putRole',
        summary: 'Create or replace a custom role',
        description: "The body is that of Elasticsearch's PUT /_security/role/{name}. Owners only.",
        params: roleParams,
        querystring: strictQuery,
        body: roleDescriptorSchema,
        response: {
          200: z.object({
            role: z.object({ created: z.boolean().describe('false if the role replaced an existing one.') }),
            warnings: z.array(z.string()).optional().describe('Unknown privileges.'),
          }),
          ...errorResponses(400, 403, 413),
        },
      },
    },
    async (request) => {
      const { params } = request;
      const { created, warnings } = await roles.put(
        principalOf(request.caller, request),
        projectOf(params),
        params.name,
        request.body,
        { strict: isStrict(request.query) },
      );
      return { role: { created }, ...(warnings.length > 0 && { warnings }) };
    },
  );

  app.get<{ Params: RoleParams }>(
    `${ROLES}/:name`,
    {
      config: { audit: { action: 'role.get', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: 'getRole',
        summary: 'Get a custom role',
        description: 'Owners only.',
        params: roleParams,
        response: { 200: nativeRoles, ...errorResponses(403, 404) },
      },
    },
    async (request) => {
      assertOwner(request.caller);
      const { key } = request.caller;
      const role = await roles.get(key.organizationId, projectOf(request.params), request.params.name);
      return { [role.name]: native(role.descriptor) };
    },
  );

  app.delete<{ Params: RoleParams }>(
    `${ROLES}/:name`,
    {
      config: { audit: { action: 'role.delete', targetType: 'role', targetId: roleIdOf } },
      schema: {
        tags,
        operationId: 'deleteRole',
        summary: 'Delete a custom role',
        description: 'Keys with the role lose its permissions. Owners only.',
        params: roleParams,
        response: { 200: z.object({ found: z.literal(true) }), ...errorResponses(403, 404) },
      },
    },
    async (request) => {
      const { params } = request;
      await roles.remove(principalOf(request.caller, request), projectOf(params), params.name);
      return { found: true };
    },
  );

  app.get<{ Params: ProjectParams }>(
    ROLES,
    {
      config: { audit: { action: 'role.list', targetType: 'role', targetId: projectIdOf } },
      schema: {
        tags,
        operationId: 'listRoles',
        summary: 'List the custom roles of a project',
        description: 'Owners only.',
        params: projectParams,
        response: { 200: nativeRoles, ...errorResponses(400, 403) },
      },
    },
    async (request) => {
      assertOwner(request.caller);
      const { key } = request.caller;
      const customRoles = await roles.list(key.organizationId, projectOf(request.params));
      return Object.fromEntries(customRoles.map(({ name, descriptor }) => [name, native(descriptor)]));
    },
  );

  app.get<{ Querystring: { project_type?: string } }>(
    '/roles',
    {
      config: { audit: { action: 'role.list', targetType: 'role' } },
      schema: {
        tags,
        operationId: 'listPredefinedRoles',
        summary: 'List the predefined roles with their descriptors',
        description: 'Any valid key.',
        querystring: z.object({
          project_type: z.enum(PROJECT_TYPES).optional().describe('Only the roles of this project type.'),
        }),
        response: {
          200: z.object({
            roles: z.array(
              z.object({
                project_type: z.enum(PROJECT_TYPES),
                name: z.string(),
                descriptor: roleDescriptorSchema,
              }),
            ),
          }),
          ...errorResponses(400),
        },
      },
    },
    async (request) => {
      const { project_type: requested } = request.query;
      const type = PROJECT_TYPES.find((known) => known === requested);
      if (requested !== undefined && type === undefined) {
        throw new IamError('ROLE_INVALID', {
          message: `project_type: must be one of ${PROJECT_TYPES.join(', ')}`,
          fields: ['project_type'],
        });
      }
      return {
        roles: (await roles.predefined(type)).map(({ projectType, name, descriptor }) => ({
          project_type: projectType,
          name,
          descriptor,
        })),
      };
    },
  );
}

export const roleIdOf = (params: RoleParams) => roleId(projectOf(params), params.name);
export const projectIdOf = (params: ProjectParams) => `${params.project_type}/${params.project_id}`;

export function projectOf(params: ProjectParams): Project {
  return { projectType: params.project_type, projectId: params.project_id };
}

/** Elasticsearch adds this field to every role. It means that the license covers the role. */
export function native(descriptor: RoleDescriptor) {
  return { ...descriptor, transient_metadata: { enabled: true } };
}

const tags = ['Roles'];
export const projectParams = z.object({
  project_type: z.enum(PROJECT_TYPES).describe('Type of the project.'),
  project_id: z.string().describe('Id of the project.'),
});
export const roleParams = projectParams.extend({ name: z.string().describe('Name of the role.') });
export const nativeRoles = z
  .record(z.string(), roleDescriptorSchema.extend({ transient_metadata: z.object({ enabled: z.boolean() }) }))
  .describe('Role descriptors by name.');

export const strictQuery = z.object({
  strict: z.enum(['true', 'false']).optional().describe('true refuses what otherwise causes a warning.'),
});

export function isStrict({ strict }: { strict?: string }): boolean {
  return strict === 'true';
}
