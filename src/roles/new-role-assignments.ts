import { z } from 'zod';
import { parseIgnoringNulls } from './null-fields.ts';
import { canonicalProjectType, PROJECT_TYPES } from './project-type.ts';
import { roleAssignmentWarnings } from './role-assignment-warnings.ts';
import type { RoleAssignments } from './role-assignments.ts';
import { jsonPath, limited, quoted, type Violation } from './violation.ts';

const MAX_ENTRIES = 1000;
const MAX_CHARS = 512;

const text = z
  .string()
  .min(1, 'must not be empty')
  .max(MAX_CHARS, `must have at most ${MAX_CHARS} characters`);

function list<T extends z.ZodType>(item: T) {
  return z.array(item).max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`);
}

const entry = {
  role_id: text,
  organization_id: text.optional(),
  application_roles: list(text).optional(),
};
const all = z.boolean().default(false);

const newRoleAssignmentsSchema = z.strictObject({
  platform: list(z.strictObject({ role_id: text })).optional(),
  organization: list(z.strictObject(entry)).optional(),
  deployment: list(z.strictObject({ ...entry, all, deployment_ids: list(text).optional() })).optional(),
  project: z
    .record(
      z.string(),
      list(
        z
          .strictObject({ ...entry, all, project_ids: list(text).optional() })
          .superRefine((value, context) => {
            const problem = scopeProblem(value.all, value.project_ids);
            if (problem !== undefined)
              context.addIssue({ code: 'custom', path: ['project_ids'], message: problem });
          }),
      ),
    )
    .optional(),
});

export type CheckedRoleAssignments =
  | { ok: true; assignments: RoleAssignments; warnings: string[] }
  | { ok: false; violations: Violation[] };

/**
 * Checks the `role_assignments` of a new key. The check is stricter than the parser of stored assignments: it refuses an
 * unknown field, which may be meant to restrict the key (even with null), and an entry that does not state which projects it covers.
 * Unknown names cause warnings only. The caller must check that all entries belong to the creator's organization.
 */
export function checkNewRoleAssignments(input: unknown): CheckedRoleAssignments {
  const types = unknownProjectTypes(input);
  const parsed = parseIgnoringNulls(newRoleAssignmentsSchema, input);
  if (!parsed.ok) return { ok: false, violations: limited([...types, ...parsed.violations]) };
  if (types.length > 0) return { ok: false, violations: limited(types) };
  const assignments = withCanonicalTypes(parsed.value);
  return { ok: true, assignments, warnings: limited(roleAssignmentWarnings(parsed.value)) };
}

function scopeProblem(coversAll: boolean, projectIds: readonly string[] | undefined): string | undefined {
  if (coversAll) return projectIds === undefined ? undefined : 'must be absent if all is true';
  return projectIds?.length ? undefined : 'must contain at least one project unless all is true';
}

function unknownProjectTypes(input: unknown): Violation[] {
  const project = (input as { project?: unknown } | null | undefined)?.project;
  if (typeof project !== 'object' || project === null || Array.isArray(project)) return [];
  return Object.keys(project)
    .filter((name) => canonicalProjectType(name) === undefined)
    .map((name) => ({
      path: jsonPath(['project', name]),
      message: `unknown project type ${quoted(name)}: use one of ${PROJECT_TYPES.join(', ')}`,
    }));
}

function withCanonicalTypes(assignments: RoleAssignments): RoleAssignments {
  if (assignments.project === undefined) return assignments;
  const project: NonNullable<RoleAssignments['project']> = {};
  for (const [name, entries] of Object.entries(assignments.project)) {
    const type = canonicalProjectType(name) ?? name;
    project[type] = [...(project[type] ?? []), ...entries];
  }
  return { ...assignments, project };
}
