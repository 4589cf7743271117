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

/** A key may change this often while it is read before the reader gives up. */
const MAX_FILL_ATTEMPTS = 3;

/** A record in the cache. Whoever holds it sees `stale` turn true when the key changes or the entry is dropped. */
class Entry implements LoadedKey {
  readonly record: KeyRecord;
  confirmedAtMs: number;
  /** Why the entry is in the cache no more. */
  dropped: 'evicted' | 'changed' | undefined;
  readonly #changes: RecentChanges;

  constructor(record: KeyRecord, confirmedAtMs: number, changes: RecentChanges) {
    this.record = record;
    this.confirmedAtMs = confirmedAtMs;
    this.#changes = changes;
  }

  get tier(): Tier {
    return 'memory';
  }
  get stale(): boolean {
    return this.dropped !== undefined;
  }
  /** Of changes after its eviction the entry was not told. */
  get superseded(): boolean {
    if (this.dropped === undefined) return false;
    return this.dropped === 'changed' || this.#changes.keyVersion(this.record.id) > this.record.version;
  }
}

/** An entry in the hand of the request that filled it: says where it came from, and follows the entry otherwise. */
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

/** What the memory cache stands on. */
export interface MemoryKeyStoreDeps {
  inner: KeyStore;
  freshness: Freshness;
  changes: RecentChanges;
  revalidation: Revalidation;
  now: () => number;
  maxEntries: number;
  /** Parts that records have in common; left out: of this store alone. */
  shared?: Interner;
}

/**
 * Key records in this process (L1). Not safe without a change feed that it listens to: entries are dropped when the
 * feed says so, and only while the feed is not whole are they checked.
 *
 * Fence: what was read is stored only if no newer version was seen since the read began; otherwise it is read again.
 */
export class MemoryKeyStore implements KeyStore, ChangeListener {
  readonly #deps: MemoryKeyStoreDeps;
  readonly #entries: BoundedCache<string, Entry>;
  readonly #absent: BoundedCache<string, number>;
  readonly #flights = new SingleFlight<LoadedKey | undefined>();
  readonly #shared: Interner;
  /** Entries that were pushed out by others, for metrics. */
  evictions = 0;

  constructor(deps: MemoryKeyStoreDeps) {
    this.#deps = deps;
    this.#shared = deps.shared ?? new Interner(policies.sharedTexts.maxEntries);
    this.#entries = new BoundedCache({
      maxEntries: deps.maxEntries,
      onDrop: (entry, why) => {
        // Answers may still point at the entry, and nothing will tell them of changes any more.
        entry.dropped = why === 'evicted' ? 'evicted' : 'changed';
        if (why === 'evicted') this.evictions += 1;
      },
    });
    this.#absent = new BoundedCache(policies.absentKey);
  }

  /** Whether there is anything of a key in memory, be it that there is none, and whatever it is worth. */
  knows(id: string): boolean {
    return this.#entries.has(id) || this.#absent.has(id);
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
    const absentSinceMs = this.#absent.get(query.id);
    if (absentSinceMs !== undefined && freshness.judge(absentSinceMs) === 'fresh') return undefined;
    return await this.#flights.run(query.digest, () => this.#fill(query));
  }

  apply(change: Change): void {
    if (change.entity === 'everything') {
      this.#entries.clear();
      this.#absent.clear();
    } else if (change.entity === 'key') {
      this.#absent.delete(change.id);
      const entry = this.#entries.peek(change.id);
      if (entry !== undefined && entry.record.version < change.version) this.#entries.delete(change.id);
    }
  }

  /** Whether the entry may be used; one that is out of date is dropped. */
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
        this.#absent.set(query.id, requestedAtMs);
        return undefined;
      }
      if (changes.keyVersion(query.id) > loaded.record.version) continue;
      return new FilledEntry(this.#store(loaded), loaded);
    }
    throw new StoreUnavailableError('A replica that is behind the change feed');
  }

  #store(loaded: LoadedKey): Entry {
    const { id, version } = loaded.record;
    const existing = this.#entries.peek(id);
    if (existing !== undefined && existing.record.version >= version) {
      existing.confirmedAtMs = Math.max(existing.confirmedAtMs, loaded.confirmedAtMs);
      return existing;
    }
    const entry = new Entry(this.#shared.record(loaded.record), loaded.confirmedAtMs, this.#deps.changes);
    this.#entries.set(id, entry);
    return entry;
  }
}
