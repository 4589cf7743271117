import type { Change } from './change.ts';

/** Clocks of pods that share a Redis differ by less. */
export const CLOCK_SKEW_MS = 5_000;

/** What a source hands over: changes in the order in which they were committed. */
export interface Batch {
  changes: Change[];
  /** There is more: read again at once. */
  more: boolean;
}

/** How far the replica is behind the primary, in seconds. */
export interface Lag {
  /** From the commit of the newest heartbeat to its arrival. */
  applySeconds: number;
  /** Since the newest heartbeat was written; grows while nothing arrives. */
  heartbeatAgeSeconds: number;
}

/**
 * One connection to the replica that changes are read from. It knows how far it has read, also across `connect`s.
 * Every method rejects when the connection is broken or too slow; the feed then closes it and connects again.
 */
export interface ChangeSource {
  /** @param wake called when there may be something to read; @param broken called when the connection ends */
  connect(wake: () => void, broken: (error: Error) => void): Promise<void>;
  /**
   * The first read of a process: what changed within the last `windowMs`, and from where to go on.
   * @returns in `trustedSinceMs` the moment from which on nothing is missing
   */
  begin(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }>;
  /** What has changed since the last read. */
  read(): Promise<Batch>;
  lag(): Promise<Lag | undefined>;
  /** Lets go of the connection at once, whatever state it is in. */
  close(): void;
}
