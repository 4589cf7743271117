import { hash } from 'node:crypto';
import { BoundedCache } from '../../lib/bounded-cache.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Change, ChangeListener } from '../change-feed/change.ts';
import type { Freshness } from '../change-feed/freshness.ts';
import type { RecentChanges } from '../change-feed/recent-changes.ts';
import { StoreUnavailableError } from '../key-store.ts';
import { type RoleBudget, RolesTooLargeError } from '../role-budget.ts';
import {
  type LoadedRoles,
  type RoleScope,
  type RoleSet,
  type RoleStore,
  roleScopeId,
} from '../role-store.ts';
import { type Fences, noFences } from './fences.ts';
import { policies } from './policies.ts';

/** Overtaken reads that are discarded. The next one that is short serves. */
const MAX_REPEATS = 2;
/** Duration of a read that may be overtaken: far within the bound of the freshness contract. */
const SHORT_READ_MS = 50;
const MAX_FILL_ATTEMPTS = 5;

/** Approximate size of an entry, and of a role in it, beside its texts. */
const ENTRY_BYTES = 600;
const ROLE_BYTES = 150;

class Entry implements LoadedRoles {
  readonly cacheKey: string;
  readonly organizationId: string;
  readonly roles: RoleSet;
  readonly origin: { scopeId: string; confirmedAtMs: number; stale: boolean };

  constructor(cacheKey: string, organizationId: string, { scopeId, roles, confirmedAtMs }: LoadedRoles) {
    this.cacheKey = cacheKey;
    this.organizationId = organizationId;
    this.roles = roles;
    this.origin = { scopeId, confirmedAtMs, stale: false };
  }

  get scopeId(): string {
    return this.origin.scopeId;
  }
  get confirmedAtMs(): number {
    return this.origin.confirmedAtMs;
  }
  get stale(): boolean {
    return this.origin.stale;
  }
  get bytes(): number {
    let bytes = ENTRY_BYTES;
    for (const [name, descriptor] of this.roles) bytes += ROLE_BYTES + 2 * name.length + descriptor.length;
    return bytes;
  }
}

/**
 * Caches role definitions in this process (L1), by scope and requested names, including those without roles. Not safe without a change
 * feed that invalidates it.
 *
 * Fence: the store keeps the result of a read only under these conditions; otherwise it reads again.
 * - No order to drop everything arrived during the read (`generation`).
 * - No change of the scope arrived during the read (`rolesMark`; versions of one scope may commit out of order).
 * - No recorded change that arrived since the start of the read is forgotten (`forgottenUntilMs`).
 *
 * A region that catches up applies many changes of one scope in a moment, and each read would be overtaken. So after `MAX_REPEATS` a
 * short read serves the callers that wait for it, and is not kept.
 */
export class CachedRoleStore implements RoleStore, ChangeListener {
  readonly #inner: RoleStore;
  readonly #freshness: Freshness;
  readonly #changes: RecentChanges;
  readonly #fences: Fences;
  readonly #entries: BoundedCache<string, Entry>;
  /** Keys of the entries of each scope. */
  readonly #keysOfScope = new Map<string, Set<string>>();
  readonly #flights = new SingleFlight<LoadedRoles>();

  /** @param maxBytes estimated size of all entries */
  constructor(
    inner: RoleStore,
    freshness: Freshness,
    changes: RecentChanges,
    maxBytes: number,
    fences: Fences = noFences,
  ) {
    this.#inner = inner;
    this.#freshness = freshness;
    this.#changes = changes;
    this.#fences = fences;
    this.#entries = new BoundedCache({
      ...policies.roles,
      weight: { max: maxBytes, of: ({ bytes }) => bytes },
      ownerOf: ({ organizationId }) => organizationId,
      onDrop: (entry) => {
        entry.origin.stale = true;
        this.#forget(entry);
      },
    });
  }

  async get(scope: RoleScope, names?: readonly string[], budget?: RoleBudget): Promise<LoadedRoles> {
    const cacheKey = cacheKeyOf(scope, names);
    const entry = this.#entries.get(cacheKey);
    if (entry !== undefined && this.#freshness.judge(entry.confirmedAtMs) === 'fresh') return entry;
    try {
      return await this.#flights.run(cacheKey, () => this.#fill(cacheKey, scope, names, budget));
    } catch (error) {
      // The limit of another request, whose read this one shared.
      if (error instanceof RolesTooLargeError && error.budget !== budget)
        return await this.get(scope, names, budget);
      const usable =
        error instanceof StoreUnavailableError && entry !== undefined && (await this.#isUsable(entry));
      if (usable) return entry;
      throw error;
    }
  }

  /** Whether an entry that Postgres cannot confirm may be used. Drops an entry that is behind its fence. */
  async #isUsable(entry: Entry): Promise<boolean> {
    if (entry.stale || this.#freshness.judge(entry.confirmedAtMs) === 'expired') return false;
    const { scopeId, cacheKey, confirmedAtMs } = entry;
    const superseded = await this.#fences.supersede({
      scopes: [scopeId],
      confirmedAtMs: this.#freshness.validAtMs(confirmedAtMs),
    });
    if (superseded && this.#entries.peek(cacheKey) === entry) this.#entries.delete(cacheKey);
    return !superseded && !entry.stale;
  }

  apply(change: Change): void {
    if (change.entity === 'everything' || change.entity === 'history') this.#entries.clear();
    else if (change.entity === 'roles') {
      for (const cacheKey of this.#keysOfScope.get(change.id) ?? []) this.#entries.delete(cacheKey);
    }
  }

  #store(entry: Entry): void {
    this.#entries.set(entry.cacheKey, entry);
    // Entries above the whole limit are not kept. They are stale at once: no change would reach them.
    if (this.#entries.peek(entry.cacheKey) !== entry) {
      entry.origin.stale = true;
      return;
    }
    const keys = this.#keysOfScope.get(entry.scopeId) ?? new Set();
    this.#keysOfScope.set(entry.scopeId, keys.add(entry.cacheKey));
  }

  #forget({ scopeId, cacheKey }: Entry): void {
    const keys = this.#keysOfScope.get(scopeId);
    keys?.delete(cacheKey);
    if (keys?.size === 0) this.#keysOfScope.delete(scopeId);
  }

  async #fill(
    cacheKey: string,
    scope: RoleScope,
    names?: readonly string[],
    budget?: RoleBudget,
  ): Promise<LoadedRoles> {
    const changes = this.#changes;
    const id = roleScopeId(scope);
    for (let attempt = 0; attempt < MAX_FILL_ATTEMPTS; attempt += 1) {
      const { generation } = changes;
      const markBefore = changes.rolesMark(id);
      const startedAtMs = performance.now();
      const loaded = await this.#inner.get(scope, names, budget);
      if (generation !== changes.generation) continue;
      const overtaken =
        changes.rolesMark(id) !== markBefore || loaded.confirmedAtMs <= changes.forgottenUntilMs;
      const isShort = performance.now() - startedAtMs <= SHORT_READ_MS;
      if (overtaken && (attempt < MAX_REPEATS || !isShort)) continue;
      const entry = new Entry(cacheKey, scope.organizationId, loaded);
      if (overtaken) entry.origin.stale = true;
      else this.#store(entry);
      return entry;
    }
    throw new StoreUnavailableError('A project with continuous role changes');
  }
}

/** A digest, since a key may have many roles. Names from JSON may contain any character, so they are written as JSON. */
function cacheKeyOf(scope: RoleScope, names: readonly string[] | undefined): string {
  const text = `${roleScopeId(scope)}${names === undefined ? '' : JSON.stringify(names)}`;
  return hash('sha256', text, 'binary');
}
