import { IamError } from '../../errors.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';

/**
 * Binds assignments to an organization. Adds the organization id where it is missing. Refuses the id of another organization,
 * and platform roles, because they apply to all organizations.
 * @throws {IamError} `root.permission_denied` naming the field
 */
export function withinOrganization(assignments: RoleAssignments, organizationId: string): RoleAssignments {
  const { platform = [], organization, deployment, project } = assignments;
  if (platform.length > 0) {
    throw denied('role_assignments.platform', 'an organization cannot assign platform roles');
  }
  const bind = <T extends { organization_id?: string | undefined }>(
    entries: readonly T[],
    place: string,
  ): T[] =>
    entries.map((entry, index) => {
      if (entry.organization_id !== undefined && entry.organization_id !== organizationId) {
        throw denied(
          `role_assignments.${place}[${index}].organization_id`,
          'a key can have permissions only in its own organization',
        );
      }
      return { ...entry, organization_id: organizationId };
    });
  return {
    ...(organization && { organization: bind(organization, 'organization') }),
    ...(deployment && { deployment: bind(deployment, 'deployment') }),
    ...(project && {
      project: Object.fromEntries(
        Object.entries(project).map(([type, entries]) => [type, bind(entries, `project.${type}`)]),
      ),
    }),
  };
}

function denied(field: string, message: string): IamError {
  return new IamError('PERMISSION_DENIED', { message: `${field}: ${message}`, fields: [field] });
}

/** Whether a key with these assignments is an owner of its organization. `OWNER` is the same rule in SQL. */
export function isOwner(assignments: RoleAssignments, organizationId: string): boolean {
  return (assignments.organization ?? []).some(
    (entry) =>
      entry.role_id === OWNER_ROLE_ID &&
      (entry.organization_id === undefined || entry.organization_id === organizationId),
  );
}

export const OWNER_ROLE_ID = 'organization-admin';

/** SQL condition: a row of `api_keys` is an owner key. It is false for a row that does not parse. */
export const OWNER = `coalesce(jsonb_path_exists(role_assignments,
  '$.organization[*] ? (@.role_id == "${OWNER_ROLE_ID}" && (!exists(@.organization_id) || @.organization_id == $organization))',
  jsonb_build_object('organization', organization_id), true), false)`;
