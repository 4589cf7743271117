import { z } from 'zod';
import { roleAssignmentsSchema } from '../../roles/role-assignments.ts';
import { roleDescriptorSchema } from '../../roles/role-descriptor.ts';
import { createKeySchema } from '../keys/key-input.ts';

z.globalRegistry.add(roleAssignmentsSchema, { id: 'RoleAssignments' });
z.globalRegistry.add(roleDescriptorSchema, { id: 'RoleDescriptor' });

/**
 * Shapes for the reference: inputs are checked by the objects behind the routes, which name every violation, and
 * answers are written by them.
 */
export const keySchema = z
  .object({
    id: z.string(),
    description: z.string(),
    creation_date: z.iso.datetime(),
    user_id: z.string(),
    organization_id: z.string(),
    expiration_date: z.iso.datetime().optional().describe('Absent when the key never expires.'),
    role_assignments: roleAssignmentsSchema,
    internal: z.boolean().describe('Made by a service of ours, good only with client authentication.'),
    status: z.enum(['active', 'expired', 'revoked']),
    revocation_date: z.iso.datetime().optional(),
    previous_secret_expiration_date: z.iso
      .datetime()
      .optional()
      .describe('After a rotation: until when the secret before it is accepted.'),
  })
  .describe('An API key.')
  .meta({ id: 'ApiKey' });

export const keyWithCredentialSchema = keySchema
  .extend({
    key: z.string().describe('The credential. This answer is the only one that holds it.'),
    warnings: z.array(z.string()).optional().describe('What in role_assignments has no effect today.'),
  })
  .describe('An API key with its credential.')
  .meta({ id: 'ApiKeyWithCredential' });

export const createKeyBody = createKeySchema.extend({
  role_assignments: roleAssignmentsSchema
    .optional()
    .describe("What the key may do. Left out: the creator's own assignments."),
});

export const keyPageSchema = z.object({
  keys: z.array(keySchema),
  next: z.string().optional().describe('Pass as "after" for the next page; absent on the last one.'),
  unreadable_keys: z.array(z.string()).optional(),
});

const errorsSchema = z
  .object({
    errors: z.array(
      z.object({
        code: z.string(),
        message: z.string(),
        fields: z.array(z.string()).optional().describe('JSON paths of what is wrong.'),
      }),
    ),
  })
  .describe('A refusal; the header x-cloud-error-codes repeats the code.')
  .meta({ id: 'Errors' });

export const emptySchema = z.object({}).describe('Nothing to tell: it is done.');
export const idParams = z.object({ id: z.string().describe('Id of the API key.') });
export const forceQuery = z.object({
  force: z.enum(['true', 'false']).optional().describe('Do it although the rule speaks against it.'),
});
export const idempotencyHeaders = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .describe('Names this attempt: a repetition within 24 hours gets the first answer again.'),
});

const refusals = { 400: 400, 401: 401, 403: 403, 404: 404, 409: 409, 413: 413, 422: 422, 429: 429, 503: 503 };

/** The refusals of a call, all of one shape. */
export function errorResponses(...statuses: (keyof typeof refusals)[]) {
  return Object.fromEntries([401, 429, 503, ...statuses].map((status) => [status, errorsSchema]));
}
