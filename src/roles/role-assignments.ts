import { z } from 'zod';
import { parseOrViolations } from './violation.ts';

const entry = {
  role_id: z.string(),
  /** Left out: the organization of the key. */
  organization_id: z.string().optional(),
  application_roles: z.array(z.string()).optional(),
};

/**
 * The `role_assignments` of a key as they are stored, in the shape of the Elastic Cloud API. Fields and role ids
 * nobody knows are dropped or kept without effect, since a newer control plane may have written them; a field of the
 * wrong type is an error. For input from outside there is `checkNewRoleAssignments`, which is strict.
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
  /** Project type → entries. The type is any string: one that this release does not know covers no project. */
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

/** A stored row whose assignments have the wrong shape: our fault, not the caller's. Names the places, not the values. */
export class BrokenRoleAssignmentsError extends Error {
  override readonly name = 'BrokenRoleAssignmentsError';
}

/** @throws BrokenRoleAssignmentsError when a field has the wrong type */
export function parseStoredRoleAssignments(value: unknown): RoleAssignments {
  const parsed = parseOrViolations(roleAssignmentsSchema, value);
  if (parsed.ok) return parsed.value;
  const places = parsed.violations
    .slice(0, 5)
    .map(({ path, message }) => `${path || 'the value'} ${message}`);
  throw new BrokenRoleAssignmentsError(`stored role assignments do not parse: ${places.join('; ')}`);
}
