import type { Project } from '../control-plane/roles/custom-roles.ts';
import { suggestion } from '../lib/suggestion.ts';
import { predefinedRoles } from '../roles/predefined.ts';
import { roleAssignmentsSchema } from '../roles/role-assignments.ts';
import { type AssignedRole, missingRoles } from './assigned-roles.ts';
import { UsageError } from './command-failure.ts';
import { ask, canAsk } from './terminal.ts';

type RoleNames = (project: Project) => Promise<readonly string[] | undefined>;

/**
 * Asks about roles that do not exist on their project and look like a misspelling. Without a terminal the assignments stay
 * unchanged: the control plane warns about such roles.
 * @param assignments unvalidated `role_assignments`
 */
export async function withCorrectedRoles(assignments: unknown, rolesOf: RoleNames): Promise<unknown> {
  const parsed = canAsk() ? roleAssignmentsSchema.safeParse(assignments) : undefined;
  // The control plane explains what is invalid.
  if (parsed?.success !== true) return assignments;
  const corrections = new Map<string, string>();
  for (const role of await missingRoles(parsed.data, rolesOf)) {
    const similar = suggestion(role.name, await namesOn(role, rolesOf));
    if (similar !== undefined && (await isMisspelt(role, similar)))
      corrections.set(idOf(role.project, role.name), similar);
  }
  if (corrections.size === 0) return assignments;
  const { project = {} } = parsed.data;
  const corrected = Object.entries(project).map(([type, entries]) => [
    type,
    entries.map((entry) => ({
      ...entry,
      application_roles: entry.application_roles?.map(
        (name) =>
          (entry.project_ids ?? [])
            .map((projectId) => corrections.get(idOf({ projectType: type, projectId }, name)))
            .find((name) => name !== undefined) ?? name,
      ),
    })),
  ]);
  return { ...parsed.data, project: Object.fromEntries(corrected) };
}

async function isMisspelt({ name, project }: AssignedRole, similar: string): Promise<boolean> {
  const where = `${project.projectType}:${project.projectId}`;
  const answer = await ask(
    `${where} has no role "${name}". Use "${similar}" instead? [y]es, [n]o (keep it), [c]ancel: `,
  );
  if (/^y(es)?$/i.test(answer)) return true;
  if (/^no?$/i.test(answer)) return false;
  throw new UsageError('Nothing was created.');
}

async function namesOn({ project }: AssignedRole, rolesOf: RoleNames): Promise<readonly string[]> {
  const predefined = predefinedRoles.filter(({ projectType }) => projectType === project.projectType);
  return [...predefined.map(({ name }) => name), ...((await rolesOf(project)) ?? [])];
}

function idOf({ projectType, projectId }: Project, name: string): string {
  return `${projectType}\n${projectId}\n${name}`;
}
