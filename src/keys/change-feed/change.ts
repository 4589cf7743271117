/** Something that changed on the primary and has reached this region. */
export type Change =
  | { entity: 'key'; id: string; version: number }
  /** `id` is the role scope, `roleScopeId`. */
  | { entity: 'roles'; id: string; version: number }
  /** A table was emptied, or changes were missed: nothing that is cached can be relied on. */
  | { entity: 'everything' };

/** A cache that follows changes. Called in order, one change at a time, before the feed counts as whole. */
export interface ChangeListener {
  apply(change: Change): void;
}
