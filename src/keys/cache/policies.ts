/**
 * Lives and caps of every cache that are not settings, in one place. docs/caching.md explains each row.
 * All times in milliseconds.
 */
export const policies = {
  /** A verified secret stays verified: the memo names the very hash that matched, and the record decides the rest. */
  secretMemo: { ttlMs: 24 * 60 * 60_000 },
  /** Spares argon2 the same wrong secret; bound to the hash it failed against, so a rotation is never masked. */
  wrongSecret: { ttlMs: 30_000, maxEntries: 20_000 },
  /** Spares Postgres an id that does not exist; replication of the key takes it out at once. */
  absentKey: { ttlMs: 10_000, maxEntries: 20_000 },
  /** Roles of a project: few and shared by all of its keys. */
  roles: { maxEntries: 20_000 },
  /** Parts of records and answers that many keys have in common. */
  sharedTexts: { maxEntries: 20_000 },
  /**
   * Changes that are remembered, so that an older copy from Redis or from a slow read is recognised. Longer than any
   * sealed record lives, by a margin for clocks that differ between pods.
   */
  recentChanges: { marginMs: 5 * 60_000, maxEntries: 50_000 },
} as const;
