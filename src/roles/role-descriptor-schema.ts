import { z } from 'zod';

const MAX_ENTRIES = 1000;
const MAX_NAME_CHARS = 1024;
const MAX_DESCRIPTION_CHARS = 1000;

const name = z
  .string()
  .min(1, 'must not be empty')
  .max(MAX_NAME_CHARS, `must have at most ${MAX_NAME_CHARS} characters`);

function list<T extends z.ZodType>(item: T) {
  return z.array(item).max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`);
}

function filledList<T extends z.ZodType>(item: T) {
  return list(item).min(1, 'must have at least one entry');
}

const indices = {
  names: filledList(name),
  privileges: filledList(name),
  field_security: z.strictObject({ grant: list(name), except: list(name).optional() }).optional(),
  query: z.string().min(1, 'must not be empty').optional(),
  allow_restricted_indices: z.boolean().optional(),
};

/**
 * A native Elasticsearch role descriptor as it is stored and returned. The four lists that Elasticsearch always writes are
 * present, `query` is a string, and `transient_metadata` is absent. An unknown field at any level is an error, since it
 * may be meant to restrict the role.
 *
 * Stored roles must satisfy this schema for ever. Rules for new roles belong into `role-descriptor-rules.ts`.
 */
export const roleDescriptorSchema = z.strictObject({
  cluster: list(name).default([]),
  indices: list(z.strictObject(indices)).default([]),
  applications: list(
    z.strictObject({ application: name, privileges: filledList(name), resources: filledList(name) }),
  ).default([]),
  run_as: z
    .array(name)
    .max(0, 'is not available for serverless roles: omit it or send an empty list')
    .default([]),
  metadata: z.record(z.string(), z.unknown()).optional(),
  remote_indices: list(z.strictObject({ clusters: filledList(name), ...indices })).optional(),
  remote_cluster: list(
    z.strictObject({ clusters: filledList(name), privileges: filledList(name) }),
  ).optional(),
  description: z
    .string()
    .max(MAX_DESCRIPTION_CHARS, `must have at most ${MAX_DESCRIPTION_CHARS} characters`)
    .optional(),
  restriction: z.strictObject({ workflows: filledList(name) }).optional(),
});

export type RoleDescriptor = z.output<typeof roleDescriptorSchema>;
