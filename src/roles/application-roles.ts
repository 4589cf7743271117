import { canonicalProjectType, type ProjectType } from './project-type.ts';
import type { RoleAssignments } from './role-assignments.ts';

/** A requested project and the organization that owns it. */
export interface ProjectContext {
  projectId: string;
  projectType: ProjectType;
  organizationId: string;
}

/** The role names that a key has on a project. Roles with these names need not exist there. */
export type ApplicationRoles =
  | { ok: true; names: readonly string[] }
  | { ok: false; reason: 'other_organization' | 'no_assignment' | 'no_application_roles' };

type ProjectEntry = NonNullable<RoleAssignments['project']>[string][number];

/**
 * Returns the application roles on one project: the union of all entries that cover it, organization entries first,
 * without duplicates. `role_id`, platform and deployment entries grant no application roles.
 *
 * @param organizationId the organization of the key. No entry grants roles outside it, even if its `organization_id`
 *   names another organization.
 */
export function applicationRolesFor(
  assignments: RoleAssignments,
  organizationId: string,
  project: ProjectContext,
): ApplicationRoles {
  if (project.organizationId !== organizationId) return { ok: false, reason: 'other_organization' };
  const isOwn = (entry: { organization_id?: string | undefined }) =>
    entry.organization_id === undefined || entry.organization_id === organizationId;

  const organizationEntries = (assignments.organization ?? []).filter(isOwn);
  const ofType = projectEntries(assignments, project.projectType);
  const matching = ofType.filter((entry) => isOwn(entry) && covers(entry, project.projectId));

  const names = new Set(
    [...organizationEntries, ...matching].flatMap((entry) => entry.application_roles ?? []),
  );
  if (names.size > 0) return { ok: true, names: [...names] };

  // Every member has an organization entry. Its missing application roles are the reason only if the key has no project
  // entry at all; otherwise the reason is the missing entry for this project.
  const cloudApiOnly = organizationEntries.length > 0 && !hasProjectEntries(assignments);
  return {
    ok: false,
    reason: matching.length > 0 || cloudApiOnly ? 'no_application_roles' : 'no_assignment',
  };
}

function projectEntries(assignments: RoleAssignments, projectType: ProjectType): ProjectEntry[] {
  return Object.entries(assignments.project ?? {})
    .filter(([name]) => canonicalProjectType(name) === projectType)
    .flatMap(([, entries]) => entries);
}

function covers(entry: ProjectEntry, projectId: string): boolean {
  return entry.all || (entry.project_ids?.includes(projectId) ?? false);
}

function hasProjectEntries(assignments: RoleAssignments): boolean {
  return Object.values(assignments.project ?? {}).some((entries) => entries.length > 0);
}
