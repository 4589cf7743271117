/** How much a cache may hold, and for how long. */
export interface CacheLimits<Key, Value> {
  maxEntries: number;
  /** Most that all entries may weigh together. `of` answers the same for an entry whenever it is asked. */
  weight?: { max: number; of: (value: Value, key: Key) => number };
  /** How long an entry is found, by a clock that is never set (milliseconds); left out: it does not age. */
  ttlMs?: number;
  monotonicMs?: () => number;
  /** Told of each value that leaves the cache: pushed out by others, or replaced, deleted or too old. */
  onDrop?: (value: Value, why: 'evicted' | 'removed') => void;
}

/** In the list of entries: the place before the oldest and behind the newest. Its key and value are `undefined`. */
const ANCHOR = 0;
const FIRST_CAPACITY = 64;

/**
 * A map that forgets the least recently used entry when it is full. Its room grows with what is in it: a cache that may
 * hold a hundred thousand keys costs a start nothing, and an entry takes some 60 bytes beside its key and value.
 *
 * Entries have numbered slots, linked in the order of their last use.
 */
export class BoundedCache<Key, Value> {
  readonly #limits: CacheLimits<Key, Value>;
  readonly #slots = new Map<Key, number>();
  #keys: (Key | undefined)[] = [];
  #values: (Value | undefined)[] = [];
  /** Neighbours of each slot in the order of use; of a free slot, `#older` is the next free one. */
  #older = new Uint32Array(FIRST_CAPACITY);
  #newer = new Uint32Array(FIRST_CAPACITY);
  #free = ANCHOR;
  /** Slots that were ever taken, the anchor among them. */
  #taken = 1;
  #bornAtMs: Float64Array | undefined;
  #weight = 0;

  constructor(limits: CacheLimits<Key, Value>) {
    this.#limits = limits;
    if (limits.ttlMs !== undefined) this.#bornAtMs = new Float64Array(FIRST_CAPACITY);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The value, which is now the most recently used. */
  get(key: Key): Value | undefined {
    const slot = this.#find(key);
    if (slot !== ANCHOR && this.#newer[slot] !== ANCHOR) {
      this.#unlink(slot);
      this.#linkAsNewest(slot);
    }
    return this.#values[slot];
  }

  /** The value, which does not count as used. */
  peek(key: Key): Value | undefined {
    return this.#values[this.#find(key)];
  }

  /** Whether there is a value; it does not count as used. */
  has(key: Key): boolean {
    return this.#find(key) !== ANCHOR;
  }

  /** Puts a value in as the most recently used. One that alone weighs more than may be is not kept. */
  set(key: Key, value: Value): void {
    const { maxEntries, weight } = this.#limits;
    const replaced = this.#slots.get(key);
    if (replaced !== undefined) this.#drop(replaced, 'removed');
    const weighs = weight?.of(value, key) ?? 0;
    if (weight !== undefined) {
      if (weighs > weight.max) return;
      while (this.#weight + weighs > weight.max) this.#evict();
    }
    if (this.#slots.size >= maxEntries) this.#evict();
    const slot = this.#takeSlot();
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#weight += weighs;
    if (this.#bornAtMs !== undefined) this.#bornAtMs[slot] = this.#nowMs();
    this.#linkAsNewest(slot);
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
    this.#taken = 1;
    if (this.#bornAtMs !== undefined) this.#bornAtMs = new Float64Array(FIRST_CAPACITY);
    this.#weight = 0;
    for (const slot of slots) onDrop?.(values[slot] as Value, 'removed');
  }

  /** The slot of a key, `ANCHOR` when there is none. An entry that is too old leaves. */
  #find(key: Key): number {
    const slot = this.#slots.get(key);
    if (slot === undefined) return ANCHOR;
    const { ttlMs } = this.#limits;
    if (ttlMs === undefined || this.#nowMs() - (this.#bornAtMs?.[slot] as number) < ttlMs) return slot;
    this.#drop(slot, 'removed');
    return ANCHOR;
  }

  #nowMs(): number {
    return (this.#limits.monotonicMs ?? monotonicMs)();
  }

  #evict(): void {
    this.#drop(this.#newer[ANCHOR] as number, 'evicted');
  }

  #drop(slot: number, why: 'evicted' | 'removed'): void {
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
    onDrop?.(value, why);
  }

  #takeSlot(): number {
    const free = this.#free;
    if (free !== ANCHOR) {
      this.#free = this.#older[free] as number;
      return free;
    }
    if (this.#taken === this.#older.length) this.#grow();
    const slot = this.#taken;
    this.#taken += 1;
    return slot;
  }

  #grow(): void {
    const capacity = Math.min(2 * this.#older.length, this.#limits.maxEntries + 1);
    const grown = <T extends { set(from: T): void }>(room: T, old: T): T => {
      room.set(old);
      return room;
    };
    this.#older = grown(new Uint32Array(capacity), this.#older);
    this.#newer = grown(new Uint32Array(capacity), this.#newer);
    if (this.#bornAtMs !== undefined) this.#bornAtMs = grown(new Float64Array(capacity), this.#bornAtMs);
    // By themselves these would take half as much again whenever they are full.
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
