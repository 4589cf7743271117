import type pg from 'pg';
import { AHEAD_BYTES, RETAINED_BYTES } from '../replication-slots.ts';

/** A replication slot by which a region receives changes, or an initial copy its table. The names are those of `--json`. */
export interface RegionSlot {
  name: string;
  /** Whether a region is connected. */
  active: boolean;
  /** Since when no region is connected; null while one is, and before Postgres 17. */
  inactive_since: string | null;
  confirmed_lsn: string | null;
  /** WAL that the primary keeps for the slot. */
  retained_bytes: number;
  /** WAL that the region has applied and the primary lacks. Unless it is 0, Postgres sends the region nothing. */
  ahead_bytes: number;
  /** Whether standbys copy the slot; always false before Postgres 17. */
  failover: boolean;
  /** WAL that the primary may still write before it loses the slot; null without a limit. */
  remaining_bytes: number | null;
  wal_status: 'reserved' | 'extended' | 'unreserved' | 'lost' | null;
  /** Why Postgres invalidated the slot; null before Postgres 17. */
  invalidation_reason: string | null;
  /** Address of the region; null if it is not connected, or if the login may not see it. */
  address: string | null;
  application_name: string | null;
  /** A slot of an initial copy, which Postgres drops after the copy. */
  initial_copy: boolean;
}

/** Columns that only later versions have are read through JSON. */
const SLOTS = `
  SELECT slot_name::text AS name, active, to_jsonb(slot) ->> 'inactive_since' AS inactive_since,
    confirmed_flush_lsn::text AS confirmed_lsn, ${RETAINED_BYTES} AS retained_bytes,
    ${AHEAD_BYTES} AS ahead_bytes, COALESCE((to_jsonb(slot) ->> 'failover')::boolean, false) AS failover,
    safe_wal_size::float8 AS remaining_bytes, wal_status,
    to_jsonb(slot) ->> 'invalidation_reason' AS invalidation_reason,
    host(client_addr) AS address, application_name, slot_name ~ '^pg_[0-9]+_sync_' AS initial_copy
  FROM pg_replication_slots AS slot LEFT JOIN pg_stat_replication AS connected ON connected.pid = active_pid
  WHERE plugin = 'pgoutput' AND slot.database = current_database() AND NOT temporary`;

/** Whether a region can continue with a slot. */
export function isUsable(slot: RegionSlot): boolean {
  return slot.wal_status !== 'lost' && slot.ahead_bytes === 0;
}

/** Reads the slots of all regions. @param primary any login */
export async function readRegionSlots(primary: pg.ClientBase): Promise<RegionSlot[]> {
  return (await primary.query<RegionSlot>(`${SLOTS} ORDER BY initial_copy, slot_name`)).rows;
}

/** Reads one slot. @returns undefined if the primary has no slot of a region with this name */
export async function readRegionSlot(primary: pg.ClientBase, name: string): Promise<RegionSlot | undefined> {
  return (await primary.query<RegionSlot>(`${SLOTS} AND slot_name = $1`, [name])).rows[0];
}

/** The primary's limit of retained WAL per slot; null if it has none. */
export async function readRetainedLimit(primary: pg.ClientBase): Promise<number | null> {
  const { rows } = await primary.query<{ bytes: number | null }>(
    `SELECT NULLIF(setting::float8, -1) * 1048576 AS bytes FROM pg_settings WHERE name = 'max_slot_wal_keep_size'`,
  );
  return rows[0]?.bytes ?? null;
}
