import type pg from 'pg';
import { type ReplicationPositions, replicationPositions } from '../replication-positions.ts';
import { PUBLICATION } from '../subscription.ts';
import { type RegionSlot, readRegionSlot, readRetainedLimit } from './region-slots.ts';

/** What the primary says about a region. The names are those of `--json`. */
export interface PrimaryState {
  slot: RegionSlot | null;
  /** Limit of the WAL that a slot may retain; null if there is none. */
  retained_limit_bytes: number | null;
  published_tables: string[];
  /** Ages of what a control plane writes; null if it never did. */
  heartbeat_age_seconds: number | null;
  digest_age_seconds: number | null;
  /** Null without a subscription, or if the region's user may not read the position of its origin. */
  positions: ReplicationPositions | null;
}

/**
 * Reads what the primary knows of a region.
 * @param subscription name in the region, and its slot; the slot alone if the region has no subscription
 */
export async function readPrimaryState(
  primary: pg.ClientBase,
  region: pg.ClientBase,
  subscription: { name?: string; slot: string },
): Promise<PrimaryState> {
  const positions =
    subscription.name === undefined ? null : await positionsOf(region, primary, subscription.name);
  return {
    slot: (await readRegionSlot(primary, subscription.slot)) ?? null,
    retained_limit_bytes: await readRetainedLimit(primary),
    published_tables: await publishedTables(primary),
    ...(await readAges(primary)),
    positions,
  };
}

/** SQLSTATE of a missing permission. */
const INSUFFICIENT_PRIVILEGE = '42501';

async function positionsOf(
  region: pg.ClientBase,
  primary: pg.ClientBase,
  subscription: string,
): Promise<ReplicationPositions | null> {
  try {
    return (await replicationPositions(region, primary, subscription)) ?? null;
  } catch (error) {
    if ((error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE) return null;
    throw error;
  }
}

/** The tables that a region copies. */
export async function publishedTables(primary: pg.ClientBase): Promise<string[]> {
  const { rows } = await primary.query<{ name: string }>(
    'SELECT tablename::text AS name FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1',
    [PUBLICATION],
  );
  return rows.map(({ name }) => name);
}

type Ages = Pick<PrimaryState, 'heartbeat_age_seconds' | 'digest_age_seconds'>;

/** How long ago a control plane wrote a heartbeat and a digest. */
export async function readAges(primary: pg.ClientBase): Promise<Ages> {
  const { rows } = await primary.query<Ages>(
    `SELECT (SELECT extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM heartbeat) AS heartbeat_age_seconds,
       (SELECT extract(epoch FROM clock_timestamp() - max(published_at))::float8 FROM digests) AS digest_age_seconds`,
  );
  return rows[0] as Ages;
}
