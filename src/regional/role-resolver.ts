import type { KeyRecord } from '../keys/key-record.ts';
import type { RoleBudget } from '../keys/role-budget.ts';
import { type LoadedRoles, predefinedScope, type RoleStore } from '../keys/role-store.ts';
import { applicationRolesFor } from '../roles/application-roles.ts';
import type { RequestedContext } from './authentication-request.ts';

/** Why a context is denied. */
export type DenialReason = 'other_organization' | 'no_assignment' | 'no_application_roles' | 'no_such_roles';

/** What a key may do in one project. */
export type ResolvedContext =
  | {
      granted: true;
      context: RequestedContext;
      /** Valid until one of these role definitions is stale. */
      derivedFrom: readonly LoadedRoles[];
      /** Roles that exist in the project, in the order of assignment. */
      roles: readonly { name: string; descriptorJson: string }[];
      /** Assigned role names that do not exist in the project. */
      unresolved: readonly string[];
    }
  | {
      granted: false;
      context: RequestedContext;
      derivedFrom: readonly LoadedRoles[];
      reason: DenialReason;
      unresolved: readonly string[];
    };

/** Resolves role assignments to role descriptors with the current definitions of the store. */
export class RoleResolver {
  readonly #roles: RoleStore;

  constructor(roles: RoleStore) {
    this.#roles = roles;
  }

  /**
   * @param budget bounds the custom roles that the request reads
   * @throws `StoreUnavailableError` when the definitions cannot be read, `RolesTooLargeError` beyond the budget
   */
  async resolve(
    record: KeyRecord,
    context: RequestedContext,
    assigned = applicationRolesFor(record.roleAssignments, record.organizationId, context),
    budget?: RoleBudget,
  ): Promise<ResolvedContext> {
    if (!assigned.ok)
      return { granted: false, context, derivedFrom: [], reason: assigned.reason, unresolved: [] };

    const predefined = await this.#roles.get(predefinedScope(context.projectType));
    const needsCustom = assigned.names.some((name) => !predefined.roles.has(name));
    const derivedFrom = needsCustom
      ? [predefined, await this.#roles.get(context, assigned.names, budget)]
      : [predefined];

    const roles: { name: string; descriptorJson: string }[] = [];
    const unresolved: string[] = [];
    for (const name of assigned.names) {
      const descriptorJson = derivedFrom
        .map((loaded) => loaded.roles.get(name))
        .find((found) => found !== undefined);
      if (descriptorJson === undefined) unresolved.push(name);
      else roles.push({ name, descriptorJson });
    }
    if (roles.length === 0)
      return { granted: false, context, derivedFrom, reason: 'no_such_roles', unresolved };
    return { granted: true, context, derivedFrom, roles, unresolved };
  }
}
