import type pg from 'pg';
import { PUBLICATION } from '../subscription.ts';
import { LOST_REVOCATIONS } from './lost-revocations.ts';

/** A table that the subscription replicates. */
interface ReplicatedTable {
  name: string;
  state: 'waiting' | 'copying' | 'copied' | 'ready';
}

/** What the database of a region says about itself. The names are those of `--json`. */
export interface RegionState {
  /** A physical standby has no subscription. */
  standby: boolean;
  subscription: { name: string; enabled: boolean; slot: string | null } | null;
  /** The apply worker. */
  worker: { running: boolean; last_message_seconds: number | null };
  tables: ReplicatedTable[];
  /**
   * The newest heartbeat; null before the first one. `age_seconds` is the age of the region's data, as far as the clocks of both servers
   * agree; `received_seconds` is measured by the region's alone.
   */
  heartbeat: {
    age_seconds: number;
    received_seconds: number;
    complete: boolean;
    epoch: number;
    counter: number;
  } | null;
  /** Since the statistics of the subscription were reset. Conflicts are counted since Postgres 18. */
  errors: { apply: number; copy: number; conflicts: number };
  generation: string;
  /** The newest ones, causes first: `difference` and `repair` follow from others. */
  breaks: { at: string; reason: string; epoch: number | null }[];
  /** Keys that are accepted again, because the primary has lost their revocation and it was not repeated yet. */
  lost_revocations: number;
  buckets: { unverified: number; suspected: number; diverged: number };
  /** Age of the oldest comparison; null if some part was never compared. */
  comparison_age_seconds: number | null;
}

const STATE = `
  WITH own AS (
    SELECT oid, subname, subenabled, subslotname FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND $1 = ANY (subpublications)
    ORDER BY subname LIMIT 1
  ), worker AS (
    SELECT stat.* FROM pg_stat_subscription AS stat JOIN own ON oid = subid WHERE relid IS NULL AND pid IS NOT NULL LIMIT 1
  ), stats AS (
    SELECT to_jsonb(stat) AS counts FROM pg_stat_subscription_stats AS stat JOIN own ON oid = subid
  )
  SELECT pg_is_in_recovery() AS standby,
    (SELECT jsonb_build_object('name', subname, 'enabled', subenabled, 'slot', subslotname) FROM own) AS subscription,
    jsonb_build_object('running', EXISTS (SELECT FROM worker), 'last_message_seconds',
      (SELECT extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 FROM worker)) AS worker,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('name', srrelid::regclass::text, 'state',
        CASE srsubstate WHEN 'i' THEN 'waiting' WHEN 'd' THEN 'copying' WHEN 'r' THEN 'ready' ELSE 'copied' END)
        ORDER BY srrelid::regclass::text), '[]')
      FROM pg_subscription_rel JOIN own ON oid = srsubid) AS tables,
    (SELECT jsonb_build_object('age_seconds', extract(epoch FROM clock_timestamp() - beat_at)::float8,
        'received_seconds', extract(epoch FROM clock_timestamp() - received_at)::float8,
        'complete', complete, 'epoch', epoch, 'counter', counter) FROM heartbeat) AS heartbeat,
    jsonb_build_object(
      'apply', coalesce((SELECT (counts ->> 'apply_error_count')::int FROM stats), 0),
      'copy', coalesce((SELECT coalesce(counts ->> 'sync_error_count', counts ->> 'sync_table_error_count')::int FROM stats), 0),
      'conflicts', coalesce((SELECT sum(value::text::int) FROM stats, jsonb_each(counts) WHERE key LIKE 'confl\\_%'), 0)
    ) AS errors,
    (SELECT generation FROM history_breaks ORDER BY seq DESC LIMIT 1) AS generation,
    (SELECT jsonb_agg(jsonb_build_object('at', at, 'reason', reason, 'epoch', epoch) ORDER BY follows, seq DESC) FROM
      (SELECT *, reason IN ('difference', 'repair') AS follows FROM history_breaks ORDER BY follows, seq DESC LIMIT 5) AS newest) AS breaks,
    ${LOST_REVOCATIONS} AS lost_revocations,
    (SELECT jsonb_build_object('unverified', count(*) FILTER (WHERE state = 'unverified'),
        'suspected', count(*) FILTER (WHERE state = 'suspected'), 'diverged', count(*) FILTER (WHERE state = 'diverged'))
      FROM compared_buckets) AS buckets,
    (SELECT CASE WHEN count(checked_at) = $2 THEN extract(epoch FROM clock_timestamp() - min(checked_at))::float8 END
      FROM compared_parts) AS comparison_age_seconds`;

/** Parts of digests: 32 of keys and 2 of roles. The login of the regional service, which may ask for the status, cannot read `digests`. */
const PARTS = 34;

/** Reads the state of a region. @param region the owner of its database @throws Error if it is not a region's database */
export async function readRegionState(region: pg.ClientBase): Promise<RegionState> {
  await assertRegion(region);
  const { rows } = await region.query<RegionState>(STATE, [PUBLICATION, PARTS]);
  return rows[0] as RegionState;
}

/** The newest table that this release of the region's schema has, and that a primary lacks. */
const NEWEST_TABLE = 'public.lost_revocations';

async function assertRegion(region: pg.ClientBase): Promise<void> {
  const { rows } = await region.query<{ migrated: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS migrated',
    [NEWEST_TABLE],
  );
  if (rows[0]?.migrated !== true) throw new NotARegionError();
}

/** The database is not that of a region, or its schema is older. */
export class NotARegionError extends Error {
  override name = 'NotARegionError';
  constructor() {
    super('The database has no current schema of a region. Check the URL, then run "iam migrate region".');
  }
}

/** The connection string of the region's subscription; undefined without a subscription, or if the user may not read it. */
export async function storedConnection(region: pg.ClientBase): Promise<string | undefined> {
  const allowed = await region.query<{ may_read: boolean }>(
    "SELECT has_column_privilege('pg_subscription', 'subconninfo', 'SELECT') AS may_read",
  );
  if (allowed.rows[0]?.may_read !== true) return undefined;
  const { rows } = await region.query<{ connection: string }>(
    `SELECT subconninfo AS connection FROM pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND $1 = ANY (subpublications)
     ORDER BY subname LIMIT 1`,
    [PUBLICATION],
  );
  return rows[0]?.connection;
}
