import type { ProjectType } from '../roles/project-type.ts';

/**
 * Role definitions by name, each as the JSON text of its descriptor: a descriptor is serialised when it is read and
 * then only ever copied into answers.
 */
export type RoleSet = ReadonlyMap<string, string>;

/** The scope of custom roles: a project of an organization. */
export interface RoleScope {
  organizationId: string;
  projectType: ProjectType;
  projectId: string;
}

/**
 * Where role definitions come from, as they are now. Throws `StoreUnavailableError` when the store cannot be asked.
 * A custom role whose stored descriptor is broken is left out of the set.
 */
export interface RoleStore {
  /** Roles that every project of the type has. */
  predefined(projectType: ProjectType): Promise<RoleSet>;
  /** Roles that this project alone has. */
  custom(scope: RoleScope): Promise<RoleSet>;
}
