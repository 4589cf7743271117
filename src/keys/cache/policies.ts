/**
 * TTLs and size limits of every cache that are not settings, each with its reason. docs/caching.md has a row per cache.
 * All times are in milliseconds.
 */
export const policies = {
  /** Long, because a match never becomes wrong: the entry names the hash that matched, the record decides if it counts. */
  secretMemo: { ttlMs: 24 * 60 * 60_000 },
  /**
   * Memos that a pod leaves to the next one in `HANDOVER_FILE`, as long-lived as in memory. The number bounds the time and
   * memory of the shutdown: about 35 MB.
   */
  handover: { ttlMs: 24 * 60 * 60_000, maxEntries: 200_000 },
  /** A replica must reach the counter of its generation for so long after a pod has stored it. */
  heartbeatCounter: { ttlMs: 24 * 60 * 60_000 },
  /** Spares argon2 a repeated wrong secret. Each entry names the hashes it failed against, so a rotation is visible. */
  wrongSecret: { ttlMs: 30_000, maxEntries: 20_000 },
  /** Ids, and pairs of id and network, whose comparisons come after others. Longer than a client needs between two retries. */
  failedIds: { ttlMs: 60_000, maxEntries: 20_000 },
  failedCallers: { ttlMs: 60_000, maxEntries: 20_000 },
  /** Spares Postgres a repeated unknown id. Short, although the change feed removes the entry when the key arrives. */
  absentKey: { ttlMs: 10_000, maxEntries: 20_000 },
  /** Role definitions of a project, shared by all of its keys. No TTL: the change feed and `Freshness` bound the age. */
  roles: { maxEntries: 20_000 },
  /** Parts that many records and responses have in common. No TTL: the values never change. */
  sharedTexts: { maxEntries: 20_000 },
  /**
   * Recent changes, which reveal a superseded copy from Redis or from a slow read. They outlive every sealed record
   * (`MAX_STALENESS_MS`) by this margin, which covers the clock skew between pods.
   */
  recentChanges: { marginMs: 5 * 60_000, maxEntries: 50_000 },
} as const;

/** The shares of `CACHE_MAX_BYTES` of the caches whose entries differ in size, in bytes. */
export function cacheShares(maxBytes: number) {
  return {
    responses: maxBytes / 2,
    keys: maxBytes / 4,
    roles: maxBytes / 8,
    requests: maxBytes / 16,
    assignments: maxBytes / 16,
  };
}
