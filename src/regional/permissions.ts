import type { KeyRecord } from '../keys/key-record.ts';
import type { LoadedRoles } from '../keys/role-store.ts';
import type { RoleAssignments } from '../roles/role-assignments.ts';
import type { AuthenticationRequest } from './authentication-request.ts';
import { nothingGranted } from './denial.ts';
import { writePermissions } from './response-body.ts';
import type { ResolvedContext, RoleResolver } from './role-resolver.ts';

/** What keys with the same assignments may do in the projects of a request. */
export interface Permissions {
  /** First part of the answer, `writePermissions`. */
  text: string;
  /** The role definitions it follows from; it holds while they are current. */
  basis: readonly LoadedRoles[];
}

/**
 * Resolves the permissions of a key and remembers them for every other key with the same assignments: an organization has
 * many keys and few ways in which it assigns roles. Records share their assignments when they are equal (`Interner`),
 * and requests with equal bodies are one object (`RequestReader`), so both serve as names and go with their last user.
 */
export class PermissionsResolver {
  readonly #resolver: RoleResolver;
  readonly #isCurrent: (loaded: LoadedRoles) => boolean;
  readonly #known = new WeakMap<RoleAssignments, WeakMap<AuthenticationRequest, Permissions>>();

  /** @param isCurrent whether role definitions may still be used as they are */
  constructor(resolver: RoleResolver, isCurrent: (loaded: LoadedRoles) => boolean) {
    this.#resolver = resolver;
    this.#isCurrent = isCurrent;
  }

  /** @throws {IamError} 403 when none of the contexts is granted; errors of the store pass through */
  async of(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const known = this.#known.get(record.roleAssignments)?.get(request);
    if (known?.basis.every(this.#isCurrent)) return known;
    const permissions = await this.#resolve(record, request);
    const ofAssignments = this.#known.get(record.roleAssignments) ?? new WeakMap();
    this.#known.set(record.roleAssignments, ofAssignments.set(request, permissions));
    return permissions;
  }

  async #resolve(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const resolved = await Promise.all(
      (request.contexts ?? []).map((context) => this.#resolver.resolve(record, context)),
    );
    const granted = resolved.filter((one) => one.granted);
    const denied = resolved.filter((one) => !one.granted);
    if (denied.length > 0 && granted.length === 0) throw nothingGranted(denied);
    return { text: writePermissions(record, request, granted, denied), basis: basisOf(resolved) };
  }
}

/** Each set of role definitions once, however many contexts share it. */
function basisOf(resolved: readonly ResolvedContext[]): readonly LoadedRoles[] {
  return [...new Set(resolved.flatMap((one) => one.basis))];
}
