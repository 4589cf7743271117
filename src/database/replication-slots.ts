/** A replication slot of the primary that retains WAL. */
interface ReplicationSlot {
  name: string;
  kind: 'logical' | 'physical';
  /** Whether a region or a standby is connected to it. */
  active: boolean;
  /** WAL that the primary keeps for it, in bytes. */
  retainedBytes: number;
  /**
   * WAL that its subscriber has applied and this primary lacks, in bytes: the primary is an older copy, or was promoted with a loss.
   * Postgres sends the subscriber nothing until its WAL is longer.
   */
  aheadBytes: number;
  /** False once the primary has removed WAL that the slot needs, or has invalidated it for another reason. */
  usable: boolean;
  /** Whether standbys copy it; always false before Postgres 17. */
  failover: boolean;
}

/** The replication slots of a primary that concern its regions. */
export interface ReplicationSlots {
  /** Logical slots of this database, and all physical slots; neither temporary ones nor those of an initial copy. */
  slots: readonly ReplicationSlot[];
  /** Names in `synchronized_standby_slots`; always empty before Postgres 17. */
  standbySlots: readonly string[];
  /** Those of them that no standby uses. While there is one, regions receive nothing. */
  missingStandbySlots: readonly string[];
}

/** WAL that a server keeps for a row of pg_replication_slots. */
export const RETAINED_BYTES = `COALESCE(pg_wal_lsn_diff(
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::float8`;

/** WAL that the subscriber of a row of pg_replication_slots has applied and this server lacks. */
export const AHEAD_BYTES = `COALESCE(GREATEST(0, pg_wal_lsn_diff(confirmed_flush_lsn,
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END)), 0)::float8`;

/** Columns that only later versions have are read through JSON. The slots of an initial copy are named pg_…_sync_…. */
const SLOTS = `
  SELECT slot_name::text AS name, slot_type AS kind, active,
    ${RETAINED_BYTES} AS "retainedBytes",
    wal_status IS DISTINCT FROM 'lost' AS usable,
    ${AHEAD_BYTES} AS "aheadBytes",
    COALESCE((to_jsonb(slot) ->> 'failover')::boolean, false) AS failover
  FROM pg_replication_slots AS slot
  WHERE NOT temporary AND (slot_type = 'physical' OR database = current_database())
    AND slot_name !~ '^pg_[0-9]+_sync_'
  ORDER BY slot_name`;

const STANDBY_SLOTS = `
  SELECT name, NOT EXISTS (SELECT FROM pg_replication_slots AS slot
      WHERE slot.slot_name = name AND slot_type = 'physical' AND active) AS missing
  FROM unnest(string_to_array(translate(current_setting('synchronized_standby_slots', true), ' "', ''), ',')) AS name
  WHERE name <> ''`;

/**
 * Reads the replication slots of a primary. Any login may do this.
 * @param query runs a statement on the primary, in a database that regions subscribe to
 */
export async function readReplicationSlots(
  query: <Row>(text: string) => Promise<Row[]>,
): Promise<ReplicationSlots> {
  const slots = await query<ReplicationSlot>(SLOTS);
  const standbySlots = await query<{ name: string; missing: boolean }>(STANDBY_SLOTS);
  return {
    slots,
    standbySlots: standbySlots.map(({ name }) => name),
    missingStandbySlots: standbySlots.filter(({ missing }) => missing).map(({ name }) => name),
  };
}
