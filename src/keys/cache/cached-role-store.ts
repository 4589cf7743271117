import { BoundedCache } from '../../lib/bounded-cache.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Change, ChangeListener } from '../change-feed/change.ts';
import type { Freshness } from '../change-feed/freshness.ts';
import type { RecentChanges } from '../change-feed/recent-changes.ts';
import { StoreUnavailableError } from '../key-store.ts';
import {
  type LoadedRoles,
  type RoleScope,
  type RoleSet,
  type RoleStore,
  roleScopeId,
} from '../role-store.ts';
import { type Fences, noFences } from './fences.ts';
import { policies } from './policies.ts';

const MAX_FILL_ATTEMPTS = 3;

class Entry implements LoadedRoles {
  readonly scopeId: string;
  readonly roles: RoleSet;
  readonly confirmedAtMs: number;
  stale = false;

  constructor(loaded: LoadedRoles) {
    this.scopeId = loaded.scopeId;
    this.roles = loaded.roles;
    this.confirmedAtMs = loaded.confirmedAtMs;
  }
}

/**
 * Caches role definitions in this process (L1), by scope, including scopes without roles. Not safe without a change
 * feed that invalidates it.
 *
 * Fence: the store keeps the result of a read only under these conditions; otherwise it reads again.
 * - No order to drop everything arrived during the read (`generation`).
 * - No change of the scope arrived during the read (`rolesMark`; versions of one scope may commit out of order).
 * - No recorded change that arrived since the start of the read is forgotten (`forgottenUntilMs`).
 */
export class CachedRoleStore implements RoleStore, ChangeListener {
  readonly #inner: RoleStore;
  readonly #freshness: Freshness;
  readonly #changes: RecentChanges;
  readonly #fences: Fences;
  readonly #entries: BoundedCache<string, Entry>;
  readonly #flights = new SingleFlight<LoadedRoles>();

  constructor(inner: RoleStore, freshness: Freshness, changes: RecentChanges, fences: Fences = noFences) {
    this.#inner = inner;
    this.#freshness = freshness;
    this.#changes = changes;
    this.#fences = fences;
    this.#entries = new BoundedCache({
      ...policies.roles,
      onDrop: (entry) => {
        entry.stale = true;
      },
    });
  }

  async get(scope: RoleScope): Promise<LoadedRoles> {
    const id = roleScopeId(scope);
    const entry = this.#entries.get(id);
    if (entry !== undefined && this.#freshness.judge(entry.confirmedAtMs) === 'fresh') return entry;
    try {
      return await this.#flights.run(id, () => this.#fill(id, scope));
    } catch (error) {
      const usable =
        error instanceof StoreUnavailableError && entry !== undefined && (await this.#isUsable(entry));
      if (usable) return entry;
      throw error;
    }
  }

  /** Whether an entry that Postgres cannot confirm may be used. Drops an entry that is behind its fence. */
  async #isUsable(entry: Entry): Promise<boolean> {
    if (entry.stale || this.#freshness.judge(entry.confirmedAtMs) === 'expired') return false;
    const { scopeId, confirmedAtMs } = entry;
    const superseded = await this.#fences.supersede({
      scopes: [scopeId],
      confirmedAtMs: this.#freshness.validAtMs(confirmedAtMs),
    });
    if (superseded && this.#entries.peek(scopeId) === entry) this.#entries.delete(scopeId);
    return !superseded && !entry.stale;
  }

  apply(change: Change): void {
    if (change.entity === 'everything' || change.entity === 'history') this.#entries.clear();
    else if (change.entity === 'roles') this.#entries.delete(change.id);
  }

  async #fill(id: string, scope: RoleScope): Promise<LoadedRoles> {
    const changes = this.#changes;
    for (let attempt = 0; attempt < MAX_FILL_ATTEMPTS; attempt += 1) {
      const { generation } = changes;
      const markBefore = changes.rolesMark(id);
      const loaded = await this.#inner.get(scope);
      if (generation !== changes.generation || changes.rolesMark(id) !== markBefore) continue;
      if (loaded.confirmedAtMs <= changes.forgottenUntilMs) continue;
      const entry = new Entry(loaded);
      this.#entries.set(id, entry);
      return entry;
    }
    throw new StoreUnavailableError('A project with continuous role changes');
  }
}
