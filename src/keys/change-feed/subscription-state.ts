/** What the server of a region tells every login about the subscription to the primary. */
export interface SubscriptionState {
  /** Enabled subscriptions of the region's database; 1 is right. */
  enabled: number;
  /** Disabled ones. */
  disabled: number;
  /** Process of the apply worker, which ends when its connection is lost or cannot be opened; null if it does not run. */
  worker: number | null;
  /** Seconds since the worker received a message, also one without changes, or since it started; null if it does not run. */
  messageAgeSeconds: number | null;
  /** Changes and copies of tables that failed, each attempt once, since the statistics began. */
  errors: number;
  /** Conflicts by their kind, such as `insert_exists`; only since Postgres 18. */
  conflicts: Readonly<Record<string, number>>;
  /** Sessions that hold a lock for which the apply worker waits. */
  blockedBy: readonly number[];
}

/**
 * An expression for a SELECT from `heartbeat` that returns a `SubscriptionState`. The error itself is only in the log of the server:
 * it contains the row. The columns of the statistics differ between versions of Postgres. Postgres stops all lock requests while it
 * looks for blockers, so it looks only while no heartbeat arrives. A worker that has received nothing yet shows the time of its start, and
 * before that -infinity.
 */
export const SUBSCRIPTION_STATE = `(
  SELECT json_build_object(
    'enabled', count(*) FILTER (WHERE subenabled),
    'disabled', count(*) FILTER (WHERE NOT subenabled),
    'worker', max(worker.pid),
    'messageAgeSeconds', extract(epoch FROM clock_timestamp()
      - max(worker.last_msg_receipt_time) FILTER (WHERE isfinite(worker.last_msg_receipt_time))),
    'errors', coalesce(sum(counts.errors), 0),
    'conflicts', coalesce((array_agg(counts.conflicts) FILTER (WHERE subenabled))[1], '{}'),
    'blockedBy', coalesce(CASE WHEN clock_timestamp() - received_at > interval '5 s'
      THEN pg_blocking_pids(max(worker.pid)) END, '{}'))
  FROM pg_subscription AS subscription
    LEFT JOIN pg_stat_subscription_stats AS stats ON stats.subid = subscription.oid
    LEFT JOIN LATERAL (
      SELECT sum(value::bigint) FILTER (WHERE key LIKE '%\\_error\\_count') AS errors,
        json_object_agg(substr(key, 7), value::bigint) FILTER (
          WHERE key LIKE 'confl\\_%' AND key NOT LIKE '%\\_origin\\_differs' AND value <> '0') AS conflicts
      FROM json_each_text(row_to_json(stats))
    ) AS counts ON true
    LEFT JOIN pg_stat_subscription AS worker ON worker.subid = subscription.oid AND worker.relid IS NULL
  WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))`;

/** What only several measurements show. */
export interface Attempts {
  /** Whether attempts to apply a change fail now. */
  failing: boolean;
  /** Whether the apply worker was missing, or another one, lately. */
  disconnected: boolean;
  /** Whether one and the same worker has run for some seconds. One that cannot connect ends at once. */
  settled: boolean;
  /** Whether the apply worker that runs now has opened its connection since the newest heartbeat. */
  reconnected: boolean;
}

/** An idle primary sends a message after half of `wal_sender_timeout`, 30 s by default. */
const RECENT_MESSAGE_SECONDS = 45;

/** Why no change arrives from the primary, as far as the region can tell, and what to do. */
export function replicationFault(
  { enabled, disabled, messageAgeSeconds, conflicts, blockedBy }: SubscriptionState,
  { failing, disconnected, settled, reconnected }: Attempts,
): string {
  if (enabled === 0) {
    return disabled === 0
      ? 'the region has no subscription to the primary'
      : 'the subscription is disabled: ALTER SUBSCRIPTION … ENABLE';
  }
  if (blockedBy.length > 0) {
    return `the apply worker of the region waits for a lock that session ${blockedBy.join(', ')} holds`;
  }
  if (failing) {
    const kinds = Object.entries(conflicts).map(([kind, count]) => `${kind} ${count}`);
    const conflict = kinds.length === 0 ? '' : ` (conflicts so far: ${kinds.join(', ')})`;
    return `the region fails to apply a change, and tries again${conflict}; the log of its server has the error`;
  }
  const receives = settled && messageAgeSeconds !== null && messageAgeSeconds < RECENT_MESSAGE_SECONDS;
  if (disconnected && !receives) {
    return 'the region does not receive from the primary (its address, the password of iam_replicator, the slot); the log of its server has the error';
  }
  // Postgres sends a region nothing before the position that it has applied, and a region cannot see how long the primary's WAL is.
  return reconnected
    ? 'the region is connected to the primary again and receives no changes: the primary may be an older copy or lack changes that the region has: iam region status; or no control plane writes to it'
    : 'the control plane is down, or cannot write; or the primary lacks changes that the region has: iam region status';
}
