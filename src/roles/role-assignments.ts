import { z } from 'zod';
import { parseOrViolations } from './violation.ts';

const entry = {
  role_id: z.string(),
  /** If absent, the organization of the key. */
  organization_id: z.string().optional(),
  application_roles: z.array(z.string()).optional(),
};

/**
 * The stored `role_assignments` of a key, in the format of the Elastic Cloud API. A newer control plane may have written
 * them, so unknown fields are dropped and unknown role ids have no effect. A field of the wrong type is an error.
 * `checkNewRoleAssignments` is the strict check for client input.
 */
export const roleAssignmentsSchema = z.object({
  platform: z.array(z.object({ role_id: z.string() })).optional(),
  organization: z.array(z.object(entry)).optional(),
  deployment: z
    .array(
      z.object({
        ...entry,
        all: z.boolean().default(false),
        deployment_ids: z.array(z.string()).optional(),
      }),
    )
    .optional(),
  /** Project type → entries. A type that this release does not know covers no project. */
  project: z
    .record(
      z.string(),
      z.array(
        z.object({ ...entry, all: z.boolean().default(false), project_ids: z.array(z.string()).optional() }),
      ),
    )
    .optional(),
});

export type RoleAssignments = z.output<typeof roleAssignmentsSchema>;

/** The stored assignments of a key do not parse: a server-side fault. The message contains paths but no values. */
export class BrokenRoleAssignmentsError extends Error {
  override readonly name = 'BrokenRoleAssignmentsError';
}

/** @throws BrokenRoleAssignmentsError when a field has the wrong type */
export function parseStoredRoleAssignments(value: unknown): RoleAssignments {
  const parsed = parseOrViolations(roleAssignmentsSchema, value);
  if (parsed.ok) return parsed.value;
  const problems = parsed.violations
    .slice(0, 5)
    .map(({ path, message }) => `${path || 'the value'} ${message}`);
  throw new BrokenRoleAssignmentsError(`stored role assignments do not parse: ${problems.join('; ')}`);
}
