import type { KeyRecord } from '../keys/key-record.ts';
import { type LoadedRoles, predefinedScope, type RoleStore } from '../keys/role-store.ts';
import { applicationRolesFor } from '../roles/application-roles.ts';
import type { RequestedContext } from './authentication-request.ts';

/** Why a context is refused. */
export type DenialReason = 'other_organization' | 'no_assignment' | 'no_application_roles' | 'no_such_roles';

/** What a key may do in one project. */
export type ResolvedContext =
  | {
      granted: true;
      context: RequestedContext;
      /** The role definitions this was resolved with; it holds until one of them is stale. */
      basis: readonly LoadedRoles[];
      /** Roles that exist, in the order of assignment: name and descriptor JSON. */
      roles: readonly { name: string; descriptorJson: string }[];
      /** Names that were assigned and that this project does not have. */
      unresolved: readonly string[];
    }
  | {
      granted: false;
      context: RequestedContext;
      basis: readonly LoadedRoles[];
      reason: DenialReason;
      unresolved: readonly string[];
    };

/** Turns role assignments into role descriptors, with the definitions that the store has now. */
export class RoleResolver {
  readonly #roles: RoleStore;

  constructor(roles: RoleStore) {
    this.#roles = roles;
  }

  /** @throws `StoreUnavailableError` when the definitions cannot be read */
  async resolve(record: KeyRecord, context: RequestedContext): Promise<ResolvedContext> {
    const asked = applicationRolesFor(record.roleAssignments, record.organizationId, context);
    if (!asked.ok) return { granted: false, context, basis: [], reason: asked.reason, unresolved: [] };

    const predefined = await this.#roles.get(predefinedScope(context.projectType));
    const needsCustom = asked.names.some((name) => !predefined.roles.has(name));
    const basis = needsCustom ? [predefined, await this.#roles.get(context)] : [predefined];

    const roles: { name: string; descriptorJson: string }[] = [];
    const unresolved: string[] = [];
    for (const name of asked.names) {
      const descriptorJson = basis
        .map((loaded) => loaded.roles.get(name))
        .find((found) => found !== undefined);
      if (descriptorJson === undefined) unresolved.push(name);
      else roles.push({ name, descriptorJson });
    }
    if (roles.length === 0) return { granted: false, context, basis, reason: 'no_such_roles', unresolved };
    return { granted: true, context, basis, roles, unresolved };
  }
}
