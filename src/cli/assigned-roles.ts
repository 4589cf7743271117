import type { Project } from '../control-plane/roles/custom-roles.ts';
import { isPredefinedRole } from '../roles/predefined.ts';
import { canonicalProjectType } from '../roles/project-type.ts';
import type { RoleAssignments } from '../roles/role-assignments.ts';

/** A role that a key has on one project and that is not predefined. */
export interface AssignedRole {
  project: Project;
  name: string;
}

/** The custom roles of the entries that name projects. Whether a role exists on "all projects" has no single answer. */
function customRolesOf({ project = {} }: RoleAssignments): AssignedRole[] {
  return Object.entries(project).flatMap(([typeName, entries]) => {
    const projectType = canonicalProjectType(typeName);
    if (projectType === undefined) return [];
    return entries.flatMap(({ project_ids: ids = [], application_roles: roles = [] }) =>
      ids.flatMap((projectId) =>
        roles
          .filter((name) => !isPredefinedRole(projectType, name))
          .map((name) => ({ project: { projectType, projectId }, name })),
      ),
    );
  });
}

/**
 * The roles that do not exist on their projects.
 * @param rolesOf names of the custom roles of a project; `undefined` if the caller may not see them
 */
export async function missingRoles(
  assignments: RoleAssignments,
  rolesOf: (project: Project) => Promise<readonly string[] | undefined>,
): Promise<AssignedRole[]> {
  const known = new Map<string, readonly string[] | undefined>();
  const missing: AssignedRole[] = [];
  for (const role of customRolesOf(assignments)) {
    const id = `${role.project.projectType}:${role.project.projectId}`;
    if (!known.has(id)) known.set(id, await rolesOf(role.project));
    if (known.get(id)?.includes(role.name) === false) missing.push(role);
  }
  return missing;
}
