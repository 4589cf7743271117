import { z } from 'zod';
import { PROJECT_TYPES } from '../roles/project-type.ts';
import { roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { roleDescriptorSchema } from '../roles/role-descriptor.ts';

/*
 * The answer of `_authenticate` for the reference. The service writes it by hand for speed; a test reads real answers
 * with these schemas, so that the two cannot part.
 */

const project = {
  type: z.literal('project'),
  project_id: z.string(),
  project_type: z.enum(PROJECT_TYPES),
  project_organization_id: z.string(),
};

const grantedContext = z.strictObject({
  ...project,
  application_roles: z.array(z.string()).describe('Roles that the key has in the project.'),
  role_descriptors: z
    .record(z.string(), roleDescriptorSchema)
    .optional()
    .describe('Native role descriptors of these roles, by name.'),
  unresolved_application_roles: z
    .array(z.string())
    .describe('Roles that were assigned and that the project does not have.'),
});

const deniedContext = z.strictObject({ ...project, error: z.string().describe('Why.') });

/** A 200 of `_authenticate`. */
export const responseSchema = z
  .strictObject({
    type: z.literal('api-key'),
    user_id: z.string().describe('The creator of the key.'),
    email: z.string().nullable(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
    organization_id: z.string().nullable(),
    contexts: z.array(grantedContext).nullable().describe('null when none was asked for.'),
    denied_contexts: z.array(deniedContext),
    credentials: z.strictObject({
      id: z.string(),
      type: z.literal('api-key'),
      creation: z.iso.datetime(),
      expiration: z.iso.datetime().nullable(),
      internal: z.boolean(),
    }),
    token: z.null(),
    role_assignments: roleAssignmentsSchema.nullable(),
  })
  .describe('Whose key it is, and what it may do in the projects that were asked for.');
