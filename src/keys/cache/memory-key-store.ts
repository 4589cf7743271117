import { BoundedCache } from '../../lib/bounded-cache.ts';
import { SingleFlight } from '../../lib/single-flight.ts';
import type { Change, ChangeListener } from '../change-feed/change.ts';
import type { Freshness } from '../change-feed/freshness.ts';
import type { RecentChanges } from '../change-feed/recent-changes.ts';
import type { KeyRecord } from '../key-record.ts';
import {
  type KeyQuery,
  type KeyStore,
  type LoadedKey,
  StoreUnavailableError,
  type Tier,
} from '../key-store.ts';
import { Interner } from './interner.ts';
import { policies } from './policies.ts';
import type { Revalidation } from './revalidation.ts';

/** Of a record and its hashes, beside the texts of its creator. */
const ENTRY_BYTES = 600;

/** Attempts to read a key that changes during each read. */
const MAX_FILL_ATTEMPTS = 3;

/** A cached record. `stale` becomes true for all its users when the cache drops the entry, for any reason. */
class Entry implements LoadedKey {
  readonly record: KeyRecord;
  confirmedAtMs: number;
  /** Why the cache dropped the entry; `undefined` while the cache holds it. */
  dropped: 'evicted' | 'changed' | undefined;
  readonly #changes: RecentChanges;
  readonly #generation: number;

  constructor(record: KeyRecord, confirmedAtMs: number, changes: RecentChanges) {
    this.record = record;
    this.confirmedAtMs = confirmedAtMs;
    this.#changes = changes;
    this.#generation = changes.generation;
  }

  get tier(): Tier {
    return 'memory';
  }
  get stale(): boolean {
    return this.dropped !== undefined;
  }
  /** The cache no longer invalidates an evicted entry, so the entry looks at the recent changes itself. */
  get superseded(): boolean {
    if (this.dropped === undefined) return false;
    const changes = this.#changes;
    return (
      this.dropped === 'changed' ||
      this.#generation !== changes.generation ||
      changes.keyVersion(this.record.id) > this.record.version
    );
  }
}

/** The entry as seen by the lookup that loaded it: with the tier and the verified hash of that lookup. */
class FilledEntry implements LoadedKey {
  readonly tier: Tier;
  readonly verifiedHash: string | undefined;
  readonly entry: Entry;

  constructor(entry: Entry, from: LoadedKey) {
    this.entry = entry;
    this.tier = from.tier;
    this.verifiedHash = from.verifiedHash;
  }

  get record(): KeyRecord {
    return this.entry.record;
  }
  get confirmedAtMs(): number {
    return this.entry.confirmedAtMs;
  }
  get superseded(): boolean {
    return this.entry.superseded;
  }
  get stale(): boolean {
    return this.entry.stale;
  }
}

/** Dependencies of the memory cache. */
export interface MemoryKeyStoreDeps {
  inner: KeyStore;
  freshness: Freshness;
  changes: RecentChanges;
  revalidation: Revalidation;
  now: () => number;
  maxEntries: number;
  /** Estimated size of all records. If unset, only `maxEntries` applies. */
  maxBytes?: number;
  /** Shares equal values between records. If unset, only within this store. */
  shared?: Interner;
}

/**
 * Caches key records in this process (L1), and for a short time the ids without a key. Not safe without a change feed:
 * the feed drops the entries of changed keys, and the store revalidates an entry only when `Freshness` requires it.
 *
 * Fence: the store keeps the result of a read only under these conditions; otherwise it reads again.
 * - No order to drop everything arrived during the read (`generation`).
 * - No recorded change that arrived since the start of the read is forgotten (`forgottenUntilMs`).
 * - A record: no newer version of the key is known, from before or during the read.
 * - An absent key: no change of the key arrived during the read.
 */
export class MemoryKeyStore implements KeyStore, ChangeListener {
  readonly #deps: MemoryKeyStoreDeps;
  readonly #entries: BoundedCache<string, Entry>;
  readonly #absentIds: BoundedCache<string, number>;
  readonly #flights = new SingleFlight<LoadedKey | undefined>();
  readonly #interner: Interner;
  /** Number of evicted entries, for metrics. */
  evictions = 0;

  constructor(deps: MemoryKeyStoreDeps) {
    this.#deps = deps;
    this.#interner = deps.shared ?? new Interner(policies.sharedTexts.maxEntries);
    this.#entries = new BoundedCache({
      maxEntries: deps.maxEntries,
      weight: {
        max: deps.maxBytes ?? Number.POSITIVE_INFINITY,
        of: ({ record: { description, createdBy } }) =>
          ENTRY_BYTES + 2 * (description.length + createdBy.length),
        sharedPart: ({ record: { roleAssignments } }) => ({
          object: roleAssignments,
          weight: this.#interner.bytesOf(roleAssignments),
        }),
      },
      ownerOf: ({ record }) => record.organizationId,
      onDrop: (entry, why) => {
        // Cached responses may still refer to the entry, which no longer receives invalidations.
        entry.dropped = why === 'evicted' ? 'evicted' : 'changed';
        if (why === 'evicted') this.evictions += 1;
      },
    });
    this.#absentIds = new BoundedCache(policies.absentKey);
  }

  /** Whether memory has an entry for the id, including a negative one, fresh or not. */
  has(id: string): boolean {
    return this.#entries.has(id) || this.#absentIds.has(id);
  }

  get size(): number {
    return this.#entries.size;
  }

  async get(query: KeyQuery): Promise<LoadedKey | undefined> {
    const { freshness } = this.#deps;
    const entry = this.#entries.get(query.id);
    if (entry !== undefined) {
      const usable = freshness.judge(entry.confirmedAtMs) === 'fresh' || (await this.#revalidate(entry));
      if (usable) return entry;
    }
    const absentSinceMs = this.#absentIds.get(query.id);
    if (absentSinceMs !== undefined && freshness.judge(absentSinceMs) === 'fresh') return undefined;
    return await this.#flights.run(query.digest, () => this.#fill(query));
  }

  apply(change: Change): void {
    if (change.entity === 'everything' || change.entity === 'history') {
      this.#entries.clear();
      this.#absentIds.clear();
    } else if (change.entity === 'key') {
      this.#absentIds.delete(change.id);
      const entry = this.#entries.peek(change.id);
      if (entry !== undefined && entry.record.version < change.version) this.#entries.delete(change.id);
    }
  }

  /** Whether the entry may be used. Drops a superseded entry. */
  async #revalidate(entry: Entry): Promise<boolean> {
    const checked = await this.#deps.revalidation.check(entry);
    if (checked.result === 'confirmed') entry.confirmedAtMs = Math.max(entry.confirmedAtMs, checked.atMs);
    if (checked.result === 'superseded' && this.#entries.peek(entry.record.id) === entry) {
      this.#entries.delete(entry.record.id);
    }
    return checked.result !== 'superseded' && !entry.stale;
  }

  async #fill(query: KeyQuery): Promise<LoadedKey | undefined> {
    const { inner, changes } = this.#deps;
    for (let attempt = 0; attempt < MAX_FILL_ATTEMPTS; attempt += 1) {
      const requestedAtMs = this.#deps.now();
      const seenBefore = changes.keyVersion(query.id);
      const generation = changes.generation;
      const loaded = await inner.get(query);
      if (generation !== changes.generation || requestedAtMs <= changes.forgottenUntilMs) continue;
      if (loaded === undefined) {
        if (changes.keyVersion(query.id) !== seenBefore) continue;
        this.#absentIds.set(query.id, requestedAtMs);
        return undefined;
      }
      if (changes.keyVersion(query.id) > loaded.record.version) continue;
      return new FilledEntry(this.#store(loaded), loaded);
    }
    throw new StoreUnavailableError('A replica behind the change feed');
  }

  #store(loaded: LoadedKey): Entry {
    const { id, version } = loaded.record;
    const existing = this.#entries.peek(id);
    if (existing !== undefined && existing.record.version >= version) {
      existing.confirmedAtMs = Math.max(existing.confirmedAtMs, loaded.confirmedAtMs);
      return existing;
    }
    const entry = new Entry(this.#interner.record(loaded.record), loaded.confirmedAtMs, this.#deps.changes);
    this.#entries.set(id, entry);
    return entry;
  }
}
