import type pg from 'pg';

/** Where a subscription stands, and what its replication slot on the primary still has for it. */
export interface ReplicationPositions {
  /** End of the last transaction that the region has applied; `0/0` before the first. */
  originLsn: string;
  /** Where the slot continues; null without a slot. */
  confirmedLsn: string | null;
  /** End of the primary's WAL. */
  currentLsn: string;
  /** `lost`: Postgres has invalidated the slot (`max_slot_wal_keep_size`). */
  slot: 'missing' | 'lost' | 'usable';
  /**
   * - `contiguous`: the region receives every transaction after the last one that it has applied.
   * - `slot-ahead`: the slot continues later, or cannot continue. Without changes of published tables in between, nothing is
   *   missing: Postgres also confirms WAL that it does not publish. Only a comparison of the rows decides.
   * - `origin-ahead`: the region has applied transactions that the primary does not have. The primary is an older copy or
   *   was promoted with loss. Postgres skips its next transactions in silence, up to the origin.
   */
  verdict: 'contiguous' | 'slot-ahead' | 'origin-ahead';
}

/**
 * Compares a subscription with its slot. This shows a gap until the apply worker applies the first transaction after it, which moves
 * the origin. It reads the slot first and the end of the WAL last, so that progress in between does not look like a difference.
 *
 * The region's user must be a superuser or may EXECUTE `pg_replication_origin_progress`.
 * @returns undefined if the region's database has no such subscription
 */
export async function replicationPositions(
  region: pg.ClientBase,
  primary: pg.ClientBase,
  subscription: string,
): Promise<ReplicationPositions | undefined> {
  const subscribed = await region.query<{ slot: string | null }>(
    `SELECT subslotname::text AS slot FROM pg_subscription WHERE subname = $1
       AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [subscription],
  );
  if (subscribed.rows[0] === undefined) return undefined;
  const slots = await primary.query<{ confirmed: string | null; lost: boolean }>(
    `SELECT confirmed_flush_lsn::text AS confirmed, wal_status IS NOT DISTINCT FROM 'lost' AS lost
     FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`,
    [subscribed.rows[0].slot],
  );
  const [slot] = slots.rows;
  const origins = await region.query<{ origin: string }>(
    `SELECT coalesce(pg_replication_origin_progress('pg_' || oid, true), '0/0')::text AS origin
     FROM pg_subscription WHERE subname = $1
       AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [subscription],
  );
  const originLsn = origins.rows[0]?.origin ?? '0/0';
  const wal = await primary.query<{ current: string }>('SELECT pg_current_wal_lsn()::text AS current');
  const currentLsn = wal.rows[0]?.current ?? '0/0';
  const positions = { originLsn, confirmedLsn: slot?.confirmed ?? null, currentLsn };
  const state = slot === undefined ? 'missing' : slot.lost ? 'lost' : 'usable';
  return { ...positions, slot: state, verdict: verdictOf(positions, state === 'usable') };
}

function verdictOf(
  {
    originLsn,
    confirmedLsn,
    currentLsn,
  }: Pick<ReplicationPositions, 'originLsn' | 'confirmedLsn' | 'currentLsn'>,
  usable: boolean,
): ReplicationPositions['verdict'] {
  const origin = position(originLsn);
  if (origin > position(currentLsn)) return 'origin-ahead';
  return usable && confirmedLsn !== null && position(confirmedLsn) <= origin ? 'contiguous' : 'slot-ahead';
}

/** `16/B374D848` as a number of bytes (PostgreSQL documentation, 8.20). */
function position(lsn: string): bigint {
  const [high = '0', low = '0'] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}
