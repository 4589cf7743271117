/**
 * Options that bound an `LRUCache` to a number of entries. Its own `max` takes room for all of them when the cache is
 * made, some 20 ms for a hundred thousand, at each start. Bounded by size, an entry being of size 1, it grows with what
 * is in it. An entry then takes some 50 bytes more: not for caches that hold something of every key.
 */
export function atMost(entries: number) {
  return { maxSize: entries, sizeCalculation: () => 1 };
}
