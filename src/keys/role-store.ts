import type { ProjectType } from '../roles/project-type.ts';

/**
 * Role definitions by name, each as the JSON text of its descriptor: a descriptor is serialised when it is read and
 * then only ever copied into answers.
 */
export type RoleSet = ReadonlyMap<string, string>;

/** Role definitions in somebody's hand. */
export interface LoadedRoles {
  /** `roleScopeId` of where they are defined. */
  readonly scopeId: string;
  readonly roles: RoleSet;
  /** When Postgres was asked; milliseconds since the epoch. */
  readonly confirmedAtMs: number;
  /** A definition of the scope has changed since. */
  readonly stale: boolean;
}

/** The scope of custom roles: a project of an organization. */
export interface RoleScope {
  organizationId: string;
  projectType: ProjectType;
  projectId: string;
}

/** Name of a scope in the change feed and in caches; equal to what Postgres' `json_build_array` writes. */
export function roleScopeId({ organizationId, projectType, projectId }: RoleScope): string {
  return `[${JSON.stringify(organizationId)}, ${JSON.stringify(projectType)}, ${JSON.stringify(projectId)}]`;
}

/** The scope of predefined roles: every project of a type. */
export function predefinedScope(projectType: ProjectType): RoleScope {
  return { organizationId: '', projectType, projectId: '' };
}

/**
 * Where role definitions come from, as they are now. Throws `StoreUnavailableError` when the store cannot be asked.
 * A custom role whose stored descriptor is broken is left out of the set.
 */
export interface RoleStore {
  get(scope: RoleScope): Promise<LoadedRoles>;
}
