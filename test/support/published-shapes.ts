import { z } from 'zod';

/*
 * The shapes of the Elastic Cloud API, of the UIAM calls and of Elasticsearch's role calls, as published specifications
 * and clients have them, written independently of the schemas of the product. Generated clients decode responses with
 * them; fields that they do not know are ignored.
 */

const entry = {
  role_id: z.string(),
  organization_id: z.string(),
  application_roles: z.array(z.string()).optional(),
};

const roleAssignments = z.object({
  platform: z.array(z.object({ role_id: z.string() })).optional(),
  organization: z.array(z.object({ role_id: z.string(), organization_id: z.string() })).optional(),
  deployment: z
    .array(
      z.object({ ...entry, all: z.boolean().optional(), deployment_ids: z.array(z.string()).optional() }),
    )
    .optional(),
  project: z
    .record(
      z.string(),
      z.array(
        z.object({ ...entry, all: z.boolean().optional(), project_ids: z.array(z.string()).optional() }),
      ),
    )
    .optional(),
});

export const publishedKey = z.object({
  id: z.string(),
  description: z.string(),
  creation_date: z.iso.datetime(),
  user_id: z.string().optional(),
  organization_id: z.string().optional(),
  key: z.string().optional(),
  expiration_date: z.iso.datetime().optional(),
  role_assignments: roleAssignments.optional(),
});

export const publishedKeys = z.object({ keys: z.array(publishedKey) });

export const publishedOrganization = z.object({ id: z.string(), name: z.string() });

export const publishedOrganizations = z.object({
  organizations: z.array(publishedOrganization),
  next_page: z.string().optional(),
});

export const publishedFailure = z.object({
  errors: z
    .array(z.object({ code: z.string(), message: z.string(), fields: z.array(z.string()).optional() }))
    .min(1),
});

export const publishedEmpty = z.strictObject({});

export const uiamError = z.object({
  request_id: z.string(),
  error: z.object({
    code: z.string().regex(/^0x[0-9A-F]{6}$/),
    message: z.string(),
    resource: z.string().nullable(),
    type: z.string(),
  }),
});

export const uiamGrant = z.object({ id: z.string(), key: z.string(), description: z.string() });

export const uiamConversion = z.object({
  results: z.array(
    z.discriminatedUnion('status', [
      z.object({
        status: z.literal('success'),
        id: z.string(),
        key: z.string(),
        description: z.string(),
        organization_id: z.string(),
        internal: z.boolean(),
        role_assignments: roleAssignments,
        creation_date: z.iso.datetime(),
        expiration_date: z.iso.datetime().nullable(),
      }),
      z.object({
        status: z.literal('failed'),
        code: z.string(),
        message: z.string(),
        resource: z.string().nullable(),
        type: z.string(),
      }),
    ]),
  ),
});

export const uiamAuthentication = z.object({
  type: z.string(),
  user_id: z.string(),
  email: z.string().nullable(),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  organization_id: z.string().nullable(),
  contexts: z
    .array(
      z.object({
        type: z.literal('project'),
        project_id: z.string(),
        project_type: z.string(),
        project_organization_id: z.string(),
        application_roles: z.array(z.string()),
      }),
    )
    .nullable(),
  credentials: z.object({
    id: z.string(),
    type: z.enum(['api-key', 'token']),
    creation: z.iso.datetime(),
    expiration: z.iso.datetime().nullable(),
    internal: z.boolean(),
    description: z.string(),
  }),
  token: z.string().nullable(),
  /** As they are stored: an entry of the key's own organization may omit it. */
  role_assignments: z.record(z.string(), z.unknown()).nullable(),
});

export const elasticsearchRoleWritten = z.strictObject({ role: z.strictObject({ created: z.boolean() }) });

export const elasticsearchRoles = z.record(
  z.string(),
  z.object({
    cluster: z.array(z.string()),
    indices: z.array(z.object({ names: z.array(z.string()), privileges: z.array(z.string()) })),
    applications: z.array(
      z.object({
        application: z.string(),
        privileges: z.array(z.string()),
        resources: z.array(z.string()),
      }),
    ),
    run_as: z.array(z.string()),
    metadata: z.record(z.string(), z.unknown()),
    transient_metadata: z.object({ enabled: z.boolean() }),
  }),
);

export const elasticsearchRoleDeleted = z.strictObject({ found: z.literal(true) });
