import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import type { LoadedRoles } from '../keys/role-store.ts';
import type { RoleAssignments } from '../roles/role-assignments.ts';
import type { AuthenticationRequest } from './authentication-request.ts';
import { permissionDenied } from './denial.ts';
import { writePermissions } from './response-writer.ts';
import type { ResolvedContext, RoleResolver } from './role-resolver.ts';

/** What keys with the same assignments may do in the projects of a request. */
export interface Permissions {
  /** First part of the response, `writePermissions`. */
  text: string;
  /** The text is valid while each of these is fresh. */
  derivedFrom: readonly LoadedRoles[];
}

/**
 * Resolves the permissions of a key and caches them for all keys with the same assignments: an organization has many
 * keys and few sets of assignments. `Interner` makes equal assignments one object, `RequestReader` equal requests.
 * Both are WeakMap keys, so entries are collected with them.
 */
export class PermissionsResolver {
  readonly #resolver: RoleResolver;
  readonly #isFresh: (loaded: LoadedRoles) => boolean;
  readonly #cache = new WeakMap<RoleAssignments, WeakMap<AuthenticationRequest, Permissions>>();

  constructor(resolver: RoleResolver, freshness: Freshness) {
    this.#resolver = resolver;
    this.#isFresh = (loaded) => !loaded.stale && freshness.judge(loaded.confirmedAtMs) === 'fresh';
  }

  /** @throws {IamError} 403 when every requested context is denied; errors of the store pass through */
  async resolve(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const cached = this.#cache.get(record.roleAssignments)?.get(request);
    if (cached?.derivedFrom.every(this.#isFresh)) return cached;
    const permissions = await this.#load(record, request);
    const byRequest = this.#cache.get(record.roleAssignments) ?? new WeakMap();
    this.#cache.set(record.roleAssignments, byRequest.set(request, permissions));
    return permissions;
  }

  async #load(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const resolved = await Promise.all(
      (request.contexts ?? []).map((context) => this.#resolver.resolve(record, context)),
    );
    const granted = resolved.filter((one) => one.granted);
    const denied = resolved.filter((one) => !one.granted);
    if (denied.length > 0 && granted.length === 0) throw permissionDenied(denied);
    return {
      text: writePermissions(record, request, granted, denied),
      derivedFrom: distinctRoles(resolved),
    };
  }
}

/** Several contexts may share one set of role definitions. */
function distinctRoles(resolved: readonly ResolvedContext[]): readonly LoadedRoles[] {
  return [...new Set(resolved.flatMap((one) => one.derivedFrom))];
}
