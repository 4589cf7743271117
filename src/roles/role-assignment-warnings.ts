import { isPredefinedRole } from './predefined.ts';
import { canonicalProjectType, PROJECT_TYPES, type ProjectType } from './project-type.ts';
import type { RoleAssignments } from './role-assignments.ts';
import { isKnownRoleId } from './role-ids.ts';
import { jsonPath, quoted } from './violation.ts';

/**
 * What in new assignments has no effect today, one sentence each. The names may be right: a custom role may be made
 * later, and Elastic may know more role ids. Every project type has to be a known one.
 */
export function roleAssignmentWarnings(assignments: RoleAssignments): string[] {
  const { platform = [], organization = [], deployment = [], project = {} } = assignments;
  const onAnyType = (name: string) => PROJECT_TYPES.some((type) => isPredefinedRole(type, name));
  return [
    ...platform.flatMap((item, at) => aboutRoleId(['platform', at], item.role_id)),
    ...organization.flatMap((item, at) => aboutEntry(['organization', at], item, onAnyType)),
    ...deployment.flatMap((item, at) => aboutRoleId(['deployment', at], item.role_id)),
    ...Object.entries(project).flatMap(([name, entries]) => {
      const type = canonicalProjectType(name) as ProjectType;
      return entries.flatMap((item, at) =>
        aboutEntry(['project', name, at], item, (role) => isPredefinedRole(type, role)),
      );
    }),
  ];
}

function aboutEntry(
  path: PropertyKey[],
  item: { role_id: string; application_roles?: string[] | undefined },
  isPredefined: (name: string) => boolean,
): string[] {
  const roles = (item.application_roles ?? []).flatMap((name, at) => {
    if (isPredefined(name)) return [];
    const place = jsonPath([...path, 'application_roles', at]);
    return [
      `${place}: ${quoted(name)} is not predefined; it grants nothing until a custom role of that name exists`,
    ];
  });
  return [...aboutRoleId(path, item.role_id), ...roles];
}

function aboutRoleId(path: PropertyKey[], roleId: string): string[] {
  if (isKnownRoleId(roleId)) return [];
  return [`${jsonPath([...path, 'role_id'])}: ${quoted(roleId)} is not a known role id; it has no effect`];
}
