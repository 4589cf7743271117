import { MAX_CLOCK_TOLERANCE_MS } from '../../config.ts';
import type { Change } from './change.ts';
import type { LoginSessions } from './login-sessions.ts';
import type { ReplicaEvidence } from './replica-trust.ts';
import type { SubscriptionState } from './subscription-state.ts';

/** Maximum clock skew between pods that use Redis: one may be ahead of its replica and another behind. */
export const CLOCK_SKEW_MS = 2 * MAX_CLOCK_TOLERANCE_MS;

/** Maximum rows of one read. */
export const BATCH_ROWS = 1_000;

/**
 * How long the feed waits for one response before it reconnects. Much longer than lookups wait: with a shorter timeout,
 * a replica that responds slowly would never report a change.
 */
export const PATIENCE_MS = 10_000;

export interface Batch {
  /** In commit order. */
  changes: Change[];
  /** The source has more changes: read again at once. */
  more: boolean;
  /** The replica's clock during the read; unset if the read did not ask for it. */
  replicaTimeMs?: number | undefined;
  /** Changes may be missing that only a later read can return, so this read does not prove the caches complete. */
  behind?: boolean;
  /** The evidence of the replica has changed: read `lag` before anything else is used. */
  hasNewEvidence?: boolean;
}

/** How far the replica is behind the primary. */
export interface Lag {
  /** Time from the commit of the newest heartbeat to its arrival. */
  applySeconds: number;
  /** Time since the newest heartbeat arrived; on a standby since it was written. Grows while replication stands still. */
  heartbeatAgeSeconds: number;
  /** Whether the replica had all rows of the primary when the newest heartbeat arrived. */
  complete: boolean;
  /** Buckets of rows that differ from the primary. A physical standby compares nothing, as it copies whole pages. */
  divergedBuckets?: number;
  /** Age of the oldest comparison of a part; `undefined` before the first comparison. */
  comparisonAgeSeconds?: number | undefined;
  evidence: ReplicaEvidence;
  /** Why the generation of the evidence began; a physical standby records no breaks. */
  breakReason?: string;
  /** A physical standby has no subscription. */
  subscription?: SubscriptionState | undefined;
}

/** Limits of one attempt to connect. */
export interface ConnectLimits {
  timeoutMs: number;
  /** Ends the attempt. */
  signal: AbortSignal;
}

/**
 * Reads changes over one connection to the replica, and keeps its position across reconnects. Every method rejects if
 * the connection is broken or too slow; the feed then closes the source and connects again.
 */
export interface ChangeSource {
  /** @param onNotify there may be new changes; @param onDisconnect the connection has ended */
  connect(onNotify: () => void, onDisconnect: (error: Error) => void, limits?: ConnectLimits): Promise<void>;
  /**
   * The first read of a process: returns the changes of the last `windowMs` and sets the position for `read`.
   * @returns `trustedSinceMs`: the backlog contains every change since then
   */
  readBacklog(windowMs: number, limit: number): Promise<{ changes: Change[]; trustedSinceMs: number }>;
  /** Returns the changes since the last read. */
  read(): Promise<Batch>;
  lag(): Promise<Lag | undefined>;
  /** Ends sessions of this login that can hold up the server. */
  endBlockingSessions(): Promise<LoginSessions>;
  /** Closes the connection at once, in any state. */
  close(): void;
}
