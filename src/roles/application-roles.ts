import { canonicalProjectType, type ProjectType } from './project-type.ts';
import type { RoleAssignments } from './role-assignments.ts';

/** The project a caller asks about, and the organization that owns it. */
export interface ProjectContext {
  projectId: string;
  projectType: ProjectType;
  organizationId: string;
}

/** The names a key asks for on a project; whether roles of these names exist there is decided elsewhere. */
export type AskedRoles =
  | { ok: true; names: readonly string[] }
  | { ok: false; reason: 'other_organization' | 'no_assignment' | 'no_application_roles' };

type ProjectEntry = NonNullable<RoleAssignments['project']>[string][number];

/**
 * Which application roles the assignments give on one project: the union over every entry that covers it, organization
 * entries first, without repeats. `role_id`, platform and deployment entries give none.
 *
 * @param organizationId the key's own organization. No entry reaches beyond it, whatever `organization_id` the entry
 *   names and whoever wrote it.
 */
export function applicationRolesFor(
  assignments: RoleAssignments,
  organizationId: string,
  project: ProjectContext,
): AskedRoles {
  if (project.organizationId !== organizationId) return { ok: false, reason: 'other_organization' };
  const isOwn = (entry: { organization_id?: string | undefined }) =>
    entry.organization_id === undefined || entry.organization_id === organizationId;

  const wide = (assignments.organization ?? []).filter(isOwn);
  const ofType = projectEntries(assignments, project.projectType);
  const narrow = ofType.filter((entry) => isOwn(entry) && covers(entry, project.projectId));

  const names = new Set([...wide, ...narrow].flatMap((entry) => entry.application_roles ?? []));
  if (names.size > 0) return { ok: true, names: [...names] };

  // An organization entry without application roles (each member has one) only explains the refusal of a key that
  // was given no project at all. Otherwise what is missing is an entry for this project.
  const cloudApiOnly = wide.length > 0 && !hasProjectEntries(assignments);
  return { ok: false, reason: narrow.length > 0 || cloudApiOnly ? 'no_application_roles' : 'no_assignment' };
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
