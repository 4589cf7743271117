import { canonicalProjectType, PROJECT_TYPES, type ProjectType } from '../roles/project-type.ts';
import { UsageError } from './command-failure.ts';
import { oneOf } from './option-values.ts';

/** Reads `type:id` of `--project`. @throws {UsageError} */
export function parseProject(text: string): { projectType: ProjectType; projectId: string } {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon === text.length - 1) {
    throw new UsageError(
      `--project must be type:id, such as elasticsearch:my-project, not ${JSON.stringify(text)}.`,
    );
  }
  return {
    projectType: parseProjectType('--project', text.slice(0, colon)),
    projectId: text.slice(colon + 1),
  };
}

/** @param option for the error @throws {UsageError} for a type that does not exist */
export function parseProjectType(option: string, name: string): ProjectType {
  return (
    canonicalProjectType(name) ?? (oneOf(`The project type in ${option}`, name, PROJECT_TYPES) as ProjectType)
  );
}
