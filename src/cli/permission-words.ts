import type { RoleAssignments } from '../roles/role-assignments.ts';

/** Describes role assignments, one line for each entry that has an effect, such as `viewer on elasticsearch:shop`. */
export function permissionWords(assignments: RoleAssignments): string[] {
  const { platform = [], organization = [], deployment = [], project = {} } = assignments;
  const lines = [
    ...platform.map(({ role_id: role }) => `${role} on the platform`),
    ...organization.map(({ role_id: role, application_roles: roles = [] }) =>
      [
        `${role} in the organization`,
        ...(roles.length > 0 ? [`${roles.join(', ')} on all projects`] : []),
      ].join(', '),
    ),
    ...deployment.map(
      ({ role_id: role, all, deployment_ids: ids = [] }) =>
        `${role} on ${all ? 'all deployments' : `deployments ${ids.join(', ')}`}`,
    ),
    ...Object.entries(project).flatMap(([type, entries]) =>
      entries.map(({ role_id: roleId, application_roles: roles = [], all, project_ids: ids = [] }) => {
        // A role id alone is for the cloud's own API.
        const names = roles.length > 0 ? roles.join(', ') : `${roleId} (no data)`;
        return `${names} on ${all ? `all ${type} projects` : ids.map((id) => `${type}:${id}`).join(', ')}`;
      }),
    ),
  ];
  return lines.length > 0 ? lines : ['none'];
}
