import type { ProjectType } from '../roles/project-type.ts';
import type { RoleBudget } from './role-budget.ts';

/**
 * Role definitions by name, each as the JSON text of its descriptor, in ASCII. Reading serialises a descriptor once;
 * responses copy the text.
 */
export type RoleSet = ReadonlyMap<string, string>;

/** Where role definitions come from, without the definitions: what derives from them keeps only this. */
export interface RoleOrigin {
  /** `roleScopeId` of the scope. */
  readonly scopeId: string;
  /** When the query started; milliseconds since the epoch. */
  readonly confirmedAtMs: number;
  /** A definition of the scope has changed, or the cache entry was dropped. */
  readonly stale: boolean;
}

/** Loaded role definitions of a scope: all of them, or those that were asked for. */
export interface LoadedRoles extends RoleOrigin {
  readonly roles: RoleSet;
  /** The same origin as an object without the definitions, if it is one. */
  readonly origin?: RoleOrigin;
}

/** The scope of custom roles: a project of an organization. */
export interface RoleScope {
  organizationId: string;
  projectType: ProjectType;
  projectId: string;
}

/** Id of a scope in the change feed and in caches, equal to the output of Postgres' `json_build_array`. */
export function roleScopeId({ organizationId, projectType, projectId }: RoleScope): string {
  return `[${JSON.stringify(organizationId)}, ${JSON.stringify(projectType)}, ${JSON.stringify(projectId)}]`;
}

/** The scope of predefined roles: every project of a type. */
export function predefinedScope(projectType: ProjectType): RoleScope {
  return { organizationId: '', projectType, projectId: '' };
}

/**
 * Source of role definitions. Throws `StoreUnavailableError` if the store does not respond. Omits a custom role whose
 * stored descriptor does not parse.
 */
export interface RoleStore {
  /**
   * @param names of the roles that are read, if they exist; every role of the scope if unset
   * @param budget of the request; the read rejects with `RolesTooLargeError` if it is exceeded
   */
  get(scope: RoleScope, names?: readonly string[], budget?: RoleBudget): Promise<LoadedRoles>;
}
