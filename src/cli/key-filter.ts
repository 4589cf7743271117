import type { KeyView } from '../control-plane/keys/key-view.ts';
import { applicationRolesFor } from '../roles/application-roles.ts';
import { parseProject } from './project-flag.ts';

/** Flags of `keys list` that the CLI applies itself. */
export interface KeyFilterFlags {
  project?: string;
  role?: string;
  creator?: string;
  text?: string;
}

/** @returns `undefined` without flags @throws {UsageError} if a flag does not parse */
export function keyFilter({
  project,
  role,
  creator,
  text,
}: KeyFilterFlags): ((key: KeyView) => boolean) | undefined {
  if ([project, role, creator, text].every((flag) => flag === undefined)) return undefined;
  const context = project === undefined ? undefined : parseProject(project);
  const needle = text?.toLowerCase();
  return (key) =>
    (context === undefined || reaches(key, context)) &&
    (role === undefined || rolesOf(key).includes(role)) &&
    (creator === undefined || key.user_id === creator) &&
    (needle === undefined || `${key.id}\n${key.description}`.toLowerCase().includes(needle));
}

/** Whether the key has a role on the project, by the rules of the regions. */
function reaches(key: KeyView, project: ReturnType<typeof parseProject>): boolean {
  const context = { ...project, organizationId: key.organization_id };
  return applicationRolesFor(key.role_assignments, key.organization_id, context).ok;
}

function rolesOf({
  role_assignments: { platform = [], organization = [], deployment = [], project = {} },
}: KeyView) {
  const entries = [...organization, ...deployment, ...Object.values(project).flat()];
  return [
    ...[...platform, ...entries].map(({ role_id: id }) => id),
    ...entries.flatMap(({ application_roles: roles = [] }) => roles),
  ];
}
