import { z } from 'zod';
import { PROJECT_TYPES } from '../roles/project-type.ts';
import { roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { roleDescriptorSchema } from '../roles/role-descriptor.ts';

/*
 * The response of `_authenticate` for the API reference. `response-writer.ts` writes it by hand for speed; a test
 * parses real responses with these schemas, so the two cannot diverge.
 */

const project = {
  type: z.literal('project'),
  project_id: z.string(),
  project_type: z.enum(PROJECT_TYPES),
  project_organization_id: z.string(),
};

const grantedContext = z.strictObject({
  ...project,
  application_roles: z.array(z.string()).describe('Roles of the key in the project.'),
  role_descriptors: z
    .record(z.string(), roleDescriptorSchema)
    .optional()
    .describe('Native role descriptors of these roles, by name.'),
  unresolved_application_roles: z
    .array(z.string())
    .describe('Assigned roles that do not exist in the project.'),
});

const deniedContext = z.strictObject({ ...project, error: z.string().describe('Reason for the denial.') });

/** A 200 of `_authenticate`. */
export const responseSchema = z
  .strictObject({
    type: z.literal('api-key'),
    user_id: z.string().describe('The creator of the key.'),
    email: z.string().nullable(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
    organization_id: z.string().nullable(),
    contexts: z.array(grantedContext).nullable().describe('null when the request has no contexts.'),
    denied_contexts: z.array(deniedContext),
    credentials: z.strictObject({
      id: z.string(),
      type: z.literal('api-key'),
      creation: z.iso.datetime(),
      expiration: z.iso.datetime().nullable(),
      internal: z.boolean(),
      description: z.string().describe('What the key is for. Elasticsearch shows it as `api_key.name`.'),
    }),
    token: z.null(),
    role_assignments: roleAssignmentsSchema.nullable(),
  })
  .describe('The owner of the key and its permissions in the requested projects.');
