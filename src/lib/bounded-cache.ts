/** How entries are weighed. The functions must always return the same for an entry. */
interface Weight<Key, Value> {
  max: number;
  of: (value: Value, key: Key) => number;
  /** An object that several values refer to; its weight is counted once. */
  sharedPart?: (value: Value) => SharedPart;
}

interface SharedPart {
  object: object;
  weight: number;
}

interface Share {
  entries: number;
  weight: number;
}

/** Bounds of a cache in entries, weight and time. */
export interface CacheLimits<Key, Value> {
  maxEntries: number;
  /** Limit of the total weight. */
  weight?: Weight<Key, Value>;
  /** Who uses an entry. One owner has at most half of the space while others need it. */
  ownerOf?: (value: Value) => string;
  /** Time to live of an entry, by a monotonic clock; without it, entries do not expire. */
  ttlMs?: number;
  monotonicMs?: () => number;
  /** Called for each value that leaves: `evicted` to make space, or `removed` (replaced, deleted or expired). */
  onDrop?: (value: Value, reason: 'evicted' | 'removed') => void;
}

/** Sentinel of the linked list: before the oldest entry and behind the newest. Its key and value are `undefined`. */
const ANCHOR = 0;
const UNITS = ['entries', 'weight'] as const;
const FIRST_CAPACITY = 64;

/**
 * A map that evicts the least recently used entry when it is full. It allocates memory as it grows, so a large limit
 * costs nothing at start. An entry takes about 60 bytes beside its key and value.
 *
 * Entries have numbered slots, linked in the order of their last use. If an owner has half of the space or more, its
 * oldest entry is evicted: older entries of others are moved to the newest, so that the next search does not meet them.
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
  readonly #uses = new Map<object, number>();
  readonly #shares = new Map<string, Share>();
  /** The owner with half or more of the entries, and of the weight. */
  #largest: Record<keyof Share, string | undefined> = { entries: undefined, weight: undefined };

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
    if (weight !== undefined) {
      if (weight.of(value, key) + (weight.sharedPart?.(value).weight ?? 0) > weight.max) return;
      while (this.#weight + this.#addedBy(value, key) > weight.max) this.#evict('weight');
    }
    if (this.#slots.size >= maxEntries) this.#evict('entries');
    const slot = this.#takeSlot();
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#count(value, key, 1);
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
    this.#uses.clear();
    this.#shares.clear();
    this.#largest = { entries: undefined, weight: undefined };
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

  #evict(lacking: keyof Share): void {
    const { ownerOf } = this.#limits;
    const owner = this.#largest[lacking];
    let slot = this.#newer[ANCHOR] as number;
    while (owner !== undefined && ownerOf?.(this.#values[slot] as Value) !== owner) {
      this.#unlink(slot);
      this.#linkAsNewest(slot);
      slot = this.#newer[ANCHOR] as number;
    }
    this.#drop(slot, 'evicted');
  }

  /** The weight of a value that is not stored yet. */
  #addedBy(value: Value, key: Key): number {
    const { weight } = this.#limits;
    if (weight === undefined) return 0;
    const part = weight.sharedPart?.(value);
    return weight.of(value, key) + (part === undefined || this.#uses.has(part.object) ? 0 : part.weight);
  }

  /** Counts a value that is stored (1) or dropped (-1). */
  #count(value: Value, key: Key, sign: 1 | -1): void {
    const { weight, ownerOf } = this.#limits;
    const part = weight?.sharedPart?.(value).object;
    const uses = part === undefined ? 0 : (this.#uses.get(part) ?? 0);
    // Before a store, and after a drop, the part counts if no other value refers to it.
    if (part !== undefined && sign < 0) {
      if (uses === 1) this.#uses.delete(part);
      else this.#uses.set(part, uses - 1);
    }
    const added = sign * this.#addedBy(value, key);
    if (part !== undefined && sign > 0) this.#uses.set(part, uses + 1);
    this.#weight += added;
    if (ownerOf !== undefined) this.#countShare(ownerOf(value), sign, added);
  }

  #countShare(owner: string, entries: number, weight: number): void {
    const share = this.#shares.get(owner) ?? { entries: 0, weight: 0 };
    share.entries += entries;
    share.weight += weight;
    if (share.entries === 0) this.#shares.delete(owner);
    else this.#shares.set(owner, share);
    const limits: Share = { entries: this.#limits.maxEntries, weight: this.#limits.weight?.max ?? 0 };
    for (const unit of UNITS) {
      if (share[unit] >= limits[unit] / 2) this.#largest[unit] = owner;
      else if (this.#largest[unit] === owner) this.#largest[unit] = undefined;
    }
  }

  #drop(slot: number, reason: 'evicted' | 'removed'): void {
    const { onDrop } = this.#limits;
    const key = this.#keys[slot] as Key;
    const value = this.#values[slot] as Value;
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#values[slot] = undefined;
    this.#count(value, key, -1);
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
