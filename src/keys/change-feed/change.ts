/** A change of the primary that has arrived in this region. */
export type Change =
  | { entity: 'key'; id: string; version: number }
  /** `id` is the role scope, `roleScopeId`. */
  | { entity: 'roles'; id: string; version: number }
  /** The replica's rows belong to another history (docs/adr/0015): no cached entry and no recorded version counts. */
  | { entity: 'history'; generation: string }
  /** A table was truncated, or changes were missed: every cached entry may be stale. */
  | { entity: 'everything' };

/** A cache that follows the change feed. */
export interface ChangeListener {
  /** Called for one change at a time, in commit order, before `appliedUntilMs` moves past the change. */
  apply(change: Change): void;
}
