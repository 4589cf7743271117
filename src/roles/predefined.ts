import file from './predefined/roles.json' with { type: 'json' };
import { type PredefinedRole, type PredefinedSet, parsePredefinedSet } from './predefined-set.ts';
import type { ProjectType } from './project-type.ts';

/** The set of this release. `iam roles load` can replace it in the database. Callers must not change these objects. */
export const predefinedSet: PredefinedSet = readRelease();

/** The roles of the release, as Elastic publishes them. */
export const predefinedRoles: readonly PredefinedRole[] = predefinedSet.roles;

const names: ReadonlySet<string> = new Set(predefinedRoles.map((role) => `${role.projectType}/${role.name}`));

export function isPredefinedRole(projectType: ProjectType, name: string): boolean {
  return names.has(`${projectType}/${name}`);
}

function readRelease(): PredefinedSet {
  const parsed = parsePredefinedSet(file);
  if (!parsed.ok) throw new Error(`The predefined roles are invalid: ${JSON.stringify(parsed.violations)}`);
  return parsed.set;
}
