import { predefinedRoles } from './predefined.ts';
import type { ProjectType } from './project-type.ts';

/** Elasticsearch's limit for the name of a native role. */
const MAX_ROLE_NAME_CHARS = 507;
const ALLOWED = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Returns why a custom role on projects of this type cannot have the name; `undefined` if it can. */
export function checkRoleName(name: string, projectType: ProjectType): string | undefined {
  if (name === '') return 'The role name must not be empty.';
  if (name.length > MAX_ROLE_NAME_CHARS) {
    return `The role name must have at most ${MAX_ROLE_NAME_CHARS} characters.`;
  }
  if (!ALLOWED.test(name)) {
    return 'The role name must start with a letter or digit and use only letters, digits, "_", "-" and ".".';
  }
  // Names that differ only by case would be confused.
  const predefined = predefinedRoles.find(
    (role) => role.projectType === projectType && role.name.toLowerCase() === name.toLowerCase(),
  );
  if (predefined !== undefined) {
    return `"${predefined.name}" is a predefined role of ${projectType} projects: choose another name for a custom role.`;
  }
  return undefined;
}
