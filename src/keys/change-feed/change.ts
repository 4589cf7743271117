/** A change of the primary that has arrived in this region. */
export type Change =
  | { entity: 'key'; id: string; version: number }
  /** `id` is the role scope, `roleScopeId`. */
  | { entity: 'roles'; id: string; version: number }
  /**
   * The replica's rows belong to another history (docs/adr/0015): no cached entry counts, and no recorded version of another lineage.
   * Unset: the lineage begins with this generation.
   */
  | { entity: 'history'; generation: string; lineage?: string | undefined }
  /** A table was truncated, or changes were missed: every cached entry may be stale. */
  | { entity: 'everything' };

/** A cache that follows the change feed. */
export interface ChangeListener {
  /** Called for one change at a time, in commit order, before `appliedUntilMs` moves past the change. */
  apply(change: Change): void;
}

/** A change of a row. Without a version that can be compared, every cached entry may be older than the row. */
export function changeOf(entity: string, id: string, version: string): Change {
  const number = Number(version);
  const isComparable = Number.isSafeInteger(number) && number >= 0;
  return isComparable && (entity === 'key' || entity === 'roles')
    ? { entity, id, version: number }
    : { entity: 'everything' };
}
