/** What a cached copy derives from. */
export interface CopyOrigin {
  /** Unset if the copy contains only roles. */
  key?: { id: string; version: number };
  /** `roleScopeId` of the roles in the copy. */
  scopes: readonly string[];
  /** When the whole copy was last known to be valid; milliseconds since the epoch. */
  confirmedAtMs: number;
}

/**
 * The changes that any pod of the region has applied. A pod that can confirm nothing asks here before it uses an old
 * copy: others may know of a change that the pod itself cannot see.
 */
export interface Fences {
  /**
   * Whether a pod has applied a change that the copy may lack. Takes one round trip. `false` if Redis is unavailable:
   * then only `MAX_STALENESS_MS` bounds the use of the copy.
   */
  supersede(copy: CopyOrigin): Promise<boolean>;
}

/** The newest version of each key that any pod of the region has seen. */
export interface VersionFences {
  /**
   * Shares the round trip of other reads of Redis in the same turn of the event loop.
   * @returns -1 if no pod has seen the key lately; `undefined` if Redis is unavailable or late
   */
  newestVersion(id: string): Promise<number | undefined>;
}

/** For a service without Redis. */
export const noFences: Fences = { supersede: async () => false };
