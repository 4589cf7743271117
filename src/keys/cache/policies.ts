/**
 * TTLs and size limits of all caches that are not settings. docs/caching.md explains each row. Times in milliseconds.
 */
export const policies = {
  /** Harmless when stale: the memo contains the hash that matched, and the record decides the rest. */
  secretMemo: { ttlMs: 24 * 60 * 60_000 },
  /** Saves argon2 for a repeated wrong secret. Bound to the hash that it failed against, so it never masks a rotation. */
  wrongSecret: { ttlMs: 30_000, maxEntries: 20_000 },
  /** Saves a query for an unknown id. The arrival of the key invalidates it. */
  absentKey: { ttlMs: 10_000, maxEntries: 20_000 },
  /** Roles of a project: few, and shared by all its keys. */
  roles: { maxEntries: 20_000 },
  /** Values of records and responses that many keys have in common. */
  sharedTexts: { maxEntries: 20_000 },
  /**
   * Recent changes, which reveal older copies from Redis or from a slow read. They outlive every sealed record by a margin for
   * clock differences between pods.
   */
  recentChanges: { marginMs: 5 * 60_000, maxEntries: 50_000 },
} as const;
