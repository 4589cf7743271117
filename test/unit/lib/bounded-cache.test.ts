import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedCache, type CacheLimits } from '../../../src/lib/bounded-cache.ts';

/** A cache that records each value that leaves it. */
function cache(limits: Partial<CacheLimits<string, string>> = {}) {
  const dropped: string[] = [];
  const bounded = new BoundedCache<string, string>({
    maxEntries: 3,
    onDrop: (value, reason) => dropped.push(`${value} ${reason}`),
    ...limits,
  });
  return { bounded, dropped };
}

describe('BoundedCache', () => {
  it('evicts the least recently used entry and reports it', () => {
    const { bounded, dropped } = cache();
    for (const key of ['a', 'b', 'c']) bounded.set(key, key.toUpperCase());
    expect(bounded.get('a')).toBe('A');
    expect(bounded.peek('b')).toBe('B');
    expect(bounded.has('b')).toBe(true);
    bounded.set('d', 'D');
    expect(dropped).toEqual(['B evicted']);
    expect(['a', 'b', 'c', 'd'].map((key) => bounded.get(key))).toEqual(['A', undefined, 'C', 'D']);
    expect(bounded.size).toBe(3);
  });

  it('lists the most recently used entries that have not expired, the newest last', () => {
    let nowMs = 0;
    const { bounded } = cache({ ttlMs: 10, monotonicMs: () => nowMs });
    expect(bounded.newest(3)).toEqual([]);
    for (const key of ['a', 'b', 'c']) {
      nowMs += 4;
      bounded.set(key, key.toUpperCase());
    }
    bounded.get('b');
    expect(bounded.newest(9).map(([key]) => key)).toEqual(['a', 'c', 'b']);
    expect(bounded.newest(2)).toEqual([
      ['c', 'C'],
      ['b', 'B'],
    ]);
    nowMs = 14;
    expect(bounded.newest(3).map(([key]) => key)).toEqual(['c', 'b']);
  });

  it('reports each value that is replaced, deleted or cleared', () => {
    const { bounded, dropped } = cache();
    bounded.set('a', '1');
    bounded.set('a', '2');
    bounded.delete('a');
    bounded.delete('a');
    bounded.set('b', '3');
    bounded.clear();
    expect(dropped).toEqual(['1 removed', '2 removed', '3 removed']);
    expect(bounded.size).toBe(0);
    expect(bounded.get('b')).toBeUndefined();
  });

  it('expires an entry exactly at its ttl, even if it is in use', () => {
    let nowMs = 1_000;
    const { bounded, dropped } = cache({ ttlMs: 100, monotonicMs: () => nowMs });
    bounded.set('a', 'A');
    nowMs += 99;
    expect(bounded.get('a')).toBe('A');
    nowMs += 1;
    expect(bounded.has('a')).toBe(false);
    expect(dropped).toEqual(['A removed']);
    bounded.set('a', 'B');
    nowMs += 99;
    expect(bounded.peek('a')).toBe('B');
  });

  it('keeps the total weight within its limit and refuses a value above it', () => {
    const { bounded, dropped } = cache({
      maxEntries: 100,
      weight: { max: 10, of: (value) => value.length },
    });
    bounded.set('a', 'aaaa');
    bounded.set('b', 'bbbb');
    bounded.set('c', 'ccc');
    expect(dropped).toEqual(['aaaa evicted']);
    bounded.set('b', 'x'.repeat(11));
    expect(bounded.has('b')).toBe(false);
    expect(bounded.has('c')).toBe(true);
    bounded.set('d', 'd'.repeat(10));
    expect(bounded.size).toBe(1);
  });

  it('behaves like a simple model for any sequence of operations', () => {
    const often = (weight: number, what: 'set' | 'get' | 'delete' | 'wait' | 'clear') => ({
      arbitrary: fc.constant(what),
      weight,
    });
    // Mostly `set`, so that the cache exceeds its initial capacity.
    const step = fc.record({
      do: fc.oneof(
        often(30, 'set'),
        often(4, 'get'),
        often(3, 'delete'),
        often(2, 'wait'),
        often(1, 'clear'),
      ),
      key: fc.integer({ min: 0, max: 120 }),
      amount: fc.integer({ min: 1, max: 9 }),
    });
    const steps = fc.array(step, { maxLength: 400 });
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom(1, 7, 80, 1_000),
        fc.constantFrom(30, 400),
        (all, maxEntries, max) => {
          let nowMs = 0;
          const bounded = new BoundedCache<number, number>({
            maxEntries,
            weight: { max, of: (value) => value },
            ttlMs: 50,
            monotonicMs: () => nowMs,
          });
          const model = new Model({ maxEntries, maxWeight: max, ttlMs: 50 });
          for (const { do: what, key, amount } of all) {
            if (what === 'wait') nowMs += amount;
            if (what === 'get') expect(bounded.get(key)).toBe(model.get(key, nowMs));
            if (what === 'set') {
              bounded.set(key, amount);
              model.set(key, amount, nowMs);
            }
            if (what === 'delete') {
              bounded.delete(key);
              model.delete(key);
            }
            if (what === 'clear') {
              bounded.clear();
              model.clear();
            }
            expect(bounded.size).toBe(model.size);
          }
          for (let each = 0; each <= 120; each += 1) expect(bounded.peek(each)).toBe(model.get(each, nowMs));
        },
      ),
    );
  });
});

/** The simplest implementation of the same rules: a list of entries in the order of their last use. */
class Model {
  readonly #limits: { maxEntries: number; maxWeight: number; ttlMs: number };
  #entries: { key: number; value: number; insertedAtMs: number }[] = [];

  constructor(limits: { maxEntries: number; maxWeight: number; ttlMs: number }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.length;
  }

  get(key: number, nowMs: number): number | undefined {
    const entry = this.#entries.find((one) => one.key === key);
    this.delete(key);
    if (entry === undefined || nowMs - entry.insertedAtMs >= this.#limits.ttlMs) return undefined;
    this.#entries.push(entry);
    return entry.value;
  }

  set(key: number, value: number, nowMs: number): void {
    const { maxEntries, maxWeight } = this.#limits;
    this.delete(key);
    if (value > maxWeight) return;
    this.#entries.push({ key, value, insertedAtMs: nowMs });
    const weight = () => this.#entries.reduce((sum, one) => sum + one.value, 0);
    while (this.#entries.length > maxEntries || weight() > maxWeight) this.#entries.shift();
  }

  delete(key: number): void {
    this.#entries = this.#entries.filter((one) => one.key !== key);
  }

  clear(): void {
    this.#entries = [];
  }
}

describe('a weighed cache with shared parts', () => {
  interface Item {
    own: number;
    part: object;
  }
  const PART = 10;
  const cacheOf = (max: number, dropped: unknown[] = []) =>
    new BoundedCache<string, Item>({
      maxEntries: 1_000,
      weight: { max, of: ({ own }) => own, sharedPart: ({ part }) => ({ object: part, weight: PART }) },
      onDrop: (value) => dropped.push(value),
    });

  it('counts a part once while any value refers to it', () => {
    const dropped: unknown[] = [];
    const cache = cacheOf(PART + 3, dropped);
    const part = {};
    for (const key of ['a', 'b', 'c']) cache.set(key, { own: 1, part });
    expect(cache.size).toBe(3);
    cache.delete('b');
    cache.set('a', { own: 2, part });
    expect(cache.size).toBe(2);
    cache.set('d', { own: 1, part: {} });
    expect([...'abcd'].filter((key) => cache.has(key))).toEqual(['d']);
    cache.clear();
    for (const key of ['a', 'b', 'c']) cache.set(key, { own: 1, part });
    expect(cache.size).toBe(3);
  });

  it('does not store a value that is too heavy with its part', () => {
    const cache = cacheOf(PART);
    cache.set('a', { own: 1, part: {} });
    expect(cache.size).toBe(0);
  });
});

describe('a cache with owners', () => {
  interface Item {
    owner: string;
    weight: number;
  }
  const cacheOf = (maxEntries: number, max: number) =>
    new BoundedCache<string, Item>({
      maxEntries,
      weight: { max, of: ({ weight }) => weight },
      ownerOf: ({ owner }) => owner,
    });
  const fill = (cache: BoundedCache<string, Item>, owner: string, count: number, weight = 1) => {
    for (let index = 0; index < count; index += 1) cache.set(`${owner}${index}`, { owner, weight });
  };
  const left = (cache: BoundedCache<string, Item>, owner: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${owner}${index}`).filter((key) => cache.has(key)).length;

  it.each([
    ['entries', 100, 1_000_000],
    ['weight', 1_000_000, 100],
  ])('a flood of one owner takes its own %s only', (_unit, maxEntries, max) => {
    const cache = cacheOf(maxEntries, max);
    fill(cache, 'victim', 50);
    fill(cache, 'flood', 10_000);
    expect(left(cache, 'victim', 50)).toBe(50);
    expect(cache.size).toBe(100);
    // The newest of the flood stay.
    expect(cache.has('flood9999')).toBe(true);
    expect(cache.has('flood9940')).toBe(false);
  });

  it('one owner may use everything until others need it, and then keeps half', () => {
    const cache = cacheOf(100, 1_000);
    fill(cache, 'large', 100);
    expect(cache.size).toBe(100);
    for (let owner = 0; owner < 5; owner += 1) fill(cache, `small-${owner}-`, 10);
    expect(left(cache, 'large', 100)).toBe(50);
    expect(cache.size).toBe(100);
  });

  it('counts what each owner has also after removals', () => {
    const cache = cacheOf(10, 1_000);
    fill(cache, 'a', 8);
    for (let index = 0; index < 8; index += 1) cache.delete(`a${index}`);
    fill(cache, 'b', 10);
    cache.set('a', { owner: 'a', weight: 1 });
    expect(left(cache, 'b', 10)).toBe(9);
    cache.clear();
    fill(cache, 'b', 4);
    fill(cache, 'a', 7);
    expect([left(cache, 'b', 4), left(cache, 'a', 7)]).toEqual([4, 6]);
  });
});
