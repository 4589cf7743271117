import { PROJECT_TYPES } from '../../roles/project-type.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';

type ProjectEntry = NonNullable<RoleAssignments['project']>[string][number];

/**
 * What is left of assignments when they are limited to application roles on projects, which is what a granted key
 * gets: the same roles on the same projects, and no right in the Cloud API.
 *
 * An organization entry with application roles covers every project of every type; it becomes that, spelled out.
 */
export function applicationRolesOnly(assignments: RoleAssignments): RoleAssignments {
  const project: Record<string, ProjectEntry[]> = {};
  const add = (type: string, entry: ProjectEntry) => {
    if (!entry.application_roles?.length) return;
    project[type] = [...(project[type] ?? []), { ...entry, role_id: `${type}-application-only` }];
  };
  for (const entry of assignments.organization ?? []) {
    for (const type of PROJECT_TYPES) add(type, { ...entry, all: true });
  }
  for (const [type, entries] of Object.entries(assignments.project ?? {})) {
    for (const entry of entries) add(type, entry);
  }
  return { project };
}
