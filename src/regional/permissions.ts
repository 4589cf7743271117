import { type ResponseBudget, SLICE_BYTES } from '../http/response-budget.ts';
import type { Freshness } from '../keys/change-feed/freshness.ts';
import type { KeyRecord } from '../keys/key-record.ts';
import { RoleBudget, RolesTooLargeError } from '../keys/role-budget.ts';
import { type RoleOrigin, roleScopeId } from '../keys/role-store.ts';
import { BoundedCache } from '../lib/bounded-cache.ts';
import { Turns } from '../lib/turns.ts';
import { type ApplicationRoles, applicationRolesFor } from '../roles/application-roles.ts';
import type { AuthenticationRequest, RequestedContext } from './authentication-request.ts';
import { permissionDenied } from './denial.ts';
import { layOutPermissions, responseTooLarge } from './response-writer.ts';
import type { ResolvedContext, RoleResolver } from './role-resolver.ts';

/** What keys with the same assignments may do in the projects of a request. */
export interface Permissions {
  /** First part of the response, `layOutPermissions`. */
  readonly text: string;
  /** The text is valid while each of these is fresh. */
  readonly derivedFrom: readonly RoleOrigin[];
}

/** Maximum number of cached permissions. */
const MAX_ENTRIES = 20_000;
const QUOTES_AND_COMMA = 3;
/** More names are resolved in a turn of their own. */
const MANY_NAMES = 1_000;

/** Postgres writes a space after each comma and colon: at most a third of a descriptor, which a response omits. */
const STORED_PER_RESPONSE_BYTE = 1.5;

/** Bounds of long responses. */
export interface ResponseLimits {
  maxBytes: number;
  budget: ResponseBudget;
}

/**
 * Resolves the permissions of a key and caches them for all keys with the same assignments: an organization has many
 * keys and few sets of assignments. `Interner` makes equal assignments one object, `RequestReader` equal requests.
 * Only cached responses keep the texts in memory, and `ResponseCache` weighs them.
 */
export class PermissionsResolver {
  readonly #resolver: RoleResolver;
  readonly #limits: ResponseLimits;
  readonly #turns = new Turns();
  readonly #isFresh: (loaded: RoleOrigin) => boolean;
  readonly #numbers = new ObjectNumbers();
  readonly #cache = new BoundedCache<string, WeakRef<Permissions>>({ maxEntries: MAX_ENTRIES });

  constructor(resolver: RoleResolver, freshness: Freshness, limits: ResponseLimits) {
    this.#resolver = resolver;
    this.#limits = limits;
    this.#isFresh = (loaded) => !loaded.stale && freshness.judge(loaded.confirmedAtMs) === 'fresh';
  }

  /**
   * @throws {IamError} 403 when every requested context is denied, 400 if the text would be too long, 503 beyond the budget;
   *   errors of the store pass through
   */
  async resolve(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const cacheKey = `${this.#numbers.of(record.roleAssignments)} ${this.#numbers.of(request)}`;
    const cached = this.#cache.get(cacheKey)?.deref();
    if (cached?.derivedFrom.every(this.#isFresh)) return cached;
    const permissions = await this.#load(record, request);
    this.#cache.set(cacheKey, new WeakRef(permissions));
    return permissions;
  }

  async #load(record: KeyRecord, request: AuthenticationRequest): Promise<Permissions> {
    const resolved = await this.#resolveContexts(record, request);
    const denied = resolved.filter((one) => !one.granted);
    if (denied.length > 0 && denied.length === resolved.length) throw permissionDenied(denied);
    const { maxBytes, budget } = this.#limits;
    const layout = layOutPermissions(record, request, resolved, maxBytes);
    const derivedFrom = distinctRoles(resolved);
    if (layout.bytes <= SLICE_BYTES) return { text: layout.write(), derivedFrom };
    // Waiting texts count too, so that the budget bounds the wait. The service counts the whole body in the same turn.
    const release = budget.reserve(layout.bytes, record.organizationId);
    await this.#turns.next();
    release();
    return { text: layout.write(), derivedFrom };
  }

  /** Resolves equal contexts once: they get one object. */
  async #resolveContexts(
    record: KeyRecord,
    { contexts = [], includeRoleDescriptors }: AuthenticationRequest,
  ): Promise<ResolvedContext[]> {
    const { maxBytes } = this.#limits;
    const budget = new RoleBudget(
      includeRoleDescriptors ? maxBytes * STORED_PER_RESPONSE_BYTE : Number.POSITIVE_INFINITY,
    );
    const ids = contexts.map(roleScopeId);
    const distinct = new Map(contexts.map((context, index) => [ids[index], context]));
    const assigned = await this.#assignedRoles(record, [...distinct.values()]);
    const resolved = await Promise.all(
      [...distinct].map(async ([id, context], index) => {
        return [id, await this.#resolver.resolve(record, context, assigned[index], budget)] as const;
      }),
    ).catch((error: unknown) => {
      budget.close();
      throw error instanceof RolesTooLargeError ? responseTooLarge(maxBytes) : error;
    });
    const byId = new Map(resolved);
    return ids.map((id) => byId.get(id) as ResolvedContext);
  }

  /** @throws {IamError} 400 for more names than a response can contain: a key may have 100,000 in each project */
  async #assignedRoles(
    { roleAssignments, organizationId }: KeyRecord,
    contexts: readonly RequestedContext[],
  ): Promise<ApplicationRoles[]> {
    const { maxBytes } = this.#limits;
    const found: ApplicationRoles[] = [];
    let bytes = 0;
    for (const context of contexts) {
      const assigned = applicationRolesFor(roleAssignments, organizationId, context);
      found.push(assigned);
      if (!assigned.ok) continue;
      for (const name of assigned.names) bytes += name.length + QUOTES_AND_COMMA;
      if (bytes > maxBytes) throw responseTooLarge(maxBytes);
      if (assigned.names.length > MANY_NAMES) await this.#turns.next();
    }
    return found;
  }
}

/** Several contexts may share one set of role definitions. */
function distinctRoles(resolved: readonly ResolvedContext[]): readonly RoleOrigin[] {
  return [
    ...new Set(
      [...new Set(resolved)].flatMap((one) => one.derivedFrom.map((loaded) => loaded.origin ?? loaded)),
    ),
  ];
}

/** Gives each object a number of its own, which is a short cache key. */
class ObjectNumbers {
  readonly #numbers = new WeakMap<object, number>();
  #last = 0;

  of(object: object): number {
    const known = this.#numbers.get(object);
    if (known !== undefined) return known;
    this.#last += 1;
    this.#numbers.set(object, this.#last);
    return this.#last;
  }
}
