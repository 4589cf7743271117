import { IamError } from '../../errors.ts';
import type { RoleAssignments } from '../../roles/role-assignments.ts';

/**
 * Binds assignments to the organization that gives them: the id is filled in where it was left out, another
 * organization's is refused, and so are platform roles, which reach beyond every organization.
 * @throws {IamError} `root.permission_denied` naming the field
 */
export function withinOrganization(assignments: RoleAssignments, organizationId: string): RoleAssignments {
  const { platform = [], organization, deployment, project } = assignments;
  if (platform.length > 0) {
    throw denied('role_assignments.platform', 'platform roles are not an organization’s to give');
  }
  const bind = <T extends { organization_id?: string | undefined }>(
    entries: readonly T[],
    place: string,
  ): T[] =>
    entries.map((entry, index) => {
      if (entry.organization_id !== undefined && entry.organization_id !== organizationId) {
        throw denied(
          `role_assignments.${place}[${index}].organization_id`,
          'a key can be given permissions in its own organization only',
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

/** Whether a key with these assignments owns its organization. The SQL of `OWNER` says the same of a row. */
export function isOwner(assignments: RoleAssignments, organizationId: string): boolean {
  return (assignments.organization ?? []).some(
    (entry) =>
      entry.role_id === OWNER_ROLE_ID &&
      (entry.organization_id === undefined || entry.organization_id === organizationId),
  );
}

/** The role id that makes a key an owner's. */
export const OWNER_ROLE_ID = 'organization-admin';

/** SQL: whether a row of `api_keys` is an owner's; a row that does not parse is none. */
export const OWNER = `coalesce(jsonb_path_exists(role_assignments,
  '$.organization[*] ? (@.role_id == "${OWNER_ROLE_ID}" && (!exists(@.organization_id) || @.organization_id == $organization))',
  jsonb_build_object('organization', organization_id), true), false)`;
