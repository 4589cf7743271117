import { z } from 'zod';
import { roleAssignmentsSchema } from '../../roles/role-assignments.ts';
import { roleDescriptorSchema } from '../../roles/role-descriptor.ts';
import { createKeySchema } from '../keys/create-key.ts';

z.globalRegistry.add(roleAssignmentsSchema, { id: 'RoleAssignments' });
z.globalRegistry.add(roleDescriptorSchema, { id: 'RoleDescriptor' });

/** These schemas only document the API: the services validate the input and build the responses. */
export const keySchema = z
  .object({
    id: z.string(),
    description: z.string(),
    creation_date: z.iso.datetime(),
    user_id: z.string(),
    organization_id: z.string(),
    expiration_date: z.iso.datetime().optional().describe('Absent if the key never expires.'),
    role_assignments: roleAssignmentsSchema,
    internal: z.boolean().describe('Created by a trusted service. Valid only with client authentication.'),
    status: z.enum(['active', 'expired', 'revoked']),
    revocation_date: z.iso.datetime().optional(),
    previous_secret_expiration_date: z.iso
      .datetime()
      .optional()
      .describe('End of the grace period of the last rotation: the old secret is valid until then.'),
  })
  .describe('An API key.')
  .meta({ id: 'ApiKey' });

export const keyWithCredentialSchema = keySchema
  .extend({
    key: z.string().describe('The credential. No other response contains it.'),
    warnings: z
      .array(z.string())
      .optional()
      .describe(
        'Entries of role_assignments that currently have no effect, and permissions that were copied.',
      ),
  })
  .describe('An API key with its credential.')
  .meta({ id: 'ApiKeyWithCredential' });

export const createKeyBody = createKeySchema.extend({
  role_assignments: roleAssignmentsSchema
    .optional()
    .describe("Roles of the key. Default: the role assignments of the caller's key, with a warning."),
});

export const keyPageSchema = z.object({
  keys: z.array(keySchema),
  next: z.string().optional().describe('Pass as "after" to get the next page. Absent on the last page.'),
  unreadable_keys: z
    .array(z.string())
    .optional()
    .describe('Ids of keys whose stored definition cannot be read. They can be revoked.'),
});

const errorsSchema = z
  .object({
    errors: z.array(
      z.object({
        code: z.string(),
        message: z.string(),
        fields: z.array(z.string()).optional().describe('JSON paths of the invalid fields.'),
      }),
    ),
  })
  .describe('Error. The header x-cloud-error-codes repeats the code.')
  .meta({ id: 'Errors' });

export const emptySchema = z.object({}).describe('Empty object.');
export const idParams = z.object({ id: z.string().describe('Id of the API key.') });
export const keyIdOf = ({ id }: z.output<typeof idParams>) => id;
export const forceQuery = z.object({
  force: z.enum(['true', 'false']).optional().describe('Override the safety check.'),
});
export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .describe('Identifies the request. A repetition within 24 hours returns the first response.'),
});

const refusals = { 400: 400, 401: 401, 403: 403, 404: 404, 409: 409, 413: 413, 422: 422, 429: 429, 503: 503 };

/** The error responses of a call, including those that every call has. */
export function errorResponses(...statuses: (keyof typeof refusals)[]) {
  return Object.fromEntries([401, 429, 503, ...statuses].map((status) => [status, errorsSchema]));
}
