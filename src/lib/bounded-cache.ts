/** Bounds of a cache in entries, weight and time. */
export interface CacheLimits<Key, Value> {
  maxEntries: number;
  /** Limit of the total weight. `of` must always return the same weight for an entry. */
  weight?: { max: number; of: (value: Value, key: Key) => number };
  /** Time to live of an entry, by a monotonic clock; without it, entries do not expire. */
  ttlMs?: number;
  monotonicMs?: () => number;
  /** Called for each value that leaves: `evicted` to make space, or `removed` (replaced, deleted or expired). */
  onDrop?: (value: Value, reason: 'evicted' | 'removed') => void;
}

/** Sentinel of the linked list: before the oldest entry and behind the newest. Its key and value are `undefined`. */
const ANCHOR = 0;
const FIRST_CAPACITY = 64;

/**
 * A map that evicts the least recently used entry when it is full. It allocates memory as it grows, so a large limit
 * costs nothing at start. An entry takes about 60 bytes beside its key and value.
 *
 * Entries have numbered slots, linked in the order of their last use.
 */
export class BoundedCache<Key, Value> {
  readonly #limits: CacheLimits<Key, Value>;
  readonly #slots = new Map<Key, number>();
  #keys: (Key | undefined)[] = [];
  #values: (Value | undefined)[] = [];
  /** Neighbors of each slot in the order of use. For a free slot, `#older` is the next free slot. */
  #older = new Uint32Array(FIRST_CAPACITY);
  #newer = new Uint32Array(FIRST_CAPACITY);
  #free = ANCHOR;
  /** Number of slots ever used, including the anchor. */
  #usedSlots = 1;
  #insertedAtMs: Float64Array | undefined;
  #weight = 0;

  constructor(limits: CacheLimits<Key, Value>) {
    this.#limits = limits;
    if (limits.ttlMs !== undefined) this.#insertedAtMs = new Float64Array(FIRST_CAPACITY);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Returns the value and marks it as the most recently used. */
  get(key: Key): Value | undefined {
    const slot = this.#find(key);
    if (slot !== ANCHOR && this.#newer[slot] !== ANCHOR) {
      this.#unlink(slot);
      this.#linkAsNewest(slot);
    }
    return this.#values[slot];
  }

  /** Returns the value without marking it as used. */
  peek(key: Key): Value | undefined {
    return this.#values[this.#find(key)];
  }

  /** Whether the key has a value; does not mark it as used. */
  has(key: Key): boolean {
    return this.#find(key) !== ANCHOR;
  }

  /** Stores a value as the most recently used. A value heavier than the whole limit is not stored. */
  set(key: Key, value: Value): void {
    const { maxEntries, weight } = this.#limits;
    const replaced = this.#slots.get(key);
    if (replaced !== undefined) this.#drop(replaced, 'removed');
    const entryWeight = weight?.of(value, key) ?? 0;
    if (weight !== undefined) {
      if (entryWeight > weight.max) return;
      while (this.#weight + entryWeight > weight.max) this.#evict();
    }
    if (this.#slots.size >= maxEntries) this.#evict();
    const slot = this.#takeSlot();
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#weight += entryWeight;
    if (this.#insertedAtMs !== undefined) this.#insertedAtMs[slot] = this.#nowMs();
    this.#linkAsNewest(slot);
  }

  /** The most recently used entries, at most `limit`, the least recently used of them first. */
  newest(limit: number): [key: Key, value: Value][] {
    const found: [Key, Value][] = [];
    let slot = this.#older[ANCHOR] as number;
    for (; slot !== ANCHOR && found.length < limit; slot = this.#older[slot] as number) {
      if (!this.#isExpired(slot)) found.push([this.#keys[slot] as Key, this.#values[slot] as Value]);
    }
    return found.reverse();
  }

  delete(key: Key): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#drop(slot, 'removed');
  }

  clear(): void {
    const { onDrop } = this.#limits;
    const values = this.#values;
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    this.#keys = [];
    this.#values = [];
    this.#older = new Uint32Array(FIRST_CAPACITY);
    this.#newer = new Uint32Array(FIRST_CAPACITY);
    this.#free = ANCHOR;
    this.#usedSlots = 1;
    if (this.#insertedAtMs !== undefined) this.#insertedAtMs = new Float64Array(FIRST_CAPACITY);
    this.#weight = 0;
    for (const slot of slots) onDrop?.(values[slot] as Value, 'removed');
  }

  /** Returns the slot of a key, or `ANCHOR`. Removes an expired entry. */
  #find(key: Key): number {
    const slot = this.#slots.get(key);
    if (slot === undefined) return ANCHOR;
    if (!this.#isExpired(slot)) return slot;
    this.#drop(slot, 'removed');
    return ANCHOR;
  }

  #isExpired(slot: number): boolean {
    const { ttlMs } = this.#limits;
    return ttlMs !== undefined && this.#nowMs() - (this.#insertedAtMs?.[slot] as number) >= ttlMs;
  }

  #nowMs(): number {
    return (this.#limits.monotonicMs ?? monotonicMs)();
  }

  #evict(): void {
    this.#drop(this.#newer[ANCHOR] as number, 'evicted');
  }

  #drop(slot: number, reason: 'evicted' | 'removed'): void {
    const { weight, onDrop } = this.#limits;
    const key = this.#keys[slot] as Key;
    const value = this.#values[slot] as Value;
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#values[slot] = undefined;
    this.#weight -= weight?.of(value, key) ?? 0;
    this.#unlink(slot);
    this.#older[slot] = this.#free;
    this.#free = slot;
    onDrop?.(value, reason);
  }

  #takeSlot(): number {
    const free = this.#free;
    if (free !== ANCHOR) {
      this.#free = this.#older[free] as number;
      return free;
    }
    if (this.#usedSlots === this.#older.length) this.#grow();
    const slot = this.#usedSlots;
    this.#usedSlots += 1;
    return slot;
  }

  #grow(): void {
    const capacity = Math.min(2 * this.#older.length, this.#limits.maxEntries + 1);
    const copyInto = <T extends { set(from: T): void }>(larger: T, old: T): T => {
      larger.set(old);
      return larger;
    };
    this.#older = copyInto(new Uint32Array(capacity), this.#older);
    this.#newer = copyInto(new Uint32Array(capacity), this.#newer);
    if (this.#insertedAtMs !== undefined)
      this.#insertedAtMs = copyInto(new Float64Array(capacity), this.#insertedAtMs);
    // Without an explicit length, V8 over-allocates a growing array by half.
    this.#keys.length = capacity;
    this.#values.length = capacity;
  }

  #linkAsNewest(slot: number): void {
    const newest = this.#older[ANCHOR] as number;
    this.#older[slot] = newest;
    this.#newer[slot] = ANCHOR;
    this.#newer[newest] = slot;
    this.#older[ANCHOR] = slot;
  }

  #unlink(slot: number): void {
    const older = this.#older[slot] as number;
    const newer = this.#newer[slot] as number;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }
}

function monotonicMs(): number {
  return performance.now();
}
