import { isPredefinedRole } from './predefined.ts';
import { canonicalProjectType, PROJECT_TYPES, type ProjectType } from './project-type.ts';
import type { RoleAssignments } from './role-assignments.ts';
import { isKnownRoleId } from './role-ids.ts';
import { jsonPath, quoted } from './violation.ts';

/**
 * Returns one sentence for each name that has no effect today. Such a name may be valid: a custom role may be created
 * later, and Elastic may add role ids. All project types must be known.
 */
export function roleAssignmentWarnings(assignments: RoleAssignments): string[] {
  const { platform = [], organization = [], deployment = [], project = {} } = assignments;
  const onAnyType = (name: string) => PROJECT_TYPES.some((type) => isPredefinedRole(type, name));
  return [
    ...platform.flatMap((item, at) => roleIdWarnings(['platform', at], item.role_id)),
    ...organization.flatMap((item, at) => entryWarnings(['organization', at], item, onAnyType)),
    ...deployment.flatMap((item, at) => roleIdWarnings(['deployment', at], item.role_id)),
    ...Object.entries(project).flatMap(([name, entries]) => {
      const type = canonicalProjectType(name) as ProjectType;
      return entries.flatMap((item, at) =>
        entryWarnings(['project', name, at], item, (role) => isPredefinedRole(type, role)),
      );
    }),
  ];
}

function entryWarnings(
  path: PropertyKey[],
  item: { role_id: string; application_roles?: string[] | undefined },
  isPredefined: (name: string) => boolean,
): string[] {
  const roles = (item.application_roles ?? []).flatMap((name, at) => {
    if (isPredefined(name)) return [];
    const place = jsonPath([...path, 'application_roles', at]);
    return [
      `${place}: ${quoted(name)} is not a predefined role; it grants nothing until a custom role with this name exists`,
    ];
  });
  return [...roleIdWarnings(path, item.role_id), ...roles];
}

function roleIdWarnings(path: PropertyKey[], roleId: string): string[] {
  if (isKnownRoleId(roleId)) return [];
  return [`${jsonPath([...path, 'role_id'])}: ${quoted(roleId)} is not a known role id; it has no effect`];
}
